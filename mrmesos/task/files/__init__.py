"""Files that travel with a job: the cache of a TaskTracker, archives, links for attempts.

Comes in: hashes and names. Goes out: read-only files.
Thread: the TaskTracker's pool of threads.
"""
