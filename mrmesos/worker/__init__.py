"""The process that runs attempts: `python -m mrmesos.worker`. User code runs here and nowhere else.

Comes in: attempts, over a socket pair. Goes out: progress and results of attempts.
Threads: the main thread runs attempts; a reader and a reporter run beside it.
"""
