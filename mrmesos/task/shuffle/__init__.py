"""A reduce's half of the shuffle: it fetches its segment of every map output.

Comes in: names and places of map outputs. Goes out: checked segments.
Thread: an event loop of its own in the worker.
"""
