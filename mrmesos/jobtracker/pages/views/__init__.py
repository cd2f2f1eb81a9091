"""The pages as plain data, and the sessions of browsers. Pure: no requests, no clock.

Comes in: snapshots of the core, and records of the history. Goes out: the data that templates
print. Thread: any.
"""
