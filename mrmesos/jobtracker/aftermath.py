"""Passes ended jobs on: to the history, to the URLs that want to hear of ends, and to traces.

Comes in: ended jobs, from the core's thread, which never waits. Goes out: calls of those three.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages.job_run import JobRun
from mrmesos.jobtracker.core.messages.journal_records import NoticeRecord
from mrmesos.jobtracker.http.end_notification import Notifier
from mrmesos.jobtracker.storage.history_writer import history_writer
from mrmesos.jobtracker.tracing import tracer_of
from mrmesos.wire.job import JobReport


class Aftermath:
    """Works until `stop()`. Raises ConfError for bad settings."""

    def __init__(self, conf: Conf) -> None:
        self.history = history_writer(conf)
        self.notifier = Notifier(conf)
        self.tracer = tracer_of(conf, os.environ)

    def job_ended(self, run: JobRun) -> None:
        """A job has ended, and the journal has it."""
        if self.history is not None:
            self.history.put(run)
        self.notifier.job_ended(run.spec, run.report.status)
        if self.tracer is not None:
            self.tracer.job_ended(run)

    def catch_up(self, ended: Iterable[JobReport], notices: Iterable[NoticeRecord]) -> None:
        """Repeat the calls that an earlier JobTracker on this journal may not have made."""
        if self.history is not None:
            self.history.catch_up(list(ended))
        self.notifier.resume(notices)

    def stop(self, timeout: float) -> bool:
        """Finish the waiting work. Returns False if the history is not written after `timeout`
        s.
        """
        clean = self.history is None or self.history.stop(timeout)
        self.notifier.stop(timeout)
        if self.tracer is not None:
            self.tracer.stop(timeout)
        return clean
