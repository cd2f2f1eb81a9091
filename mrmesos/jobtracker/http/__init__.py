"""The JobTracker's HTTP server: the API, who may ask what, and which jobs are let in.

Comes in: requests of clients and TaskTrackers. Goes out: questions and events for the core.
Thread: an event loop of its own.
"""
