"""TaskExecutor: free tasks from a script or a notebook, on a cluster of its own or of others.

Comes in: calls of the user's code, from any thread. Goes out: requests to a JobTracker, results.
Threads: one sends tasks, another takes their ends.
"""
