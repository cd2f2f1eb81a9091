"""How often our processes look for cyclic garbage."""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 20)
"""After this many new objects, Python looks at the youngest ones. The other numbers say after how
many such looks it also looks at older objects.
"""


def look_seldom() -> None:
    """Call it first in a process, before imports that take long.

    By default Python looks after every 700 objects. That is a tenth of the time of imports, and a
    fifth of the time of a per-record map.
    """
    gc.set_threshold(*THRESHOLDS)


def set_apart() -> None:
    """Keep all present objects out of further looks. A full look at a job of 200,000 maps stops all
    threads of the JobTracker for a quarter of a second. Objects without cycles are still freed as
    usual.
    """
    gc.freeze()


def take_back() -> None:
    """Look at all objects again."""
    gc.unfreeze()
