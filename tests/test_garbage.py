"""Objects that survive a look for garbage are set apart, and looked at again when it is due."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from mrmesos.garbage import IDLE_LOOKS, LOOKS, Survivors


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture
def survivors() -> Iterator[Survivors]:
    thresholds = gc.get_threshold()
    survivors = Survivors()
    survivors.start()
    yield survivors
    survivors.stop()
    gc.set_threshold(*thresholds)


def test_a_survivor_is_looked_at_once(survivors: Survivors) -> None:
    gc.collect()
    ring = Ring()
    gc.collect(0)
    found = gc.get_objects()
    assert not any(each is ring for each in found)


@pytest.mark.parametrize(("idle", "looks"), [(True, IDLE_LOOKS), (False, LOOKS)])
def test_what_became_garbage_later_is_freed_when_it_is_due(
    survivors: Survivors, idle: bool, looks: int
) -> None:
    ring = Ring()
    gc.collect(0)
    alive = weakref.ref(ring)
    del ring
    for _ in range(looks - 2):
        gc.collect(0)
    survivors.look_at_all_when_due(idle=idle)
    assert alive() is not None
    gc.collect(0)
    survivors.look_at_all_when_due(idle=idle)
    assert alive() is None


def test_after_the_end_all_objects_are_looked_at() -> None:
    thresholds = gc.get_threshold()
    survivors = Survivors()
    survivors.start()
    ring = Ring()
    gc.collect(0)
    survivors.stop()
    gc.set_threshold(*thresholds)
    assert any(each is ring for each in gc.get_objects())
