"""The data of a job that has ended. The core gives it to the history, and does not change it any
more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from mrmesos.api.context import Counters
from mrmesos.wire.job import JobReport, JobSpec


class TaskRun(NamedTuple):
    """One task. `counters` are those of the attempt that won; empty if none did. `files` is the
    number of files from which its split has a part; 0 for a reduce.
    """

    id: str
    kind: str
    counters: Counters
    story: Sequence[str]
    files: int = 0


class JobRun(Struct, frozen=True, kw_only=True):
    """`tasks` goes through all tasks. Any thread may call it, but only once. So this work does not
    run on the core's thread. `tails`: the last lines of attempts that failed, by attempt.
    `profiles`: packed ones (wire/profile.py), by attempt.
    """

    report: JobReport
    spec: JobSpec
    tasks: Callable[[], Iterable[TaskRun]]
    tails: dict[str, str]
    profiles: dict[str, str] = {}

    def __repr__(self) -> str:
        """`tasks` is left out: the text of a random history must be the same when it is
        replayed.
        """
        return f"JobRun({self.report!r}, tails={self.tails!r})"
