"""Map output: sort buffer, segments and index, merge, partitioning, folding by key.

Input: record batches of a map. Output: one data file and one index; merged groups.
Thread: the worker's main thread.
"""
