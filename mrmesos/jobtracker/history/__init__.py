"""What is kept of ended jobs, and what differs between two of them. Pure: no files, no threads.

Comes in: an ended job, as the core gives it away. Goes out: the record to keep, and comparisons.
Thread: any.
"""
