"""Python objects and Arrow columns: schemas, encoding, decoding, sort keys, sorting.

Comes in: records or record batches. Goes out: record batches or records.
Thread: the worker's main thread. Each kernel call stays far below 2 GiB.
"""
