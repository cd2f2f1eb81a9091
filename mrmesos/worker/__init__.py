"""The process that runs attempts: `python -m mrmesos.worker`. User code runs here and nowhere else.

Comes in: attempts over a socket pair. Goes out: progress and ends of attempts.
Thread: attempts on the main thread; one reader and one reporter beside it.
"""
