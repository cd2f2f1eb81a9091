from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.minimesos.model.resources import (
    Bucket,
    Json,
    Ranges,
    ResourceError,
    Resources,
    Value,
    format_scalar,
    from_json,
    normal_ranges,
    parse,
    parse_attributes,
)

RANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1])), max_size=6
).map(normal_ranges)
BUCKETS = st.builds(
    Bucket,
    st.sampled_from(["cpus", "mem"]),
    st.just("SCALAR"),
    st.sampled_from([(), (("STATIC", "mr"),)]),
    st.sampled_from([None, "*", "mr"]),
)
SCALARS = st.dictionaries(BUCKETS, st.integers(1, 10**9), max_size=5)
PORTS = st.dictionaries(st.just(Bucket("ports", "RANGES")), RANGES, max_size=1)
SETS = st.dictionaries(
    st.just(Bucket("disks", "SET")), st.frozensets(st.sampled_from("abcd")), max_size=1
)
RESOURCES = st.builds(lambda a, b, c: Resources({**a, **b, **c}), SCALARS, PORTS, SETS)


def members(ranges: Value) -> set[int]:
    assert isinstance(ranges, tuple)
    return {n for begin, end in ranges for n in range(begin, end + 1)}


@given(RANGES, RANGES)
def test_ranges_are_sets_of_numbers(left: Ranges, right: Ranges) -> None:
    port = Bucket("ports", "RANGES")
    one, other = Resources({port: left}), Resources({port: right})
    assert members(dict(one + other).get(port, ())) == members(left) | members(right)
    assert members(dict(one - other).get(port, ())) == members(left) - members(right)
    assert one.contains(other) == (members(left) >= members(right))


@given(RESOURCES, RESOURCES)
def test_added_resources_can_be_removed(left: Resources, right: Resources) -> None:
    total = left + right
    assert total.contains(left)
    assert total.contains(right)
    assert (total - left).contains(Resources()) is True
    assert total - total == Resources()
    if not any(b.kind != "SCALAR" for b, _ in left):
        assert total - left == right


@given(RESOURCES, st.booleans())
def test_json_and_back(resources: Resources, refined: bool) -> None:
    bare = resources.unallocate()
    assert from_json(bare.to_json(refined=refined, allocated=True)) == bare
    held = resources.allocate("mr")
    assert from_json(held.to_json(refined=refined, allocated=True)) == held
    assert all(b.allocation == "mr" for b, _ in held)


@given(st.integers(0, 10**15))
def test_scalars_keep_three_decimals(thousandths: int) -> None:
    assert round(float(format_scalar(thousandths)) * 1000) == thousandths


def test_mesos_syntax() -> None:
    text = "cpus:2;mem:4096; disk:1000;ports:[31000-31005, 31006-31010];cpus(mr):1.5;disks:{a,b}"
    assert str(parse(text)) == (
        "cpus:2; mem:4096; disk:1000; ports:[31000-31010]; "
        "cpus(reservations: [(STATIC,mr)]):1.5; disks:{a, b}"
    )
    assert parse('[{"name":"cpus","type":"SCALAR","scalar":{"value":2}}]') == parse("cpus:2")
    assert parse("cpus:0.1;cpus:0.2") == parse("cpus:0.3")
    assert parse("") == Resources()


@pytest.mark.parametrize(
    "text",
    ["cpus", "cpus:", "cpus:-1", "cpus:x", "cpus:nan", "cpus:inf", "ports:[1-2", "ports:[2-1]",
     "ports:[a-b]", "cpus:1;cpus:[1-2]", "[{]", '[{"name":"a"}]', "[1]", ":3"],
)  # fmt: skip
def test_bad_resources_are_refused(text: str) -> None:
    with pytest.raises(ResourceError):
        parse(text)


def test_attributes() -> None:
    assert parse_attributes("rack:r1;level:2.5;ports:[1-3];url:http://a:1/b") == [
        {"name": "rack", "type": "TEXT", "text": {"value": "r1"}},
        {"name": "level", "type": "SCALAR", "scalar": {"value": 2.5}},
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 3}]}},
        {"name": "url", "type": "TEXT", "text": {"value": "http://a:1/b"}},
    ]
    assert parse_attributes("") == []
    for bad in ("rack", "rack:", ":r", "x:{a}", "x:[3-1]"):
        with pytest.raises(ResourceError):
            parse_attributes(bad)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"name": "", "type": "SCALAR"}, "Empty resource name"),
        ({"name": "a", "type": "SCALAR"}, "scalar is not set"),
        (
            {"name": "a", "type": "SCALAR", "scalar": {"value": -0.5}},
            "Resource 'a:-0.5' is invalid",
        ),
        ({"name": "a", "type": "SCALAR", "scalar": {"value": 1e300}}, "not finite"),
        ({"name": "a", "type": "WHAT"}, "Invalid resource type"),
        (
            {"name": "a", "type": "RANGES", "ranges": {"range": [{"begin": 2, "end": 1}]}},
            "begin > end",
        ),
        (
            {
                "name": "a",
                "type": "RANGES",
                "ranges": {"range": [{"begin": 1, "end": 3}, {"begin": 2, "end": 4}]},
            },
            "overlapping",
        ),
        ({"name": "a", "type": "SET", "set": {"item": ["x", "x"]}}, "duplicated"),
    ],
)
def test_bad_json_is_refused(item: Json, text: str) -> None:
    with pytest.raises(ResourceError, match=text.replace("(", r"\(")):
        from_json([item])
