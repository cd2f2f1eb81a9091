"""The messages that JobTracker, TaskTracker and client exchange, and nothing else.

All are msgspec structs sent as JSON over HTTP; docs/protocol.md walks through them.
"""
