"""Which of several JobTrackers leads: election by ZooKeeper, and where the leader is found.

Candidates use the one, TaskTrackers and clients the other; it knows nothing of jobs.
"""
