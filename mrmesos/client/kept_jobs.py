"""Keeps reports and logs of jobs on this machine after their command has ended.

A job with a JobTracker of its own leaves `DIR/<job_id>/`, with the output of its attempts in
`<attempt_id>/{stdout,stderr}`. TaskTrackers of a local cluster write there while they run. The last
JOBS_MAX jobs are kept. Reports are in the history of ended jobs (jobtracker/storage/history.py), a
file in the same directory, for JobTrackers without another place for it. DIR is
MRMESOS_HISTORY_DIR, else `~/.mrmesos/jobs`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path

from mrmesos.conf import HISTORY_LOCATION, JOBTRACKER_STATE_DIR, Conf
from mrmesos.task.files.user_logs import held, is_held, prune
from mrmesos.wire.ids import is_job_id
from mrmesos.wire.job import JobReport

VARIABLE = "MRMESOS_HISTORY_DIR"
DEFAULT = "~/.mrmesos/jobs"
JOBS_MAX = 20
BYTES_MAX = 256 << 20
NOT_KEPT = "the job's report and logs are not kept"


def history_dir() -> Path:
    """The directory of kept jobs, which may not exist."""
    return Path(os.environ.get(VARIABLE) or DEFAULT).expanduser().absolute()


def usable(root: Path) -> Path:
    """Create the directory of kept jobs. Raises OSError if nothing can be kept there."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(root, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(root))
    return root


def with_history(conf: Conf, root: Path) -> Conf:
    """The settings of a JobTracker. It keeps its history in `root` if they name no other place."""
    if conf.get_as(HISTORY_LOCATION) or conf.get_as(JOBTRACKER_STATE_DIR):
        return conf
    return conf.merged({HISTORY_LOCATION.name: str(root)})


class KeptJob:
    """One job's directory. Its logs may be written by other processes at the same time."""

    def __init__(self, root: Path, job_id: str) -> None:
        """Raises ValueError for a malformed id, which could lead elsewhere."""
        if not is_job_id(job_id):
            raise ValueError(f"{job_id!r} is not a job id")
        self.root, self.job_id = root, job_id
        self.path = root / job_id
        self._holding = contextlib.ExitStack()

    def exists(self) -> bool:
        """Whether anything is kept of the job."""
        return self.path.is_dir()

    def begin(self) -> None:
        """Create the directory, and keep other commands from removing it. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._holding.enter_context(held(self.path))

    def end(self) -> None:
        """Remove the oldest kept jobs."""
        prune(self.root, BYTES_MAX, JOBS_MAX, {self.job_id})
        self._holding.close()

    def save_logs(self, attempt_id: str, texts: Mapping[str, bytes]) -> None:
        """Keep the output of an attempt, by stream. Raises OSError."""
        directory = self.path / attempt_id
        directory.mkdir(mode=0o700, exist_ok=True)
        for stream, text in texts.items():
            if text:
                (directory / stream).write_bytes(text)

    def runs(self) -> bool:
        """Whether the command that runs the job still runs."""
        return is_held(self.path)

    def report(self) -> JobReport | None:
        """The report, from the history in the same directory. None while the job runs, or if its
        command was killed. Raises HistoryError.
        """
        from mrmesos.jobtracker.storage.history import History

        record = History(self.root).get(self.job_id)
        return record.report if record is not None else None

    def printed(self) -> list[str]:
        """The ids of the attempts that have printed something, in order."""
        if not self.exists():
            return []
        return sorted(
            each.name
            for each in self.path.glob("attempt_*")
            if any((each / stream).exists() for stream in ("stdout", "stderr"))
        )
