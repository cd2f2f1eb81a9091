"""Children that behave in every way: real processes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mrmesos.api.context import Context, TaskFacts
from mrmesos.streaming.child import Child, ChildFailed
from mrmesos.streaming.stderr_reader import StderrReader

FACTS = TaskFacts("job_1", "task_1", "attempt_1", "map", 0, 1, 1, "localhost")


class Play:
    """One child that runs Python code, and all that it has said."""

    def __init__(self, directory: Path, command: Sequence[str]) -> None:
        self.context = Context(FACTS, {}, argparse.Namespace())
        self.log: list[bytes] = []
        self.reporter = StderrReader(self.context, self.log.append)
        self.child = Child(command, directory, dict(os.environ), self.reporter)

    def run(self, *data: bytes) -> bytes:
        out = [piece for each in data for piece in self.child.write(each)]
        return b"".join([*out, *self.child.finish()])


def python(directory: Path, code: str) -> Play:
    return Play(directory, [sys.executable, "-c", code])


def test_bytes_pass_untouched(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000 + "ü\n".encode("utf-16")
    assert Play(tmp_path, ["cat"]).run(data, data) == data + data


def test_a_child_that_writes_before_it_reads(tmp_path: Path) -> None:
    play = python(tmp_path, "print('x' * 3_000_000)\nimport sys; print(len(sys.stdin.read()))")
    assert play.run(b"y" * 3_000_000).split() == [b"x" * 3_000_000, b"3000000"]


@pytest.mark.parametrize("code", ["pass", "import sys; sys.stdin.readline(); print('one')"])
def test_a_child_that_reads_not_all(tmp_path: Path, code: str) -> None:
    play = python(tmp_path, code)
    out = play.run(*[b"line\n" * 100_000] * 20)
    assert out in (b"", b"one\n")
    play.child.check(failure_is_failure=True)


def test_ten_megabytes_of_stderr(tmp_path: Path) -> None:
    play = python(tmp_path, "import sys; sys.stderr.write('e' * 10_000_000); print('done')")
    assert play.run(b"x\n" * 100) == b"done\n"
    assert len(b"".join(play.log)) == 10_000_000


def test_counters_and_status(tmp_path: Path) -> None:
    code = (
        "import sys; sys.stderr.write('reporter:counter:g,n,2\\nreporter:counter:g,n,3\\n"
        "reporter:status:busy\\nplain words\\nreporter:counter:bad\\n"
        "reporter:counter:g,with,comma,1')"
    )
    play = python(tmp_path, code)
    play.run(b"")
    assert play.context.counters == {"g": {"n": 5, "with,comma": 1}}
    assert play.context.status == "busy"
    assert b"".join(play.log) == b"plain words\nreporter:counter:bad\n"


def test_a_failure_shows_the_end_of_stderr(tmp_path: Path) -> None:
    play = python(tmp_path, "import sys; sys.stdin.read(); sys.exit('out of luck')")
    play.run(b"a\n")
    with pytest.raises(ChildFailed, match="ended with exit code 1") as caught:
        play.child.check(failure_is_failure=True)
    assert "out of luck" in caught.value.__notes__[0]
    play.child.check(failure_is_failure=False)


def test_a_killed_child_has_failed_in_any_case(tmp_path: Path) -> None:
    play = python(tmp_path, "import os; os.kill(os.getpid(), 9)")
    play.run(b"a\n")
    with pytest.raises(ChildFailed, match="killed by SIGKILL"):
        play.child.check(failure_is_failure=False)


def test_a_dropped_child_is_killed(tmp_path: Path) -> None:
    play = python(tmp_path, "import sys; sys.stdin.read()")
    process = play.child._process
    play.child.kill()
    assert process.returncode == -9
    other = Play(tmp_path, ["sleep", "1000"])
    process = other.child._process
    del other
    assert process.returncode == -9


def test_the_jobs_files_come_before_the_path(tmp_path: Path) -> None:
    own = tmp_path / "cat"
    own.write_text("#!/bin/sh\necho own\n")
    own.chmod(0o755)
    assert Play(tmp_path, ["cat"]).run(b"") == b"own\n"


@pytest.mark.parametrize(
    ("text", "mode", "say"),
    [
        ("print(1)\n", 0o755, "no #! line"),
        ("#!/no/such/python\n", 0o755, "interpreter of its #! line"),
        ("#!/bin/sh\n", 0o644, "there is no program"),
        (None, 0, "there is no program"),
    ],
)
def test_programs_that_cannot_start(tmp_path: Path, text: str | None, mode: int, say: str) -> None:
    if text is not None:
        (tmp_path / "program").write_text(text)
        (tmp_path / "program").chmod(mode)
    with pytest.raises(ChildFailed) as caught:
        Play(tmp_path, ["program"])
    assert say in str(caught.value)
