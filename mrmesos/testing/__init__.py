"""Faults for real processes: kill them, stop them, cut their connections, spoil their files.

Use it to see whether jobs survive faults. It touches only processes started from one directory, and
files in it. It imports no other room, and only tests import it.

Comes in: a directory, a seeded generator, the kind of a fault. Goes out: what was done.
Thread: the caller's.
"""
