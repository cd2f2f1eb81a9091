"""The connection to the JobTracker: signed requests, and always one open heartbeat.

Comes in: reports and progress. Goes out: actions.
Thread: the TaskTracker's event loop.
"""
