"""Part files of every output format, and the commit that makes them visible together.

Input: record batches of one attempt. Output: files under `_temporary`, then the job's output.
Thread: the worker's main thread; the commit runs in a planning thread of the JobTracker.
"""
