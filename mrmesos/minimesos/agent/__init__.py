"""An agent of minimesos: starts executors and commands as processes, and ends them.

In: tasks from the master. Out: status updates.
Thread: minimesos' event loop.
"""
