"""Files that travel with a job: a TaskTracker's cache of them, archives, links for attempts.

Comes in: hashes and names. Goes out: read-only files.
Thread: the TaskTracker's event loop; slow file work runs in its pool of threads.
"""
