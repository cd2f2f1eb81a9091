"""The client: loads a job's script, checks it, sends it, follows it, and shows its results.

In: a command line, or a call from `local`. Out: requests to a JobTracker.
Thread: the caller's; progress bars have their own thread.
"""
