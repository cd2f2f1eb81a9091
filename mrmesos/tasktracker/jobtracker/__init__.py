"""What a TaskTracker says to its JobTracker: signed requests, and one heartbeat always under way.

Comes in: reports and progress. Goes out: actions.
Thread: the TaskTracker's event loop.
"""
