"""Shows a job to its user from its start to its end. Errors are shown elsewhere."""

from __future__ import annotations

from typing import Protocol

import click
import msgspec

from mrmesos.client.terminal.progress import ProgressDisplay, open_progress
from mrmesos.wire.job import JobStatus


class JobDisplay(Protocol):
    """Shows one job. Everything goes to stderr; stdout is for the output that the user asked
    for.
    """

    def started(self, job_id: str, name: str, url: str) -> None:
        """The JobTracker at `url` has accepted the job."""

    def page(self, address: str) -> None:
        """Our own JobTracker serves web pages at this address."""

    def progress(self) -> ProgressDisplay:
        """The display of the running job."""

    def ended(self, status: JobStatus, *, printed: bool) -> None:
        """The job has ended. `printed`: tasks have printed text, and it is kept on this machine.

        The job's error is shown elsewhere.
        """


class PlainDisplay(msgspec.Struct, frozen=True):
    """The display of `mrmesos submit`; with `quiet` it shows nothing."""

    quiet: bool = False
    counters: bool = True

    def started(self, job_id: str, name: str, url: str) -> None:
        """See JobDisplay."""
        del url
        self._tell(f"{job_id} {name}")

    def page(self, address: str) -> None:
        """See JobDisplay."""
        self._tell(f"page: {address}")

    def progress(self) -> ProgressDisplay:
        """See JobDisplay."""
        return open_progress(quiet=self.quiet)

    def ended(self, status: JobStatus, *, printed: bool) -> None:
        """See JobDisplay."""
        from mrmesos.client.terminal.results import format_counters, format_end, notes

        self._tell(format_end(status))
        for note in notes(status):
            self._tell(f"  {note}")
        if printed:
            self._tell(f"  tasks printed: mrmesos job logs {status.job_id}")
        if status.counters and self.counters:
            self._tell(format_counters(status.counters))

    def _tell(self, line: str) -> None:
        if not self.quiet:
            click.echo(line, err=True)
