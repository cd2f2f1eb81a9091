"""What a submit does: load the job's script, check it, send it, follow it, show its results.

Comes in: a command line, or a call from `local`. Goes out: requests to a JobTracker.
Thread: the caller's; progress bars have one of their own.
"""
