"""How user code travels: pickled with its file names and sources, and loaded again in workers.

Comes in: a job and the modules it stands in. Goes out: bytes; the job again.
Thread: the client's, then the worker's main thread.
"""
