"""The files of jobs on a TaskTracker, and the server for map output and logs.

Comes in: code, files and outputs of attempts. Goes out: segments, logs.
Thread: the TaskTracker's event loop; other threads delete files.
"""
