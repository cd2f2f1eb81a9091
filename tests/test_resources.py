"""The arithmetic of resources: laws, and what a real master accepted."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.mesos.callbacks import Json
from mrmesos.resources import (
    Amounts,
    NotEnough,
    Pool,
    Resource,
    describe,
    mebibytes,
    milli,
    parse_scalars,
    take,
    total,
)


def test_fixed_point() -> None:
    assert milli(0.1) + milli(0.2) == milli(0.3)
    assert milli(0.0004) == 0
    assert milli(1.9) == 1900
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not an amount"):
            milli(bad)


def test_text() -> None:
    assert parse_scalars(" cpus : 2 ; db_connections:0.5 ; ") == {
        "cpus": 2000,
        "db_connections": 500,
    }
    assert parse_scalars("") == {}


@pytest.mark.parametrize("text", ["cpus", "cpus:x", "cpus:-1", "cpus:nan", ":2", "mem:1;mem:2"])
def test_bad_text(text: str) -> None:
    with pytest.raises(ValueError):
        parse_scalars(text)


def test_amounts_in_words() -> None:
    assert describe({"mem": 512_000, "cpus": 1500}) == "1.5 CPUs, 512 MiB of memory"
    assert describe({"disk": 100_000_000_000}) == "100,000,000 MiB of disk"
    assert describe({"cpus": 1000, "gpus": 1000}) == "1 CPU, 1 GPU"
    assert describe({"cpus": 500, "gpus": 2000}) == "0.5 CPUs, 2 GPUs"
    assert describe({"mem": 1536_000}) == "1.5 GiB of memory"
    assert describe({"db": 1000}) == "1 db"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 MiB"),
        (1023, "1,023 MiB"),
        (1024, "1 GiB"),
        (1025, "1,025 MiB"),
        (3584, "3.5 GiB"),
        (1 << 20, "1 TiB"),
        (1 << 30, "1,024 TiB"),
    ],
)
def test_sizes_are_short_and_never_rounded(number: int, words: str) -> None:
    assert mebibytes(number) == words

    assert describe({}) == "none"


def scalar(name: str, value: float, **more: object) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


RESERVED: Json = {"reservations": [{"type": "STATIC", "role": "mr"}]}
MR: Json = {"allocation_info": {"role": "mr"}}
KINDS: list[Json] = [
    {},
    MR,
    {**MR, **RESERVED},
    {"role": "mr"},
    {"role": "*"},
    {"revocable": {}},
    {"shared": {}},
    {"disk": {"persistence": {"id": "v"}}},
    {"provider_id": {"value": "p"}},
]
offered_lists = st.lists(
    st.builds(
        lambda name, milli, more: scalar(name, milli / 1000, **more),
        st.sampled_from(["cpus", "mem", "disk", "gpus", "db_connections"]),
        st.integers(0, 5000),
        st.sampled_from(KINDS),
    )
    | st.builds(
        lambda pairs, more: {"name": "ports", "type": "RANGES", "ranges": {"range": pairs}, **more},
        st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=3).map(
            lambda pairs: [
                {"begin": 20 * place + begin, "end": 20 * place + begin + count - 1}
                for place, (begin, count) in enumerate(pairs)
            ]
        ),
        st.sampled_from(KINDS),
    ),
    max_size=12,
)


def by_bucket(objects: Iterable[Resource]) -> Counter[str]:
    """Thousandths, or how often each value of a range, by everything but the amount."""
    sums: Counter[str] = Counter()
    for one in objects:
        plain = {k: v for k, v in one.items() if k not in ("scalar", "ranges")}
        key = json.dumps(plain, sort_keys=True)
        if "scalar" in one:
            sums[key] += round(one["scalar"]["value"] * 1000)
        for pair in one.get("ranges", {}).get("range", ()):
            sums.update(f"{key} {v}" for v in range(pair["begin"], pair["end"] + 1))
    return Counter({key: count for key, count in sums.items() if count})


def draw_need(data: st.DataObject, most: Amounts) -> dict[str, int]:
    return {
        name: 1000 * data.draw(st.integers(0, amount // 1000))
        if name == "ports"
        else data.draw(st.integers(0, amount))
        for name, amount in most.items()
    }


@given(offered_lists, st.data())
def test_taken_and_rest_are_what_was_offered(offered: list[Json], data: st.DataObject) -> None:
    before = copy.deepcopy(offered)
    need = draw_need(data, total(offered))
    taken, rest = take(offered, need)
    assert offered == before
    assert by_bucket(taken) + by_bucket(rest) == by_bucket(offered)
    assert total(taken) == {name: amount for name, amount in need.items() if amount}
    assert all(amount > 0 for one in taken for amount in total([one]).values())
    assert not any({"shared", "disk", "provider_id", "revocable"} & one.keys() for one in taken)


@given(offered_lists, st.sampled_from(["cpus", "mem", "licences"]), st.integers(1, 9))
def test_more_than_there_is_is_refused(offered: list[Json], name: str, more: int) -> None:
    available = total(offered)
    with pytest.raises(NotEnough, match=name):
        take(offered, {**available, name: available.get(name, 0) + more})


def test_reserved_first_and_copied_exactly() -> None:
    """The offer and the launch are those of a conversation with a Mesos 1.12 master."""
    offered = [
        scalar("cpus", 2.0, **MR, **RESERVED),
        scalar("mem", 512.0, **MR, **RESERVED),
        {"name": "ports", "type": "RANGES", "ranges": {"range": []}, **MR},
        scalar("cpus", 2.0, **MR),
        scalar("mem", 2048.0, **MR),
    ]
    taken, rest = take(offered, {"cpus": 3000, "mem": 64_000})
    assert list(taken) == [
        scalar("cpus", 2.0, **MR, **RESERVED),
        scalar("cpus", 1.0, **MR),
        scalar("mem", 64.0, **MR, **RESERVED),
    ]
    assert list(rest) == [
        scalar("mem", 448.0, **MR, **RESERVED),
        offered[2],
        scalar("cpus", 1.0, **MR),
        offered[4],
    ]


def test_nothing_takes_nothing() -> None:
    offered = [scalar("cpus", 1.0)]
    assert take(offered, {}) == ((), tuple(offered))


def test_the_same_object_twice() -> None:
    one = scalar("cpus", 1.0)
    taken, rest = take([one, one], {"cpus": 1500})
    assert by_bucket(taken) + by_bucket(rest) == by_bucket([one, one])
    assert total(taken) == {"cpus": 1500}


@given(offered_lists, st.data())
def test_a_pool_is_taken_from_again_and_again(offered: list[Json], data: st.DataObject) -> None:
    taken: list[Resource] = []
    pool = Pool(offered)
    for _ in range(3):
        need = draw_need(data, pool.free)
        taken += pool.take(need)
        assert {**dict.fromkeys(pool.free, 0), **total(pool.rest())} == pool.free
    assert by_bucket(taken) + by_bucket(pool.rest()) == by_bucket(offered)


def ports(*pairs: tuple[int, int], **more: object) -> Json:
    listed = [{"begin": begin, "end": end} for begin, end in pairs]
    return {"name": "ports", "type": "RANGES", "ranges": {"range": listed}, **more}


def test_ports_are_taken_by_number() -> None:
    pool = Pool([ports((31000, 31001), (31005, 31009)), ports((40, 41), **RESERVED)])
    assert pool.free == {"ports": 9000}
    assert pool.take({"ports": 1000}) == (ports((40, 40), **RESERVED),)
    assert pool.take({"ports": 4000}) == (
        ports((41, 41), **RESERVED),
        ports((31000, 31001), (31005, 31005)),
    )
    assert pool.rest() == (ports((31006, 31009)),)
    assert pool.take({"ports": 500}) == (ports((31006, 31006)),), "a port is not cut"
    assert pool.free == {"ports": 3000}


def test_the_most_refined_reservation_goes_first() -> None:
    """Reservations of `eng`, refined for `eng/web` (Mesos' document on reservations)."""
    eng: Json = {"type": "STATIC", "role": "eng"}
    web: Json = {"type": "DYNAMIC", "role": "eng/web", "principal": "ops"}
    offered = [
        scalar("cpus", 1.0),
        scalar("cpus", 1.0, reservations=[eng]),
        scalar("cpus", 1.0, reservations=[eng, web]),
    ]
    taken, rest = take(offered, {"cpus": 2000})
    assert list(taken) == [offered[2], offered[1]]
    assert list(rest) == [offered[0]]
