"""How often our processes look for cyclic garbage."""

from __future__ import annotations

import gc
from typing import Any

THRESHOLDS = (50_000, 20, 20)
"""After this many new objects, Python looks at the youngest ones. The other numbers say after how
many such looks it also looks at older objects.
"""
YOUNG = 10_000
"""A service with short pauses looks at new objects as soon as there are this many more."""
LOOKS = 100
"""After this many such looks it looks at all objects, if it has work."""
IDLE_LOOKS = 10
"""And after this many, if it has none."""


def look_seldom() -> None:
    """Call it first in a process, before imports that take long.

    By default Python looks after every 700 objects. That is a tenth of the time of imports, and a
    fifth of the time of a per-record map.
    """
    gc.set_threshold(*THRESHOLDS)


def set_apart() -> None:
    """Keep all present objects out of further looks, and count new ones from zero.

    A full look at a job of 200,000 maps stops all threads of the JobTracker for a quarter of a
    second. A look at the 50,000 objects of some hundred modules takes 10 ms. Objects without cycles
    are still freed as usual.
    """
    gc.freeze()


def take_back() -> None:
    """Look at all objects again."""
    gc.unfreeze()


class Survivors:
    """Keeps pauses short in a process of its own that has millions of objects.

    Objects that survive their first look are set apart. So each look is at YOUNG objects, however
    many there are. Later cyclic garbage is freed when the process looks at everything.
    """

    def __init__(self) -> None:
        self._looks = 0

    def start(self) -> None:
        """From now on, set survivors apart."""
        gc.set_threshold(YOUNG, *THRESHOLDS[1:])
        gc.callbacks.append(self._looked)

    def stop(self) -> None:
        """Look at all objects as often as before."""
        if self._looked in gc.callbacks:
            gc.callbacks.remove(self._looked)
            gc.set_threshold(*THRESHOLDS)
            gc.unfreeze()

    def look_at_all_when_due(self, *, idle: bool) -> None:
        """Look at everything if many objects have survived since the last time. A look at a million
        objects stops all threads for a quarter of a second. So an `idle` process does it sooner.
        """
        if self._looks >= (IDLE_LOOKS if idle else LOOKS):
            gc.unfreeze()
            gc.collect()
            self._looks = 0

    def _looked(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "stop":
            gc.freeze()
            self._looks += 1
