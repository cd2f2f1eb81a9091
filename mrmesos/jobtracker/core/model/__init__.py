"""The things in the core: jobs, tasks, attempts, slots, trackers, agents, and their settings.

Comes in: changes by the handlers. Goes out: facts. Nothing here decides what to run.
Thread: the core thread.
"""
