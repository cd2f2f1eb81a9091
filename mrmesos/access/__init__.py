"""Access control: tokens, signed requests, TLS, and a listener that strangers cannot exhaust.

It knows HTTP but not jobs. JobTracker, TaskTrackers and clients build on it.
"""
