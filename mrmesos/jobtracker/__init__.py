"""Decides: jobs in progress, findTask over offers and free slots, trackers, the HTTP API.

`core` and what it imports are plain objects without I/O, threads or clocks: events in, commands
out. `service` is the shell around them.
"""
