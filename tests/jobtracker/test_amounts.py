from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.conf import ConfError
from mrmesos.jobtracker.amounts import Room, describe, parse_scalars, take, total
from mrmesos.jobtracker.settings import JobSettings
from tests.jobtracker.harness import scalar, spec

names = st.sampled_from(["cpus", "mem", "db"])
pieces = st.builds(
    lambda name, milli, role: scalar(name, milli / 1000, role=role),
    names,
    st.integers(1, 10**7),
    st.sampled_from(["*", "us"]),
)


@given(pool=st.lists(pieces, max_size=8), data=st.data())
def test_take_splits_exactly_and_takes_what_is_reserved_first(
    pool: list[Mapping[str, Any]], data: st.DataObject
) -> None:
    have = total(pool)
    need = {name: data.draw(st.integers(0, amount)) for name, amount in have.items()}
    taken, rest = take(pool, need)
    assert total(taken) == {name: amount for name, amount in need.items() if amount}
    left = total(rest)
    assert {n: left.get(n, 0) + need.get(n, 0) for n in have} == have
    for name in have:
        if any(piece["role"] == "*" and piece["name"] == name for piece in taken):
            assert not any(piece["role"] == "us" and piece["name"] == name for piece in rest)


def test_taking_too_much_is_an_error() -> None:
    with pytest.raises(ValueError, match="lacks"):
        take([scalar("cpus", 1.0)], {"cpus": 1001})


def test_further_resources_are_parsed() -> None:
    assert parse_scalars("db_connections:2; licences : 0.5") == {
        "db_connections": 2000,
        "licences": 500,
    }
    assert parse_scalars("") == {}
    for bad in ("db", "db:x", ":2", "db:-1", "db:inf"):
        with pytest.raises(ConfError, match="expected resources"):
            parse_scalars(bad)


def test_a_need_has_cpus_and_memory_once() -> None:
    with pytest.raises(ConfError, match="cpus has its own setting"):
        JobSettings.of(spec(map_resources="cpus:2"))


def test_room_for_a_slot_that_carries_the_share_of_the_tracker() -> None:
    room = Room({"cpus": 1000, "mem": 1128}, {"cpus": 100, "mem": 128}, 100)
    assert room.fits({"cpus": 1000, "mem": 1000})
    assert room.asks({"cpus": 1000, "mem": 1000}) == {"cpus": 900, "mem": 1000}
    assert not room.fits({"cpus": 1001, "mem": 1000})
    assert not room.fits({"cpus": 1000, "mem": 1001})
    assert room.asks({"cpus": 50, "mem": 1})["cpus"] == 10, "never less than Mesos' least"


def test_amounts_in_words() -> None:
    assert describe({"mem": 512_000, "cpus": 1500}) == "1.5 CPUs, 512 MiB of memory"
    assert describe({}) == "none"
