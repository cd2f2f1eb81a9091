"""Logs on a terminal: once, and as they grow."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from mrmesos.client import log_printer
from mrmesos.client.api_client import LogPiece
from mrmesos.client.attempt_logs import STREAMS, LogGone
from mrmesos.client.log_printer import LogPrinter, section
from mrmesos.wire.job import AttemptRow
from mrmesos.wire.task import Locality

A1, A2 = "attempt_1_1_m_1_0", "attempt_1_1_m_2_0"


def row(number: int, state: str = "RUNNING") -> AttemptRow:
    return AttemptRow(
        id=f"attempt_1_1_m_{number}_0",
        kind="map",
        hostname="h",
        locality=Locality.ANY,
        start=1.0,
        end=None,
        state=state,
    )


class Scene:
    """A job whose logs change with every look at its attempts."""

    def __init__(self, *moments: dict[tuple[str, str], bytes | None], limit: int = 100) -> None:
        self._moments: Iterator[dict[tuple[str, str], bytes | None]] = iter(moments)
        self._left = len(moments)
        self.now: dict[tuple[str, str], bytes | None] = {}
        self._limit = limit
        self.asked: list[tuple[str, str, int | None]] = []
        self.kept = b""

    def look(self) -> tuple[list[AttemptRow], bool]:
        self.now = next(self._moments)
        self._left -= 1
        return [row(1), row(2, "FAILED")], not self._left

    def read(self, attempt_id: str, stream: str, offset: int | None) -> LogPiece:
        self.asked.append((attempt_id, stream, offset))
        if self.kept:
            return LogPiece(self.kept, 0, kept=True, note="its sandbox is gone")
        log = self.now.get((attempt_id, stream), b"")
        if log is None:
            raise LogGone("its agent is lost")
        start = len(log) - self._limit if offset is None or offset > len(log) else offset
        start = max(0, start)
        return LogPiece(log[start : start + self._limit], start)


def printer(scene: Scene, out: io.BytesIO, *, heads: bool = True) -> tuple[LogPrinter, list[str]]:
    told: list[str] = []
    return LogPrinter(scene, out, streams=STREAMS, heads=heads, tell=told.append), told


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_printer, "POLL_SECONDS", 0.0)


def test_each_log_has_a_head() -> None:
    scene = Scene({(A1, "stdout"): b"one", (A1, "stderr"): b"two\n", (A2, "stderr"): None})
    out = io.BytesIO()
    show, told = printer(scene, out)
    show.show(scene.look()[0])
    assert out.getvalue().decode() == (
        f"==> {A1} stdout (RUNNING on h) <==\none\n==> {A1} stderr (RUNNING on h) <==\ntwo\n"
    )
    assert (told, show.missing) == ([f"{A2} stderr: its agent is lost"], 1)


def test_following_prints_everything_once() -> None:
    scene = Scene(
        {(A1, "stdout"): b"12345", (A2, "stdout"): b"x" * 25},
        {(A1, "stdout"): b"1234567", (A2, "stdout"): b"never seen: it has ended"},
        {(A1, "stdout"): b"1234567\n8"},
        limit=10,
    )
    out = io.BytesIO()
    show, _ = printer(scene, out, heads=False)
    show.follow(lambda each: True)
    assert out.getvalue() == b"x" * 25 + b"1234567\n8\n"
    assert all(name != A2 for name, _, _ in scene.asked[-4:])


def test_following_goes_on_where_a_log_has_lost_its_beginning() -> None:
    scene = Scene(
        {(A1, "stdout"): b"line 1\nline 2\nline 3\n"},
        {(A1, "stdout"): b"[cut]\nline 3\n4\n"},
    )
    out = io.BytesIO()
    show, _ = printer(scene, out, heads=False)
    log_printer.TAIL_BYTES, before = 7, log_printer.TAIL_BYTES
    try:
        show.follow(lambda each: each.id == A1)
    finally:
        log_printer.TAIL_BYTES = before
    assert out.getvalue() == b"line 1\nline 2\nline 3\n4\n"


def test_the_last_lines_are_shown_once_for_both_streams() -> None:
    scene = Scene({})
    scene.kept = b"[stderr]\nend\n"
    out = io.BytesIO()
    show, told = printer(scene, out)
    show.show(scene.look()[0])
    shown = [line.partition(" last lines ")[0] for line in out.getvalue().decode().splitlines()]
    assert shown == [f"==> {A1}", "[stderr]", "end", f"==> {A2}", "[stderr]", "end"]
    assert f"==> {A1} last lines of both streams (RUNNING on h) <==".encode() in out.getvalue()
    assert told == [f"{each}: only its last lines: its sandbox is gone" for each in (A1, A2)]


def test_following_ends_with_the_last_lines_of_an_ended_job() -> None:
    class Ended(Scene):
        def look(self) -> tuple[list[AttemptRow], bool]:
            rows, ended = super().look()
            self.kept = b"[stderr]\n1\n[stdout]\nb\nc\nd" if ended else b""
            return rows[:1], ended

    scene = Ended({(A1, "stdout"): b"a\nb\nc\n"}, {})
    out = io.BytesIO()
    show, _ = printer(scene, out, heads=False)
    log_printer.TAIL_BYTES, before = 4, log_printer.TAIL_BYTES
    try:
        show.follow(lambda each: True)
    finally:
        log_printer.TAIL_BYTES = before
    assert out.getvalue() == b"a\nb\nc\nd\n"


def test_an_attempt_that_has_just_begun_has_no_log_yet() -> None:
    scene = Scene({(A1, "stdout"): None}, {(A1, "stdout"): None}, {(A1, "stdout"): b"1\n"})
    out = io.BytesIO()
    show, told = printer(scene, out, heads=False)
    show.follow(lambda each: each.id == A1)
    assert (out.getvalue(), told) == (b"1\n", [])


def test_sections() -> None:
    both = b"[stderr]\ne\n[stdout]\no"
    assert (section(both, "stderr"), section(both, "stdout")) == (b"e\n", b"o")
    assert (section(b"[stdout]\no", "stderr"), section(b"[stdout]\no", "stdout")) == (b"", b"o")
    assert (section(b"[stderr]\ne", "stderr"), section(b"[stderr]\ne", "stdout")) == (b"e", b"")
