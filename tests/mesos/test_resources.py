"""The arithmetic of resources: laws, and what a real master accepted."""

from __future__ import annotations

import copy
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.resources import NotEnough, Resources, take

amounts = st.integers(0, 64_000)
resources = st.builds(Resources, amounts, amounts, amounts, amounts)


@given(resources, resources)
def test_sums_and_differences(a: Resources, b: Resources) -> None:
    assert (a + b) - b == a
    assert (a + b).contains(a)
    assert a.contains(a.minimum(b))
    assert b.contains(a.minimum(b))
    assert a.saturating_sub(b) + a.minimum(b) == a
    if a.contains(b):
        assert a - b == a.saturating_sub(b)
    else:
        with pytest.raises(NotEnough):
            a - b


@given(resources, resources.filter(bool))
def test_how_many(a: Resources, need: Resources) -> None:
    n = a.how_many(need)
    assert a.contains(need * n)
    assert not a.contains(need * (n + 1))


@given(resources)
def test_text_and_json_round_trip(a: Resources) -> None:
    assert Resources.parse(str(a)) == a
    assert Resources.of(**a.as_numbers()) == a
    assert Resources.from_offer(a.to_json()) == a


def test_fixed_point() -> None:
    assert Resources.of(cpus=0.1) + Resources.of(cpus=0.2) == Resources.of(cpus=0.3)
    assert Resources.of(cpus=0.0004) == Resources()
    assert Resources.of(cpus=1.9).cpus == 1900
    assert str(Resources.of(cpus=1.5, mem=1024)) == "cpus:1.5;mem:1024"
    assert Resources.parse(" cpus : 2 ; mem:512 ; ") == Resources.of(cpus=2, mem=512)


@pytest.mark.parametrize("text", ["cpus", "cpus:x", "cpus:-1", "cpus:nan", "x:1", "mem:1;mem:2"])
def test_bad_text(text: str) -> None:
    with pytest.raises(ValueError):
        Resources.parse(text)


def test_dominant_share() -> None:
    total = Resources.of(cpus=9, mem=18)
    assert Resources.of(cpus=3, mem=12).dominant_share(total) == pytest.approx(2 / 3)


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
    | st.just({"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 9}]}}),
    max_size=12,
)


def by_bucket(objects: list[Json]) -> Counter[str]:
    """Thousandths by everything but the amount."""
    total: Counter[str] = Counter()
    for one in objects:
        key = json.dumps({k: v for k, v in one.items() if k != "scalar"}, sort_keys=True)
        total[key] += round(one["scalar"]["value"] * 1000) if "scalar" in one else 1
    return Counter({key: count for key, count in total.items() if count})


@given(offered_lists, resources, st.booleans(), st.integers(1, 4))
def test_taken_and_rest_are_what_was_offered(
    offered: list[Json], size: Resources, revocable: bool, divisor: int
) -> None:
    before = copy.deepcopy(offered)
    available = Resources.from_offer(offered, revocable=revocable)
    need = available.minimum(
        Resources(*(n // divisor for n in (size.cpus, size.mem, size.disk, size.gpus)))
    )
    taken, rest = take(offered, need, revocable=revocable)
    assert offered == before
    assert by_bucket(taken) + by_bucket(rest) == by_bucket(offered)
    assert Resources.from_offer(taken, revocable=revocable) == need
    assert all(one["scalar"]["value"] > 0 for one in taken)
    assert not any({"shared", "disk", "provider_id"} & one.keys() for one in taken)
    assert revocable or not any("revocable" in one for one in taken)
    for name in ("cpus", "mem"):  # never both kinds of one name in one task
        assert len({"revocable" in one for one in taken if one["name"] == name}) <= 1


@given(offered_lists, resources)
def test_more_than_there_is_is_refused(offered: list[Json], more: Resources) -> None:
    available = Resources.from_offer(offered)
    with pytest.raises(NotEnough):
        take(offered, available + more + Resources(cpus=1))


def test_reserved_first_and_copied_exactly() -> None:
    """The offer and the launch are those of a conversation with a Mesos 1.12 master."""
    offered = [
        scalar("cpus", 2.0, **MR, **RESERVED),
        scalar("mem", 512.0, **MR, **RESERVED),
        {"name": "ports", "type": "RANGES", "ranges": {"range": []}, **MR},
        scalar("cpus", 2.0, **MR),
        scalar("mem", 2048.0, **MR),
    ]
    taken, rest = take(offered, Resources.of(cpus=3, mem=64))
    assert taken == [
        scalar("cpus", 2.0, **MR, **RESERVED),
        scalar("mem", 64.0, **MR, **RESERVED),
        scalar("cpus", 1.0, **MR),
    ]
    assert rest == [
        scalar("mem", 448.0, **MR, **RESERVED),
        offered[2],
        scalar("cpus", 1.0, **MR),
        offered[4],
    ]


def test_nothing_takes_nothing() -> None:
    offered = [scalar("cpus", 1.0)]
    assert take(offered, Resources()) == ([], offered)


def test_the_same_object_twice() -> None:
    one = scalar("cpus", 1.0)
    taken, rest = take([one, one], Resources.of(cpus=1.5))
    assert by_bucket(taken) + by_bucket(rest) == by_bucket([one, one])
    assert Resources.from_offer(taken) == Resources.of(cpus=1.5)
