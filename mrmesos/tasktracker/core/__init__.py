"""The pure core of a TaskTracker: events come in, each with its time; commands go out.

It knows slots, workers, attempts and reports. It decides, and the shell acts.
Thread: the TaskTracker's event loop.
"""
