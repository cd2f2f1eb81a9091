"""Faults for real processes: kills or stops them, cuts their connections, damages their files.

Use it to test how jobs survive faults. It touches only processes and files of one directory. It
imports no other room, and only tests import it.
"""
