"""All that the core knows, in one object; and what is told of it: records, reports, mailbox.

Comes in: changes while an event is handled. Goes out: records, reports, numbered actions.
Thread: the core thread.
"""
