"""Between Mesos and the core: the only room of the JobTracker that knows Mesos' words.

Comes in: the driver's callbacks, and commands. Goes out: events, and the driver's calls.
Thread: callbacks come on the driver's; calls are made on one of their own.
"""
