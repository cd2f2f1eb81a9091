"""The pure core of a TaskTracker: events come in, each with its time; commands go out.

It knows slots, workers, attempts and reports, and does nothing itself.
Thread: the TaskTracker's event loop.
"""
