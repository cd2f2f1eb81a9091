"""Leader election among several JobTrackers with ZooKeeper, and lookup of the leader.

JobTrackers are the candidates. TaskTrackers and clients look the leader up. It knows no jobs.
"""
