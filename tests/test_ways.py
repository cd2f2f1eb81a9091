"""docs/architecture.md says through which files an offer, a heartbeat and a record pass.

Each of its three lists must be short and name files that exist. An offer, a heartbeat and a job are
sent through the code. All files in the lists must run, and all files of the core that run must be
in the lists.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

import pytest

import mrmesos
from mrmesos.api import Job, Mapper, Reducer
from mrmesos.api.testing import run_job
from tests.jobtracker.harness import Hands, started

T = TypeVar("T")
ROOT = Path(mrmesos.__file__).parent
PAGE = ROOT.parent / "docs" / "architecture.md"
OFFER, HEARTBEAT, RECORD = WAYS = ("An offer's way", "A heartbeat's way", "A record's way")
MOST = 25
BASE = {"bounds.py", "transitions.py", "wire/ids.py", "resources.py", "api/context.py"}
"""They check and add up values for every file, and decide nothing."""
NETWORK = {
    "tasktracker/outputs/shuffle_server.py",
    "task/shuffle/fetch.py",
    "task/shuffle/segment_receiver.py",
}
"""`run_job` has no shuffle over HTTP."""


def section(way: str) -> str:
    [found] = re.findall(rf"^### {way}.*?$(.*?)^##", PAGE.read_text(), re.M | re.S)
    return str(found)


def steps(way: str) -> set[str]:
    """The files of the numbered list."""
    listed = re.findall(r"^\d+\. .*(?:\n   .*)*", section(way), re.M)
    return set(named("\n".join(listed)))


def named(text: str) -> Iterator[str]:
    """The files in a text, as paths below mrmesos/. A bare name stands in the folder before it."""
    folder = Path()
    for name in re.findall(r"`([\w/]+\.py)`", text):
        path = Path(f"jobtracker/{name}" if name.startswith("core/") else name)
        if len(path.parts) == 1 and not (ROOT / path).is_file():
            path = folder / path
        folder = path.parent if len(path.parts) > 1 else folder
        assert (ROOT / path).is_file(), f"there is no {path} ({name})"
        yield str(path)


def run_noting(ran: set[str], function: Callable[..., T], *args: object) -> T:
    """Call the function. Adds each file of ours of which a function runs."""

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and frame.f_code.co_name != "<module>" and path.is_relative_to(ROOT):
            ran.add(str(path.relative_to(ROOT)))

    sys.setprofile(note)
    try:
        return function(*args)
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("way", WAYS)
def test_a_way_is_short_and_its_files_are_there(way: str) -> None:
    files = steps(way)
    assert 15 <= len(files) <= MOST
    assert f"{len(files)} files." in section(way), "the page counts them"


@pytest.mark.parametrize("way", [OFFER, HEARTBEAT])
def test_what_runs_in_the_core_is_named(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands()
    hands.job(("a",), maps=2, reduces=1)
    if way == HEARTBEAT:
        assert started(hands.offer("a")) == ["m0"]
    ran: set[str] = set()
    monkeypatch.setattr(hands.core, "handle", partial(run_noting, ran, hands.core.handle))
    if way == OFFER:
        assert started(hands.offer("a", "b")) == ["m0", "m1"]
    else:
        assert started(hands.end(next(iter(hands.running)))) == ["m1"]
    on_the_page = set(named(section(way))) | BASE
    if way == HEARTBEAT:  # a slot that came free is served as an offer is
        on_the_page |= set(named(section(OFFER)))
    assert ran - on_the_page == set()
    assert {file for file in steps(way) if file.startswith("jobtracker/core/")} - ran == set()


class Words(Mapper):
    def map(self, _: object, line: str) -> Iterator[tuple[str, int]]:
        yield from ((word, 1) for word in line.split())


class Total(Reducer):
    def reduce(self, word: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class WordCount(Job):
    mapper, combiner, reducer = Words, Total, Total


def test_a_record_passes_the_files_of_its_list() -> None:
    ran: set[str] = set()
    result = run_noting(ran, run_job, WordCount, "a b\na\n")
    assert dict(result.records) == {"a": 2, "b": 1}
    assert steps(RECORD) - ran == NETWORK
