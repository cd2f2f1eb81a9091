"""Random histories with faults, from one seed each, that prove the production core.

Pure: a virtual clock, a seeded generator, and no threads, files or sockets.
"""

WORLD_KINDS = (
    "mixed",
    "crashing",
    "cut",
    "silent",
    "one-job",
    "unheard",
    "rough",
    "out-of-sight",
    "apart",
    "tasks",
    "chains",
)
"""See histories.py, which builds them."""
