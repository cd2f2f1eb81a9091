"""The small language of constraints on agents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.jobtracker.core.model.demand import MAX_CLAUSES, Constraints, parse_constraints
from mrmesos.wire.ids import HostName

ATTRIBUTES = {"rack": "r1", "disk": "ssd", "level": "3", "ids": "[1-2,7-9]", "os.kind": "linux"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ; ",
        "rack in r1,r2",
        "rack=r1",
        "rack == r1",
        "rack != r2",
        "rack not in r2, r3",
        "rack exists; gpu not exists",
        "gpu != yes",
        "gpu not in a,b",
        "gpu unlike *",
        "level = 3.0",
        "level >= 3; level <= 3; level > 2.5; level < 4",
        "ids = 8",
        "ids in 5,7",
        "ids != 3",
        "os.kind like lin*",
        "rack like x*,r?",
        "rack unlike x*",
        "hostname = node-1",
        "hostname like node-[0-9]",
    ],
)
def test_what_holds(text: str) -> None:
    assert parse_constraints(text).allow(HostName("node-1"), ATTRIBUTES)


@pytest.mark.parametrize(
    "text",
    [
        "rack in r2,r3",
        "rack != r1",
        "gpu exists",
        "rack not exists",
        "gpu = yes",
        "gpu in a,b",
        "gpu like *",
        "gpu > 0",
        "level < 3",
        "rack > 1",
        "ids = 5",
        "os.kind unlike lin*",
        "hostname != node-1",
        "rack = r1; rack = r2",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not parse_constraints(text).allow(HostName("node-1"), ATTRIBUTES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rack", "no constraint"),
        ("= r1", "no constraint"),
        ("rack isn't r1", "no constraint"),
        ("rack in", "names no value"),
        ("rack = ", "names no value"),
        ("level > high", "no number"),
        ("level > 1,2", "no number"),
        ("gpu exists yes", "nothing may follow"),
        ("a=b;" * (MAX_CLAUSES + 1), "more than"),
        ("a=" + "b" * 5000, "longer than"),
    ],
)
def test_what_says_nothing(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_constraints(text)


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_is_refused_or_decides(text: str, value: str) -> None:
    try:
        constraints = parse_constraints(text)
    except ValueError:
        return
    assert isinstance(constraints.allow(HostName(value), {"rack": value}), bool)


@given(st.lists(st.sampled_from(["a", "b", "1", "x*"]), min_size=1, max_size=3), st.text())
def test_a_clause_and_its_opposite(values: list[str], value: str) -> None:
    listed = ",".join(values)
    for positive, negative in (("in", "not in"), ("like", "unlike")):
        one = parse_constraints(f"rack {positive} {listed}").allow(HostName("h"), {"rack": value})
        other = parse_constraints(f"rack {negative} {listed}").allow(HostName("h"), {"rack": value})
        assert one != other


def test_no_constraints_are_false() -> None:
    assert not Constraints()
    assert not parse_constraints("")
    assert parse_constraints("a exists")
