"""Follows a submitted chain: progress, errors, result and report. Runs its hooks in this process.

In: the JobTracker's answers. Out: text on the terminal, the exit code. Thread: the main thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from mrmesos.api.hooks import AFTER, BEFORE
from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.client.code.loading import ClientHook
from mrmesos.client.kept_jobs import KeptJob
from mrmesos.client.options import Options
from mrmesos.client.terminal.chain_progress import open_chain_progress, step_line
from mrmesos.client.terminal.results import (
    format_chain_end,
    format_counters,
    format_error,
    write_chain_report,
)
from mrmesos.io.fs.filesystem import InputError, OutputError
from mrmesos.io.output.output_dir import OutputDirectory
from mrmesos.wire.chain import ChainSpec, ChainState, ChainStatus
from mrmesos.wire.ids import named_attempts
from mrmesos.wire.task import AttemptError, ErrorKind

POLL_SECONDS = 0.5


class ChainRun:
    """One chain that was submitted."""

    def __init__(
        self,
        client: JobTrackerClient,
        options: Options,
        spec: ChainSpec,
        chain_id: str,
        history: Path | None,
        *,
        own: bool,
    ) -> None:
        """`history` is the directory of kept jobs if the JobTracker is our `own`."""
        self._client, self._options, self._chain_id = client, options, chain_id
        self._history, self._own = history, own
        self.outputs = [s.job.output for s in spec.steps if not spec.is_intermediate(s)]
        self._tell(f"{chain_id} {spec.name}: {len(spec.steps)} steps")

    def follow(self, died: Callable[[], int | None] | None) -> int:
        """Show the chain until it has ended. Returns the exit code.

        `died` says whether our cluster has ended. Raises Unreachable then.
        """
        began = time.monotonic()
        progress = open_chain_progress(quiet=self._options.quiet)
        try:
            while True:
                status = self._client.chain_status(self._chain_id, POLL_SECONDS)
                progress.update(status, time.monotonic() - began)
                if status.state.ended:
                    break
                if died is not None and died() is not None:
                    raise Unreachable("minimesos has died; the chain is lost")
        finally:
            progress.close()
        return self._finish(status)

    def keep(self) -> None:
        """Write --report, and remove the oldest kept jobs."""
        try:
            self._keep(self._client.chain_status(self._chain_id))
        except (ApiProblem, Unreachable) as problem:
            click.echo(f"error: --report: {problem}", err=True)

    def _finish(self, status: ChainStatus) -> int:
        code = 0 if status.state is ChainState.SUCCEEDED else 1
        if not self._keep(status):
            code = 1
        if status.error is not None and code:
            attempt = status.error.attempt_id
            click.echo(format_error(status.error, self._log_of(attempt)), err=True)
        self._tell(format_chain_end(status))
        if status.kept:
            self._tell(
                f"  finished steps are kept in {status.kept}; submit again with --resume to go on"
            )
        if self._options.counters:
            for step in status.steps:
                counters = step.job.counters if step.job is not None else step.counters
                if any(counters.values()):
                    self._tell(f"  {step_line(step)}")
                    self._tell(format_counters(counters))
        return code

    def _keep(self, status: ChainStatus) -> bool:
        """Returns False if --report could not be written."""
        last = next((step.job_id for step in reversed(status.steps) if step.job_id), "")
        if self._history is not None and last:
            KeptJob(self._history, last).end()  # the JobTracker's history has the reports
        if self._options.report is None:
            return True
        try:
            write_chain_report(status, self._options.report)
        except OSError as problem:
            click.echo(f"error: --report {self._options.report}: {problem}", err=True)
            return False
        return True

    def _log_of(self, attempt_id: str) -> str:
        """How to read the output of a failed attempt."""
        if not attempt_id:
            return ""
        command = f"mrmesos job logs {attempt_id}"
        if not self._own:
            return f"{command} --jobtracker {self._client.url}"
        job_id, _ = named_attempts(attempt_id)
        kept = self._history is not None and KeptJob(self._history, job_id).printed()
        return command if kept and attempt_id in kept else ""

    def _tell(self, line: str) -> None:
        if not self._options.quiet:
            click.echo(line, err=True)


class HookFailed(Exception):
    """A hook has raised something. The message has its traceback."""


class ClientHooks:
    """The hooks of one chain."""

    def __init__(self, hooks: Mapping[str, ClientHook], spec: ChainSpec, quiet: bool) -> None:
        self._hooks, self._spec, self._quiet = hooks, spec, quiet

    def before(self) -> None:
        """Run the hook before the steps, unless an earlier run has done it. Raises HookFailed.

        If the client is killed before the JobTracker has the chain, the hook runs again.
        """
        if BEFORE not in self._hooks:
            return
        if self._spec.resume and self._kept() == self._hooks[BEFORE].mark:
            self._tell(f"  {BEFORE}: KEPT from an earlier run")
            return
        self._run(BEFORE)

    def after(self) -> None:
        """Run the hook after the steps, and remove the data between the steps.

        Raises HookFailed. Then the data stay, so that `--resume` runs only the hook.
        """
        if AFTER not in self._hooks:
            return
        try:
            self._run(AFTER)
        except BaseException:  # also an interrupt
            self._tell(
                f"  finished steps are kept in {self._spec.data}; submit again with --resume to "
                f"run {self._spec.name}.{AFTER} again"
            )
            raise
        try:
            OutputDirectory(self._spec.data).remove("")
        except OutputError as problem:
            click.echo(f"warning: {problem}", err=True)

    def _tell(self, line: str) -> None:
        if not self._quiet:
            click.echo(line, err=True)

    def _run(self, name: str) -> None:
        from mrmesos.task.drivers.user_code import one_line, trimmed_traceback

        hook, began = self._hooks[name], time.monotonic()
        try:
            hook.function(hook.given)
        except (Exception, SystemExit) as problem:
            error = AttemptError(
                kind=ErrorKind.USER_CODE,
                message=f"the hook {self._spec.name}.{name} failed: {one_line(problem)}",
                detail=trimmed_traceback(problem),
            )
            raise HookFailed(format_error(error, "")) from problem
        except BaseException:
            self._tell(f"  {name}: INTERRUPTED")
            raise
        self._tell(f"  {name}: SUCCEEDED in {time.monotonic() - began:.1f} s, in this process")

    def _kept(self) -> str:
        """The mark of the hook that an earlier run has finished. Empty if there is none."""
        from mrmesos.jobtracker.storage.chain_data import read_notes

        try:
            notes = read_notes(OutputDirectory(self._spec.data))
        except (InputError, OutputError):
            return ""  # the JobTracker says what is wrong
        return "" if notes is None else notes.hooks.get(BEFORE, "")
