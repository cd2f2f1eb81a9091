"""minimesos on the network: routes, event streams, and the server of all masters and agents.

In: HTTP requests. Out: Mesos' v1 events and JSON.
Thread: minimesos' event loop.
"""
