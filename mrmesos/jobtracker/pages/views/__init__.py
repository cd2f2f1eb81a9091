"""What pages show, as plain data, and who is logged in. Pure: no requests, no clock.

Comes in: snapshots of the core, and records of the history. Goes out: what templates print.
Thread: any.
"""
