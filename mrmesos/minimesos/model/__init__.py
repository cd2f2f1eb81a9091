"""What minimesos knows, and the shapes of Mesos' messages.

Plain data and checks: records, resources, calls, protobuf's text format.
Thread: minimesos' event loop.
"""
