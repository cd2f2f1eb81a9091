"""The records of ended jobs, and the differences between two of them. Pure: no files, no threads.

Comes in: an ended job, from the core. Goes out: the record to keep, and comparisons. Thread: any.
"""
