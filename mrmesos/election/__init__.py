"""Elects one of several JobTrackers as leader by ZooKeeper, and finds the leader's URL there.

JobTrackers use `candidate`, TaskTrackers and clients use `finder`. The room knows nothing of jobs.
Comes in: a zk:// URL. Goes out: who leads, and the leader's URL.
Thread: `Candidate` calls back from kazoo's threads and its own; `find_leader` blocks its caller.
"""
