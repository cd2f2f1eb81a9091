"""Prepares a job's code: loads the script, pickles the job, packs the modules that it imports.

In: a script and options. Out: bytes and files to upload.
Thread: the caller's.
"""
