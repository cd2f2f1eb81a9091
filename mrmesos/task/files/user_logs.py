"""What attempts print: `<root>/<job_id>/<attempt_id>/{stdout,stderr}`, also after the job's end.

On an agent the root is `userlogs` in the TaskTracker's sandbox, which Mesos keeps for a while after
the TaskTracker has ended. For a cluster that `submit` starts it is a directory of the user. Thread:
any, one at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Set
from pathlib import Path

from mrmesos.wire.ids import parse_attempt

DIRECTORY = "userlogs"
JOBS_MAX = 100
"""Most ended jobs whose logs are kept under one root."""


class UserLogs:
    """The logs under one root. Those of ended jobs have at most `max_bytes`. The newest are
    kept.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root, self._max_bytes = root, max_bytes

    def directory(self, attempt_id: str) -> Path:
        """The directory of an attempt's logs. Raises ValueError if the id is malformed."""
        return self.root / parse_attempt(attempt_id).job_id / attempt_id

    def drop_empty(self, attempt_id: str) -> None:
        """Delete the empty files of an ended attempt, and the directory if all are empty."""
        directory = self.directory(attempt_id)
        with contextlib.suppress(OSError):  # user code may have put anything there
            for path in list(directory.iterdir()):
                if not path.lstat().st_size:
                    path.unlink()
            directory.rmdir()

    def prune(self, running: Set[str]) -> None:
        """Delete the logs of ended jobs that are over the limits, the oldest first."""
        prune(self.root, self._max_bytes, JOBS_MAX, running)


def prune(root: Path, max_bytes: int, max_jobs: int, running: Set[str] = frozenset()) -> None:
    """Delete the oldest jobs under `root` until both limits hold.

    Keeps those in `running`, and those that a process has locked with `held`.
    """
    total = 0
    for number, job in enumerate(_newest_first(root)):
        total += _size(job)
        if job.name in running or (number < max_jobs and total <= max_bytes):
            continue
        with contextlib.suppress(OSError), _locked(job, fcntl.LOCK_EX):  # OSError: it is in use
            shutil.rmtree(job, ignore_errors=True)


@contextlib.contextmanager
def held(job: Path) -> Iterator[None]:
    """Keep a job's directory from being pruned."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # no locks on this filesystem: the newest stay anyway
            stack.enter_context(_locked(job, fcntl.LOCK_SH))
        yield


def is_held(job: Path) -> bool:
    """Whether a process holds the directory."""
    try:
        with _locked(job, fcntl.LOCK_EX):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _newest_first(root: Path) -> list[Path]:
    """The directories of jobs. Nothing else under the root is ours."""
    with contextlib.suppress(OSError):  # none yet, or another process removes one
        return sorted(root.glob("job_*"), key=lambda job: job.lstat().st_mtime, reverse=True)
    return []


def _size(job: Path) -> int:
    """The bytes of a job's files. Each file counts as at least one block of the disk."""
    total = 0
    for where, _, names in os.walk(job):
        for name in names:
            with contextlib.suppress(OSError):
                total += max(4096, os.lstat(os.path.join(where, name)).st_size)  # noqa: PTH118
    return total
