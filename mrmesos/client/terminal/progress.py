"""Shows the progress of a job on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Protocol

from mrmesos.client.terminal.printable import one_line
from mrmesos.wire.job import JobState, JobStatus, TaskCounts

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_SECONDS = 1.0
"""Least time between two plain lines."""
NOTE_SECONDS = 10.0
"""Least time between two plain lines if only the text of `set_status` has changed."""
NOTE_CHARACTERS = 60


class ProgressDisplay(Protocol):
    """Shows one job."""

    def update(self, status: JobStatus, elapsed: float) -> None:
        """Show a status. `elapsed` is in seconds since the submission."""

    def close(self) -> None:
        """Stop the display."""


def open_progress(stream: IO[str] | None = None, *, quiet: bool = False) -> ProgressDisplay:
    """Bars if `stream` (stderr) is a terminal, otherwise plain lines; nothing if `quiet`."""
    if quiet:
        return Silence()
    stream = stream or sys.stderr
    return Bars(stream) if stream.isatty() else ProgressLines(stream)


def plain_line(status: JobStatus, elapsed: float) -> str:
    """`maps 3/8  reduces 0/3  12 s`, with the reason if the job waits."""
    if status.state is JobState.PREP:
        return f"planning  {elapsed:.0f} s"
    parts = [f"{'tasks' if status.queue else 'maps'} {_done(status.maps)}"]
    if status.reduces.total:
        parts.append(f"reduces {_done(status.reduces)}")
    if state := _words(status):
        parts.append(state)
    return "  ".join([*parts, f"{elapsed:.0f} s"])


def note(status: JobStatus) -> str:
    """The text that a task has set with `set_status`, in one line of limited length. Empty if there
    is none.
    """
    if status.state is not JobState.RUNNING:
        return ""
    text = one_line(" ".join(status.note.split()))
    return text if len(text) <= NOTE_CHARACTERS else f"{text[: NOTE_CHARACTERS - 1]}…"


def _done(counts: TaskCounts) -> str:
    text = f"{counts.succeeded}/{counts.total}"
    return text + f" ({counts.failed_attempts} failed)" if counts.failed_attempts else text


def _words(status: JobStatus) -> str:
    match status.state:
        case JobState.COMMITTING:
            return "committing"
        case JobState.ABORTING:
            return "cleaning up"
        case JobState.RUNNING:
            return status.waiting
    return ""


class Silence:
    """Shows nothing: --quiet."""

    def update(self, status: JobStatus, elapsed: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class ProgressLines:
    """Prints a line when something has changed, at most one per second."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._said = self._noted = ""
        self._said_at = float("-inf")

    def update(self, status: JobStatus, elapsed: float) -> None:
        """Print a line if something has changed."""
        if status.state is JobState.PREP and elapsed < LINE_SECONDS:
            return  # planning mostly takes less
        news, noted = plain_line(status, 0.0), note(status)
        if news == self._said and noted in ("", self._noted):
            return
        least = LINE_SECONDS if news != self._said or not self._noted else NOTE_SECONDS
        if elapsed - self._said_at < least and not status.state.ended:
            return
        self._said, self._noted, self._said_at = news, noted or self._noted, elapsed
        line = "  ".join(filter(None, [plain_line(status, elapsed), noted]))
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Do nothing."""


class Bars:
    """A bar for maps and one for reduces."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[done]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}"),
            console=Console(file=stream),
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._rows: dict[str, TaskID] = {}
        self._rich.start()

    def update(self, status: JobStatus, elapsed: float) -> None:  # noqa: ARG002
        """Redraw. rich measures the time itself."""
        for name, counts in (("maps", status.maps), ("reduces", status.reduces)):
            if name == "reduces" and not counts.total:
                continue
            if name not in self._rows:
                self._rows[name] = self._rich.add_task(f"{name:7}", total=1.0, done="", words="")
            words = (_words(status) or note(status)) if name == "maps" else ""
            self._rich.update(
                self._rows[name], completed=counts.progress, done=_done(counts), words=words
            )

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._rich.stop()
