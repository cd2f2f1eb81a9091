"""A Mesos for one machine, in one process: a master, its agents and their executors.

Speaks Mesos' v1 scheduler and executor HTTP APIs in JSON to any framework.
Knows nothing of MapReduce and imports no other room.
"""
