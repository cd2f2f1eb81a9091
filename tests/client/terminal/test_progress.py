"""Plain lines: their text and their times."""

from __future__ import annotations

import io

import msgspec

from mrmesos.client.terminal.progress import Bars, ProgressLines, open_progress, plain_line
from mrmesos.wire.job import JobState, JobStatus, TaskCounts


def counts(done: int, total: int, failed: int = 0) -> TaskCounts:
    return TaskCounts(total, total - done, 0, done, failed, 0, done / total if total else 0.0)


def status(done: int = 3, **changes: object) -> JobStatus:
    base = JobStatus(
        job_id="job_1",
        name="n",
        user="u",
        state=JobState.RUNNING,
        submitted=0.0,
        started=None,
        ended=None,
        maps=counts(done, 8),
        reduces=counts(0, 3),
        counters={},
        output="file:///out",
    )
    return msgspec.structs.replace(base, **changes)


def test_a_line() -> None:
    assert plain_line(status(), 12.4) == "maps 3/8  reduces 0/3  12 s"
    assert plain_line(status(reduces=counts(0, 0)), 1) == "maps 3/8  1 s"
    waiting = status(maps=counts(3, 8, 2), waiting="no agent has 99 CPUs")
    assert plain_line(waiting, 1) == "maps 3/8 (2 failed)  reduces 0/3  no agent has 99 CPUs  1 s"
    assert plain_line(status(state=JobState.COMMITTING), 1).endswith("committing  1 s")


def test_lines_come_when_something_changed_and_not_too_often() -> None:
    out = io.StringIO()
    lines = open_progress(out)
    assert isinstance(lines, ProgressLines)
    for done, elapsed in ((0, 0.0), (0, 1.5), (1, 2.0), (2, 2.4), (3, 3.5), (3, 9.0)):
        lines.update(status(done), elapsed)
    lines.update(status(8, state=JobState.SUCCEEDED), 9.1)
    lines.close()
    assert [line.split("  ")[0] for line in out.getvalue().splitlines()] == [
        "maps 0/8",
        "maps 1/8",
        "maps 3/8",
        "maps 8/8",
    ]


def test_a_tasks_own_words_come_with_the_progress_but_seldom_alone() -> None:
    out = io.StringIO()
    lines = open_progress(out)
    for done, elapsed, words in (
        (1, 1.0, ""),
        (1, 2.5, "m_000001: first\n\x1b[2Jwords"),
        (1, 5.0, "m_000001: only words"),
        (1, 13.0, "m_000001: " + "x" * 80),
        (1, 30.0, ""),
        (2, 31.0, ""),
    ):
        lines.update(status(done, note=words), elapsed)
    lines.close()
    assert out.getvalue().splitlines() == [
        "maps 1/8  reduces 0/3  1 s",
        "maps 1/8  reduces 0/3  2 s  m_000001: first \\x1b[2Jwords",
        f"maps 1/8  reduces 0/3  13 s  m_000001: {'x' * 49}…",
        "maps 2/8  reduces 0/3  31 s",
    ]


def test_quiet_shows_nothing() -> None:
    out = io.StringIO()
    lines = open_progress(out, quiet=True)
    lines.update(status(3), 1.0)
    lines.close()
    assert out.getvalue() == ""


def test_bars_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    bars = open_progress(out)
    assert isinstance(bars, Bars)
    bars.update(status(3), 1.0)
    bars.update(status(8, state=JobState.SUCCEEDED), 2.0)
    bars.close()
    assert "8/8" in out.getvalue()
    assert "reduces" in out.getvalue()
