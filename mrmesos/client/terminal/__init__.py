"""What a user sees on the terminal: progress, results, errors, and what Ctrl-C does.

Comes in: answers of the JobTracker. Goes out: lines on stdout and stderr.
Thread: the caller's; progress bars have one of their own.
"""
