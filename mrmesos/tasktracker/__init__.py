"""The TaskTracker: our Mesos executor on an agent, gone when nothing needs it.

Its own process (executor, tracker, worker_pool, heartbeats, server) runs no user code and imports
no pyarrow; its worker processes (worker, map_task, reduce_task, …) run one attempt at a time.
"""
