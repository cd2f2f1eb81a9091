"""Planning the splits of a job from input URIs, and reading finished outputs.

Input: URIs and formats. Output: splits with the hosts that store them.
Thread: a planning thread of the JobTracker, or the caller's.
"""
