"""Repaired versions of pymesos' two drivers, and the search for the leading master.

The rest of mrmesos talks to Mesos only through this room, and never sees pymesos itself. The room
knows nothing of MapReduce.

Comes in: calls, and the events of a master or an agent. Goes out: HTTP requests, and callbacks.
Thread: callbacks run on the driver's IO thread; any thread may make calls.
"""
