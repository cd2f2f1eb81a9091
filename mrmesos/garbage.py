"""How often our processes look for cyclic garbage."""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 20)
"""Objects made before the youngest are looked at, and how often before the older ones are, too."""


def look_seldom() -> None:
    """Call it first thing in a process, before what takes long to import.

    By default Python looks every 700 objects: a tenth of the time that imports take, and a fifth of
    a per-record map's.
    """
    gc.set_threshold(*THRESHOLDS)


def set_apart() -> None:
    """Keep all present objects out of further looks. A full look at a job of 200,000 maps stops
    all threads of the JobTracker for a quarter of a second. Objects are still freed as usual, but
    for cycles.
    """
    gc.freeze()


def take_back() -> None:
    """Look at all objects again."""
    gc.unfreeze()
