"""The core's whole state in one object, and what it writes about it: records, reports, mailbox.

Comes in: changes while an event is handled. Goes out: records, reports, numbered actions.
Thread: the core thread.
"""
