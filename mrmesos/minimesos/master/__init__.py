"""The master of minimesos: frameworks, offers, tasks, maintenance, election.

In: calls of frameworks. Out: events on their streams, tasks for agents.
Thread: minimesos' event loop.
"""
