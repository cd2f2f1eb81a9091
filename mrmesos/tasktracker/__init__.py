"""The TaskTracker: our Mesos executor on an agent. It ends when nothing needs it.

Its own process runs no user code and does not import pyarrow. Its worker processes
(`mrmesos.worker`) run one attempt at a time.
"""
