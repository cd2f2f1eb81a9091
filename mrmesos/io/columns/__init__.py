"""Python objects and Arrow columns: schemas, encoding, decoding, sort keys, sorting.

Input: records or record batches. Output: record batches or records.
Thread: the worker's main thread. Each kernel call stays far below 2 GiB.
"""
