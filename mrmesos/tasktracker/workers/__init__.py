"""Worker processes: starts them, sends them attempts, limits and watches them, ends them.

Comes in: commands of the core. Goes out: events about workers.
Thread: the TaskTracker's event loop.
"""
