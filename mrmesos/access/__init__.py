"""Who may speak to whom: tokens, signed requests, TLS, and a listener that strangers cannot fill.

It knows HTTP, and nothing of jobs: JobTracker, TaskTrackers and clients build on it.
"""
