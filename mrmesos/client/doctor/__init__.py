"""`mrmesos doctor`: what is wrong with this machine and a cluster, and what to do.

`here.py` and `cluster.py` gather facts by files, sockets and jobs. `judge.py` is pure: facts become
findings. `probe_job.py` is a job that tells of the agent that it runs on. Thread: main.
"""
