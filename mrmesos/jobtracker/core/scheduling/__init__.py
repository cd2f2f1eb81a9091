"""Which attempt goes next on an agent: findTask and the index it asks.

Comes in: an agent and what fits on it. Goes out: a task, or the reason for none.
Thread: the core thread.
"""
