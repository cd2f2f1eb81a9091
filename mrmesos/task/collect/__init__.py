"""What becomes of a map's pairs: combined, folded, partitioned, sorted.

Comes in: pairs and batches from a driver. Goes out: the map-output file, sorted runs.
Thread: the worker's main thread.
"""
