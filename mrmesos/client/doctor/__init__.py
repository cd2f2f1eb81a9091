"""`mrmesos doctor` finds faults of this machine and a cluster, and says what to do.

`here.py` and `cluster.py` gather facts from files, sockets and jobs. `judge.py` is pure: facts
become findings. `probe_job.py` is a job that reports facts about the agent where it runs. Thread:
main.
"""
