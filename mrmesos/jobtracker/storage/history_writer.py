"""Writes ended jobs to the history, in a thread of its own. The core's thread never waits for it.

Comes in: ended jobs, through a bounded queue. Goes out: records in the file. If the queue is full,
or the file cannot be written for long, a job is left out, and the log says so. The journal still
has the jobs that ended last. The next start adds those that are missing (`catch_up`).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from mrmesos.conf import HISTORY_LOCATION, HISTORY_MAX_AGE_DAYS, HISTORY_MAX_MB, Conf
from mrmesos.conf import JOBTRACKER_STATE_DIR as STATE_DIR
from mrmesos.jobtracker.core.messages.job_run import JobRun
from mrmesos.jobtracker.history.record import HistoryRecord, bare_record, record_of
from mrmesos.jobtracker.storage.history import (
    History,
    HistoryDamaged,
    HistoryError,
    HistoryStore,
)
from mrmesos.jobtracker.storage.history_files import HistoryFiles
from mrmesos.wire.job import JobReport

logger = logging.getLogger(__name__)

QUEUE_MAX = 256
TRIES = 5
PAUSE_SECONDS = 2.0
PRUNE_SECONDS = 60.0
"""Least time between two checks of the history's age and size."""


class HistoryWriter:
    """The thread starts with the first job. `put` and `catch_up` may be called in any thread."""

    def __init__(
        self,
        history: HistoryStore,
        *,
        max_age_seconds: float,
        max_bytes: int,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """The limits are those of History.prune."""
        self.history = history
        self.lost = 0
        """How many jobs could not be written."""
        self._max_age, self._max_bytes = max_age_seconds, max_bytes
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(QUEUE_MAX)
        self._stopping = threading.Event()
        self._pause_seconds = pause_seconds
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._next_prune = 0.0

    def put(self, run: JobRun) -> None:
        """Keep a job that has just ended."""
        job_id = run.report.status.job_id
        self._enqueue(job_id, partial(self._write, job_id, partial(record_of, run)))

    def catch_up(self, reports: Iterable[JobReport]) -> None:
        """Add those of these jobs that the history lacks, because a JobTracker was killed too
        early.
        """
        found = list(reports)
        if found:
            self._enqueue("jobs of earlier starts", partial(self._write_missing, found))

    def stop(self, timeout: float) -> bool:
        """Write what waits, and end the thread. Returns False if that takes over `timeout` s."""
        self._stopping.set()
        if self._thread.ident is None:
            return True
        deadline = time.monotonic() + timeout
        try:
            self._queue.put(None, timeout=max(0.0, timeout))
        except queue.Full:
            return False
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _enqueue(self, what: str, work: Callable[[], None]) -> None:
        if self._stopping.is_set():
            return
        try:
            self._queue.put_nowait(work)
        except queue.Full:
            self.lost += 1
            logger.error("%s: not in the history: its queue is full (%d jobs)", what, QUEUE_MAX)
            return
        if self._thread.ident is None:
            self._thread.start()

    # In the writer's thread.

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except Exception:  # our bug in making a record must not end the history
                self.lost += 1
                logger.exception("a job is not in the history")

    def _write(self, job_id: str, make: Callable[[], HistoryRecord]) -> None:
        record = make()
        for number in range(TRIES):
            try:
                self.history.put(record)
                break
            except HistoryDamaged as problem:
                logger.error("%s", problem)
                self._begin_anew()
            except HistoryError as problem:
                logger.warning("%s: not in the history yet: %s", job_id, problem)
                if number + 1 < TRIES:
                    self._stopping.wait(self._pause_seconds)
        else:
            self.lost += 1
            logger.error("%s: not in the history, after %d tries", job_id, TRIES)
            return
        self._prune()

    def _begin_anew(self) -> None:
        try:
            logger.error(
                "the damaged history is now %s; a new one begins", self.history.set_aside()
            )
        except OSError as problem:
            logger.error("%s cannot be renamed: %s", self.history.place, problem)

    def _prune(self) -> None:
        if time.monotonic() < self._next_prune:
            return
        self._next_prune = time.monotonic() + PRUNE_SECONDS
        try:
            gone = self.history.prune(max_age_seconds=self._max_age, max_bytes=self._max_bytes)
        except HistoryError as problem:
            logger.warning("the history was not shortened: %s", problem)
            return
        if gone:
            logger.info("the history forgot %d jobs, by age or size", gone)

    def _write_missing(self, reports: list[JobReport]) -> None:
        try:
            known = self.history.ids()
        except HistoryDamaged:
            known = set()
        except HistoryError as problem:
            logger.warning("jobs of earlier starts are not added to the history: %s", problem)
            return
        for report in reports:
            job_id = report.status.job_id
            if job_id not in known:
                self._write(job_id, partial(bare_record, report))


def history_at(place: str) -> HistoryStore:
    """The history in a directory, or below a URI."""
    if "://" in place and not place.startswith("file://"):
        return HistoryFiles(place)
    return History(Path(place.removeprefix("file://")).expanduser().absolute())


def history_writer(conf: Conf) -> HistoryWriter | None:
    """The writer for these settings. None if they name no directory."""
    directory = conf.get_as(HISTORY_LOCATION) or conf.get_as(STATE_DIR)
    if not directory:
        return None
    return HistoryWriter(
        history_at(directory),
        max_age_seconds=conf.get_as(HISTORY_MAX_AGE_DAYS) * 86_400.0,
        max_bytes=conf.get_as(HISTORY_MAX_MB) << 20,
    )
