"""The JobTracker's HTTP server: the API, authentication, and the check of submitted jobs.

Comes in: requests of clients and TaskTrackers. Goes out: questions and events for the core.
Thread: an event loop of its own.
"""
