"""Shows the progress of a chain on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Protocol

from mrmesos.client.terminal.printable import one_line
from mrmesos.client.terminal.progress import LINE_SECONDS, plain_line
from mrmesos.wire.chain import ChainState, ChainStatus, StepState, StepStatus

if TYPE_CHECKING:
    from rich.progress import TaskID


class ChainProgress(Protocol):
    """Shows one chain."""

    def update(self, status: ChainStatus, elapsed: float) -> None:
        """Show a status. `elapsed` is in seconds since the submission."""

    def close(self) -> None:
        """Stop the display."""


def open_chain_progress(*, quiet: bool = False, stream: IO[str] | None = None) -> ChainProgress:
    """Bars if `stream` (stderr) is a terminal, otherwise plain lines; nothing if `quiet`."""
    if quiet:
        return _Silence()
    stream = stream or sys.stderr
    return _Bars(stream) if stream.isatty() else _Lines(stream)


def step_line(step: StepStatus) -> str:
    """`count: SUCCEEDED in 3.2 s (job_…)`, or the state alone."""
    line = f"{step.name}: {step.state.value}"
    if step.state is StepState.KEPT:
        return f"{line} from an earlier run"
    if step.into:
        return f"{line}, in the maps of {step.into}"
    job = step.job
    if job is None or job.ended is None:
        return f"{line} ({step.job_id})" if step.job_id else line
    return f"{line} in {job.ended - job.submitted:.1f} s ({step.job_id})"


class _Silence:
    def update(self, status: ChainStatus, elapsed: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class _Lines:
    """A line for each change of a step's state, and for the progress of each running step at most
    one a second.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._states: dict[str, StepState] = {}
        self._said: dict[str, str] = {}
        self._said_at: dict[str, float] = {}
        self._waiting = ""

    def update(self, status: ChainStatus, elapsed: float) -> None:
        """Print a line for each change."""
        if status.waiting != self._waiting:
            self._waiting = status.waiting
            self._print(f"  {status.waiting}" if status.waiting else "")
        if status.state is ChainState.PREP:
            return
        for step in status.steps:
            before = self._states.get(step.name, StepState.WAITING)
            self._states[step.name] = step.state
            if step.state is StepState.RUNNING and step.job is not None:
                self._progress(step, elapsed)
            elif step.state is not before:
                self._print(f"  {step_line(step)}")

    def _progress(self, step: StepStatus, elapsed: float) -> None:
        assert step.job is not None
        news = plain_line(step.job, 0.0)
        since = elapsed - self._said_at.get(step.name, float("-inf"))
        if news == self._said.get(step.name) or since < LINE_SECONDS:
            return
        self._said[step.name], self._said_at[step.name] = news, elapsed
        self._print(f"  {step.name}: {plain_line(step.job, elapsed)}")

    def _print(self, line: str) -> None:
        if line:
            print(one_line(line), file=self._stream, flush=True)

    def close(self) -> None:
        """Do nothing."""


class _Bars:
    """A bar for each step that has begun."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._rich = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=Console(file=stream),
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._rows: dict[str, TaskID] = {}
        self._rich.start()

    def update(self, status: ChainStatus, elapsed: float) -> None:  # noqa: ARG002
        """Redraw. rich measures the time itself."""
        for step in status.steps:
            if step.state in (StepState.WAITING, StepState.CANCELLED):
                continue
            if step.name not in self._rows:
                self._rows[step.name] = self._rich.add_task(step.name, total=1.0, words="")
            words = step.state.value
            done = 1.0 if step.state.done else 0.0
            if step.state is StepState.RUNNING and step.job is not None:
                kinds = [each for each in (step.job.maps, step.job.reduces) if each.total]
                done = sum(each.progress for each in kinds) / max(1, len(kinds))
                words = plain_line(step.job, 0.0).rpartition("  ")[0]
            self._rich.update(self._rows[step.name], completed=done, words=words)
            if step.state is not StepState.RUNNING:
                self._rich.stop_task(self._rows[step.name])

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._rich.stop()
