"""Input formats, a file each: what of a split they read, and as what batches.

`planning` says what can be read and cut, without pyarrow; `registry` finds the reader.
A unit of a file (line, row group, record batch, stripe, record) is read by exactly one split.

Thread: the worker's main thread.
"""
