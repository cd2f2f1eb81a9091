"""From input URIs to the splits of a job, and a finished output read back.

Comes in: URIs and formats. Goes out: splits with the hosts that store them.
Thread: a planning thread of the JobTracker, or the caller's.
"""
