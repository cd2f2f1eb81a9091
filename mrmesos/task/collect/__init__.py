"""Collects a map's pairs: combines, folds, partitions and sorts them.

Comes in: pairs and batches from a driver. Goes out: the map-output file, sorted runs.
Thread: the worker's main thread.
"""
