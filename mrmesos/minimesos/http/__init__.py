"""minimesos on the network: routes, event streams, the process that holds it all.

Comes in: HTTP requests. Goes out: Mesos' v1 events and JSON.
Thread: minimesos' event loop.
"""
