"""Finds the attempts of a job and reads their output: from kept jobs, or from a JobTracker."""

from __future__ import annotations

import os
from typing import Protocol

from mrmesos.client.api_client import ApiProblem, JobTrackerClient, LogPiece
from mrmesos.client.kept_jobs import KeptJob
from mrmesos.client.terminal.errors import Failure
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import AttemptRow, Sandbox
from mrmesos.wire.task import AttemptState, Locality

PIECE_BYTES = 1 << 20
STREAMS = ("stdout", "stderr")


class LogGone(Exception):
    """The output of an attempt cannot be read. The message says why."""


class LogSource(Protocol):
    """The attempts of one job."""

    def look(self) -> tuple[list[AttemptRow], bool]:
        """The attempts in order, and whether the job has ended."""

    def read(self, attempt_id: str, stream: str, offset: int | None) -> LogPiece:
        """At most PIECE_BYTES of a log, from `offset` on or from its end. Raises LogGone."""


class KeptAttempts:
    """The attempts of a job with a JobTracker of its own. It may still run."""

    def __init__(self, job: KeptJob) -> None:
        self._job = job
        self._sandboxes: dict[str, Sandbox] = {}

    def look(self) -> tuple[list[AttemptRow], bool]:
        """Before the report is written, this lists only attempts that have printed something."""
        ended = not self._job.runs()
        from mrmesos.jobtracker.storage.history import HistoryError

        try:
            report = self._job.report()
        except HistoryError as problem:
            raise Failure(f"the history cannot be read: {problem}") from problem
        if report is not None:
            self._sandboxes = {row.id: row.sandbox for row in report.attempts if row.sandbox}
            return report.attempts, True
        return [_unreported(attempt_id) for attempt_id in self._job.printed()], ended

    def read(self, attempt_id: str, stream: str, offset: int | None) -> LogPiece:
        """Read the file that the attempt writes, or wrote. Empty if it printed nothing.

        If Mesos was not our own, the file is still in the TaskTracker's sandbox.
        """
        try:
            with (self._job.path / attempt_id / stream).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                end = max(0, size - PIECE_BYTES)
                start = end if offset is None or offset > size else offset
                file.seek(start)
                return LogPiece(file.read(PIECE_BYTES), start)
        except FileNotFoundError:
            sandbox = self._sandboxes.get(attempt_id)
            if sandbox is None or not sandbox.has_logs:
                return LogPiece(b"", offset or 0)
            return _from_sandbox(sandbox, attempt_id, stream, offset)
        except OSError as problem:
            raise LogGone(str(problem)) from problem


class JobTrackersAttempts:
    """The attempts of a job of a JobTracker. Its questions raise ApiProblem and Unreachable."""

    def __init__(self, client: JobTrackerClient, job_id: str) -> None:
        self._client, self._job_id = client, job_id

    def look(self) -> tuple[list[AttemptRow], bool]:
        """All attempts so far."""
        report = self._client.report(self._job_id)
        return report.attempts, report.status.state.ended

    def read(self, attempt_id: str, stream: str, offset: int | None) -> LogPiece:
        """Ask the JobTracker, which asks the attempt's TaskTracker, or Mesos after its end."""
        try:
            return self._client.logs(attempt_id, stream, offset)
        except ApiProblem as problem:
            if problem.status != 404:
                raise
            raise LogGone(str(problem)) from None


def _from_sandbox(sandbox: Sandbox, attempt_id: str, stream: str, offset: int | None) -> LogPiece:
    from mrmesos.jobtracker.http.live_logs import FileGone
    from mrmesos.jobtracker.mesos.agent_files import AgentFiles

    try:
        return LogPiece(*AgentFiles().read_log(sandbox, attempt_id, stream, offset, PIECE_BYTES))
    except FileGone as problem:
        raise LogGone(str(problem)) from None


def _unreported(attempt_id: str) -> AttemptRow:
    kind = parse_attempt(attempt_id).kind
    return AttemptRow(
        id=attempt_id,
        kind=kind.value,
        hostname="",
        locality=Locality.ANY,
        start=0.0,
        end=None,
        state=AttemptState.RUNNING.value,
    )
