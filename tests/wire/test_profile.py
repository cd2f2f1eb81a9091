"""Profiles as text, and which attempts get one."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from mrmesos.bounds import PROFILE_MAX
from mrmesos.conf import Conf, ConfError
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.profile import Node, Profile, check_profile, kind_of, packed, unpacked, within

SMALL = Profile(
    kind="cpu", total=7, frames=["f (a.py)", "g (a.py)"], nodes=[Node(0, 0, 7), Node(1, 1, 3)]
)


def as_text(body: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(body).encode())).decode()


def test_a_profile_travels_as_text() -> None:
    assert unpacked(packed(SMALL)) == SMALL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64!",
        "bm8gemxpYg==",
        as_text([]),
        as_text({"kind": "cpu", "total": 1, "frames": [], "nodes": [[0, 0, 1]]}),  # no such frame
        as_text({"kind": "cpu", "total": 1, "frames": ["f"], "nodes": [[1, 0, 1]]}),  # no parent
        as_text({"kind": "other", "total": 1, "frames": [], "nodes": []}),
        as_text({"kind": "cpu", "total": -1, "frames": [], "nodes": []}),
        as_text({"kind": "x" * (32 << 20), "total": 1, "frames": [], "nodes": []}),  # a bomb
        packed(SMALL)[:-9],
    ],
)
def test_what_is_no_profile_is_none(text: str) -> None:
    assert unpacked(text) is None


def test_a_text_has_a_limit() -> None:
    names = [f"{n * 7919 % 10**9:09d}" * 40 for n in range(2_000)]
    body = Profile(kind="cpu", total=1, frames=names, nodes=[])
    assert len(packed(body)) <= PROFILE_MAX
    noise = [
        "".join(chr(0x4E00 + (n * 31 + k * 977) % 20_000) for k in range(900)) for n in range(900)
    ]
    assert packed(Profile(kind="cpu", total=1, frames=noise, nodes=[])) == ""


@pytest.mark.parametrize(
    ("text", "has", "has_not"),
    [
        ("0-2", (0, 2), (3,)),
        ("0-2, 7", (7,), (6, 8)),
        ("90-", (90, 10**6), (89,)),
        ("-3", (0, 3), (4,)),
        ("", (), (0,)),
    ],
)
def test_ranges_name_tasks(text: str, has: tuple[int, ...], has_not: tuple[int, ...]) -> None:
    assert all(within("x", text, each) for each in has)
    assert not any(within("x", text, each) for each in has_not)


def test_settings_that_cannot_be_used_are_refused() -> None:
    for given in (
        {"task.profile": "true"},
        {"task.profile": "cpu", "task.profile.maps": "a-b"},
        {"task.profile": "cpu", "task.profile.reduces": "1--2"},
    ):
        with pytest.raises(ConfError, match=r"task\.profile.*expected"):
            check_profile(given)
    check_profile({})


def test_only_the_first_tasks_are_profiled_by_default() -> None:
    conf = Conf({"task.profile": "cpu", "task.profile.reduces": "5"})
    assert [kind_of(conf, TaskKind.MAP, n) for n in (0, 2, 3)] == ["cpu", "cpu", "none"]
    assert [kind_of(conf, TaskKind.REDUCE, n) for n in (0, 5)] == ["none", "cpu"]
    assert kind_of(conf, TaskKind.FREE, 1) == "cpu"
    assert kind_of(Conf(), TaskKind.MAP, 0) == "none"
