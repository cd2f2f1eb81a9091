"""An agent of minimesos: starts executors and commands as processes, and ends them.

Comes in: tasks of the master. Goes out: status updates.
Thread: minimesos' event loop.
"""
