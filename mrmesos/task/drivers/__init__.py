"""Records to user code and back: the loops around mappers and reducers, and what goes wrong there.

Comes in: record batches. Goes out: pairs to a sink; an AttemptError.
Thread: the worker's main thread.
"""
