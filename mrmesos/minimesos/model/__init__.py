"""The records of minimesos, and the types of Mesos' messages.

Plain data and checks: records, resources, calls, protobuf's text format.
Thread: minimesos' event loop.
"""
