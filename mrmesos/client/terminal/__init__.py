"""The terminal: progress, results, errors, and Ctrl-C.

In: answers of the JobTracker. Out: lines on stdout and stderr.
Thread: the caller's; progress bars have their own thread.
"""
