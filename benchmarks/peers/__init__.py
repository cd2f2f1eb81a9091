"""The same jobs as one would write them elsewhere: `script OPERATION INPUT OUTPUT-DIRECTORY`.

Each script runs as a process of its own and imports nothing of mrmesos or of this package.
"""
