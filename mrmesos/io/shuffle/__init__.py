"""Map output: sort buffer, segments and index, merge, partitioning, folding by key.

Comes in: record batches of a map. Goes out: one data file and one index; merged groups.
Thread: the worker's main thread.
"""
