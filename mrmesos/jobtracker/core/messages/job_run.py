"""A job that has ended, as the core gives it away. From then on the core does not change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from mrmesos.api.context import Counters
from mrmesos.wire.job import JobReport, JobSpec


class TaskRun(NamedTuple):
    """One task. `counters` are those of the attempt that won; empty if none did. `files`: of how
    many files its split has a part; 0 for a reduce.
    """

    id: str
    kind: str
    counters: Counters
    story: Sequence[str]
    files: int = 0


class JobRun(Struct, frozen=True, kw_only=True):
    """`tasks` goes through all tasks. Any thread may call it, once: it spares the core's thread
    this work. `tails`: the last lines of attempts that failed, by attempt. `profiles`: packed
    ones (wire/profile.py), by attempt.
    """

    report: JobReport
    spec: JobSpec
    tasks: Callable[[], Iterable[TaskRun]]
    tails: dict[str, str]
    profiles: dict[str, str] = {}

    def __repr__(self) -> str:
        """Without `tasks`: a history's story must be the same when it is replayed."""
        return f"JobRun({self.report!r}, tails={self.tails!r})"
