"""Faults for real processes: kill them, stop them, cut their connections, spoil their files.

For whoever wants to see how jobs bear it. It touches only what was started from one directory;
stands on the ground: no other room is imported, and none but tests import it.
"""
