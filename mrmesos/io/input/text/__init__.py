"""Text files as blocks of records: their bytes, their encoding, and where records end.

Input: a slice of a file, and what its format says. Output: blocks of whole lines, rows or records.
Thread: the worker's main thread; planning asks `encodings` which files may be cut.
"""
