"""Worker processes: start them, feed them, bound and watch them, end them.

Comes in: commands of the core. Goes out: events about workers.
Thread: the TaskTracker's event loop.
"""
