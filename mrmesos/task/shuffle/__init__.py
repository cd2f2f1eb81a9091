"""A reduce's half of the shuffle: it fetches its segment of every map output.

Comes in: names and URLs of map outputs. Goes out: checked segments.
Thread: several fetching threads of its own, inside the worker.
"""
