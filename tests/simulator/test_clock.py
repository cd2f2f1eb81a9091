from __future__ import annotations

import pytest

from mrmesos.simulator.clock import Clock


def test_actions_happen_by_time_and_equal_times_in_order() -> None:
    clock, taken = Clock(), list[tuple[str, float]]()

    def note(name: str) -> None:
        taken.append((name, clock.elapsed))
        if name == "first":
            clock.after(0.0, note, "at once")

    clock.after(2.0, note, "last")
    clock.after(1.0, note, "first")
    clock.after(1.0, note, "second")
    while clock.step():
        pass
    assert taken == [("first", 1.0), ("second", 1.0), ("at once", 1.0), ("last", 2.0)]
    assert clock.happened == 4


def test_an_action_takes_what_it_is_given() -> None:
    clock, sums = Clock(), list[int]()
    clock.after(1.0, lambda: sums.append(0))
    clock.after(2.0, lambda one, two: sums.append(one + two), 3, 4)
    while clock.step():
        pass
    assert sums == [0, 7]


def test_numbers_are_given_once() -> None:
    clock = Clock()
    numbers = []
    for _ in range(3):
        numbers.append(clock.number())
        clock.after(1.0, pytest.fail)
    assert len(set(numbers)) == 3
