"""One task attempt: a map or a reduce, from its input to its output. Plain functions.

Comes in: an attempt, the job's facts and code. Goes out: map output or a part file, and counters.
Thread: the worker's main thread.
"""
