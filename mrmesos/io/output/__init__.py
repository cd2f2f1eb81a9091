"""Part files of every output format, and the commit that makes them visible together.

Comes in: record batches of one attempt. Goes out: files under `_temporary`, then the output.
Thread: the worker's main thread; the commit runs in a planning thread of the JobTracker.
"""
