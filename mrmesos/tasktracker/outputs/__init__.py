"""What a TaskTracker holds of jobs, and the server that hands map output and logs out.

Comes in: code, files and outputs of attempts. Goes out: segments, logs.
Thread: the TaskTracker's event loop; files are deleted in a thread.
"""
