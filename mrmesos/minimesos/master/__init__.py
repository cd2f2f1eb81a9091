"""The master of minimesos: frameworks, offers, tasks, maintenance, election.

Comes in: calls of frameworks. Goes out: events on their streams, tasks to agents.
Thread: minimesos' event loop.
"""
