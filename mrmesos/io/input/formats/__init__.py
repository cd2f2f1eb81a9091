"""Input formats, one file each.

Input: a split. Output: the batches of the split's records.
`planning` checks formats without pyarrow; `registry` finds the reader of a format.
Exactly one split reads each unit of a file (line, row group, record batch, stripe, record).

Thread: the worker's main thread.
"""
