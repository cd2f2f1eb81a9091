"""One run of `mrmesos submit`: starts what is needed, follows the job, and cleans up.

In: the options of the command line. Out: requests to a JobTracker, text on the terminal, and the
exit code. Thread: the main thread, so that signals interrupt it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from mrmesos.access.identity import current_user
from mrmesos.client.access import open_client, pickle_key, trusted
from mrmesos.client.api_client import (
    RETRY_SECONDS,
    RETURN_SECONDS,
    ApiProblem,
    JobTrackerClient,
    Unreachable,
)
from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.code.loading import ClientHook, LoadedChain, LoadedJob
from mrmesos.client.kept_jobs import (
    NOT_KEPT,
    VARIABLE,
    KeptJob,
    history_dir,
    usable,
    with_history,
)
from mrmesos.client.options import Options
from mrmesos.client.preflight import check_master, gathered, load_checked
from mrmesos.client.spool import Spool
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.client.terminal.interrupts import Interrupted, Interrupts
from mrmesos.client.terminal.job_display import JobDisplay, PlainDisplay
from mrmesos.client.terminal.preview import preview
from mrmesos.client.terminal.tables import print_json
from mrmesos.conf import MESOS_TEARDOWN_TIMEOUT, SETTINGS, TASKTRACKER_USERLOG_DIR, Conf
from mrmesos.wire.chain import ChainSpec
from mrmesos.wire.job import JobState, JobStatus
from mrmesos.wire.task import AttemptError, ErrorKind

if TYPE_CHECKING:
    from mrmesos.client.chain_run import ChainRun
    from mrmesos.client.local_cluster import LocalCluster
    from mrmesos.jobtracker.mesos.link import MakeDriver
    from mrmesos.jobtracker.service import JobTrackerService

POLL_SECONDS = 0.5
KILL_SECONDS = 30.0
"""Time limit for the clean-up of a killed job."""
STOP_SECONDS = 10.0
ASK_SECONDS = 10.0
"""Time limit for the JobTracker's answer to a kill."""
PAGE_SECONDS = 24 * 3600.0
"""The printed address of the web page logs a browser in once, within this time."""
TAKE_DOWN_SECONDS = 3.0
"""The part of the time after a signal that we keep for the end of our JobTracker and cluster."""
LEFTOVER_SECONDS = 30.0


class Submission:
    """One run of the command. It remembers what it has started, and ends that at its end."""

    def __init__(
        self, options: Options, cluster: LocalCluster | None, display: JobDisplay | None = None
    ) -> None:
        """`cluster`: for a local run, what `forked_cluster` has started. `run()` ends it."""
        self._options = options
        self._display = display or PlainDisplay(options.quiet, options.counters)
        self._interrupts = Interrupts()
        self._cluster = cluster
        self._service: JobTrackerService | None = None
        self._client: JobTrackerClient | None = None
        self._files: JobFiles | None = None
        self._spool: Spool | None = None
        self._job_id = ""  # or the id of the chain
        self._chain: ChainRun | None = None
        self._history: Path | None = None  # the directory of kept jobs, if our JobTracker has one
        self._kept: KeptJob | None = None

    def run(self) -> int:
        """Run the job and return the exit code."""
        if self._cluster is not None:
            self._interrupts.last_call.before_end(self._cluster.kill)
        with self._interrupts:
            try:
                try:
                    return self._run()
                finally:
                    # From here on signals raise nothing. A signal just before is caught below.
                    self._interrupts.begin_cleanup()
            except Interrupted as signal:
                if self._job_id:
                    click.echo(f"{signal}: killing {self._job_id}", err=True)
                    self._kill()
                return 1
            except (Unreachable, ApiProblem) as problem:
                ours = isinstance(problem, ApiProblem) and problem.status >= 500
                if not self._job_id and not ours:
                    raise UsageProblem(str(problem)) from problem
                click.echo(f"error: {problem}", err=True)
                return 1
            finally:
                self._take_down()

    def _run(self) -> int:
        options = self._options
        self._spool = spool = Spool(
            options.output, options.of_client, local=options.is_local, detach=options.detach
        )
        inputs = spool.taken(options.inputs)
        self._files = files = gathered(options)
        loaded, spec = load_checked(options, inputs, files)
        jobs = [loaded] if isinstance(loaded, LoadedJob) else [s.loaded for s in loaded.steps]
        if self._cluster is not None:
            from mrmesos.client.local_cluster import check_fits

            size = self._cluster.size
            for each in jobs:
                conf = options.service.merged(each.conf)
                check_fits(size, options.local_agents, conf, each.num_reducers)
        self._client = self._connect(options.service.merged(loaded.conf))
        for each in jobs:
            self._client.upload(each.code)
        for file, path in files.items():
            self._client.upload_file(file.sha256, path)
        submitted = time.monotonic()
        if isinstance(spec, ChainSpec):
            assert isinstance(loaded, LoadedChain)
            return self._run_chain(self._client, spec, loaded.hooks)
        self._job_id = self._client.submit(spec)
        self._begin_keeping()
        if options.detach:
            click.echo(self._job_id)
            return 0
        self._display.started(self._job_id, loaded.name, self._client.url)
        self._show_page()
        return self._finish(self._watch(submitted))

    def _show_page(self) -> None:
        """Say where the web page of the job is, if our own JobTracker serves it."""
        assert self._client is not None
        if self._service is not None and not self._options.quiet:
            self._display.page(self._client.page(PAGE_SECONDS))

    def _run_chain(
        self, client: JobTrackerClient, spec: ChainSpec, hooks: Mapping[str, ClientHook]
    ) -> int:
        """Submit a chain and follow it to its end. Returns the exit code."""
        from mrmesos.client.chain_run import ClientHooks, HookFailed

        ours = ClientHooks(hooks, spec, self._options.quiet)
        try:
            ours.before()
            code = self._followed(client, spec)
            if not code and not self._options.detach:
                ours.after()
        except HookFailed as problem:
            click.echo(str(problem), err=True)
            return 1
        if code or self._chain is None or not self._options.preview:
            return code
        return preview(self._chain.outputs, self._options.preview)

    def _followed(self, client: JobTrackerClient, spec: ChainSpec) -> int:
        from mrmesos.client.chain_run import ChainRun

        self._job_id = client.submit_chain(spec)
        if self._options.detach:
            click.echo(self._job_id)
            return 0
        own, died = self._service is not None, self._cluster.poll if self._cluster else None
        self._chain = ChainRun(client, self._options, spec, self._job_id, self._history, own=own)
        code = self._chain.follow(died)
        if self._options.as_json:
            print_json(client.chain_status(self._job_id))
        self._job_id = ""  # it has ended, so a signal has nothing to kill
        return code

    def _connect(self, conf: Conf) -> JobTrackerClient:
        """Connect to the given JobTracker, or start our own."""
        options = self._options
        if options.jobtracker:
            for name in options.overrides:
                if name in SETTINGS and SETTINGS[name].scope == "jobtracker":
                    click.echo(f"warning: -D {name} is a setting of the JobTracker", err=True)
            return open_client(
                options.jobtracker,
                options.of_client,
                retry_seconds=RETRY_SECONDS,
                return_seconds=RETURN_SECONDS,
            )
        from mrmesos.jobtracker.http.server import AddressError
        from mrmesos.jobtracker.service import JobTrackerService

        try:
            self._history = usable(history_dir())
        except OSError as problem:
            click.echo(f"warning: {NOT_KEPT}: {problem}; {VARIABLE} names another", err=True)
        if self._history is not None:
            conf = with_history(conf, self._history)
        if self._cluster is not None:
            master = self._cluster.wait_ready()
            if self._history is not None:
                conf = Conf({TASKTRACKER_USERLOG_DIR.name: str(self._history)}).merged(conf)
        else:
            master = options.master
            check_master(master)
        try:
            key, make = pickle_key("", options.of_client), self._make_driver()
            self._service = JobTrackerService(conf, master, pickle_key=key, make_driver=make)
            url, token = self._service.start(), self._service.token
            tls = trusted(options.of_client) if url.startswith("https:") else None
            return JobTrackerClient(url, token=token, tls=tls, retry_seconds=1.0)
        except (AddressError, ValueError, OSError) as problem:
            raise UsageProblem(str(problem)) from problem

    def _make_driver(self) -> MakeDriver:
        """The driver; for our own minimesos with its secret."""
        from mrmesos.jobtracker.mesos.link import make_mesos_driver

        if self._cluster is None:
            return make_mesos_driver
        from mrmesos.client.local_cluster import PRINCIPAL

        return partial(make_mesos_driver, credentials=(PRINCIPAL, self._cluster.secret))

    def _watch(self, submitted: float) -> JobStatus:
        """Show the job's progress until it has ended."""
        assert self._client is not None
        progress = self._display.progress()
        try:
            while True:
                status = self._client.status(self._job_id, wait=POLL_SECONDS)
                progress.update(status, time.monotonic() - submitted)
                if status.state.ended:
                    return status
                if self._cluster is not None and self._cluster.poll() is not None:
                    raise Unreachable("minimesos has died; the job is lost")
        finally:
            progress.close()

    def _finish(self, status: JobStatus) -> int:
        """Show the result and return the exit code."""
        from mrmesos.client.terminal.results import format_error

        assert self._client is not None
        code = 0 if status.state is JobState.SUCCEEDED else 1
        if not self._write_report():
            code = 1
        if status.error is not None and status.state is not JobState.SUCCEEDED:
            error, log = self._with_last_words(status.error)
            click.echo(format_error(error, log or self._log_of(error.attempt_id)), err=True)
        printed = self._kept is not None and bool(self._kept.printed())
        self._display.ended(status, printed=printed)
        if self._options.as_json:
            print_json(status)
        if status.state is JobState.SUCCEEDED and self._options.preview:
            return preview([self._options.output], self._options.preview) or code
        return code

    def _with_last_words(self, error: AttemptError) -> tuple[AttemptError, str]:
        """Add the output of a failed TaskTracker of our own cluster, and where it is kept."""
        if self._cluster is None or error.kind is not ErrorKind.LOST:
            return error, ""
        if not (words := self._cluster.last_stderr()):
            return error, ""
        where = ""
        if self._kept is not None:
            where = str(self._cluster.keep_failed(self._kept.path / "tasktrackers") or "")
        detail = error.detail or f"stderr of a TaskTracker:\n{words}"
        return replace(error, detail=detail), where

    def _write_report(self) -> bool:
        """Write --report if it was given. Returns False if that failed."""
        from mrmesos.client.terminal.results import write_report

        assert self._client is not None
        if self._options.report is None:
            return True
        try:
            write_report(self._client.report(self._job_id), self._options.report)
        except (OSError, ApiProblem, Unreachable) as problem:
            click.echo(f"error: --report {self._options.report}: {problem}", err=True)
            return False
        return True

    def _begin_keeping(self) -> None:
        """Keep the job's data, if the JobTracker ends with this command."""
        if self._history is None:
            return
        self._kept = KeptJob(self._history, self._job_id)
        try:
            self._kept.begin()
        except OSError as problem:
            self._kept = None
            click.echo(f"warning: {NOT_KEPT}: {problem}", err=True)

    def _log_of(self, attempt_id: str) -> str:
        """How to read a failed attempt's output. Keeps it if our own JobTracker ends now."""
        assert self._client is not None
        if not attempt_id:
            return ""
        command = f"mrmesos job logs {attempt_id}"
        if self._service is None:
            return f"{command} --jobtracker {self._client.url}"
        if self._kept is None:
            return ""
        if attempt_id not in self._kept.printed():  # Mesos is not our own: fetch it
            try:
                streams = ("stdout", "stderr")
                texts = {each: self._client.logs(attempt_id, each).data for each in streams}
                self._kept.save_logs(attempt_id, texts)
            except (OSError, ApiProblem, Unreachable):
                return ""
        return command if attempt_id in self._kept.printed() else ""

    def _kill(self) -> None:
        """Kill the job and wait for its clean-up, or until a second signal."""
        assert self._client is not None
        client = self._client
        client.be_quick(
            max(0.5, self._interrupts.last_call.left(ASK_SECONDS, self._take_down_time))
        )
        try:
            client.kill(self._job_id, self._who())
        except (ApiProblem, Unreachable) as problem:
            click.echo(f"error: {problem}", err=True)
            return

        def ended(seconds: float) -> bool:
            return client.has_ended(self._job_id, seconds)

        try:
            if self._interrupts.wait_for(ended, KILL_SECONDS, self._take_down_time):
                click.echo(f"{self._job_id} was killed", err=True)
                if self._chain is not None:
                    self._chain.keep()
                else:
                    self._write_report()
            else:
                click.echo(f"{self._job_id} is still being cleaned up", err=True)
        except (ApiProblem, Unreachable) as problem:
            click.echo(f"error: {problem}", err=True)

    @property
    def _take_down_time(self) -> float:
        return TAKE_DOWN_SECONDS if self._service is not None else 0.3

    def _who(self) -> str:
        return f"{current_user()} ({self._interrupts.signal_name})"

    def _take_down(self) -> None:
        """End all processes that this command has started."""
        if self._files is not None:
            self._files.close()
        if self._client is not None:
            self._client.close()
        if self._service is not None:
            left = self._interrupts.last_call.left
            wait = self._master_wait()
            stop = partial(
                self._service.stop,
                timeout=left(STOP_SECONDS, TAKE_DOWN_SECONDS),
                master_wait=wait,
                tell=partial(click.echo, err=True),
            )
            self._interrupts.wait_for_call(stop, STOP_SECONDS + wait + 5.0, keep=1.5)
            if self._service.left_behind and self._cluster is None:
                click.echo(f"warning: {self._service.left_behind}", err=True)
        if self._cluster is not None:
            self._cluster.stop(self._interrupts.wait_for)
            self._cluster.forget_failed()
        if self._spool is not None:
            self._spool.close(lambda words: click.echo(f"warning: {words}", err=True))
        if self._kept is not None:
            self._kept.end()
        if self._service is not None:
            remove = self._service.remove_leftovers
            if not self._interrupts.wait_for_call(remove, LEFTOVER_SECONDS, keep=0.1):
                click.echo(
                    f"error: {self._options.output}: `_temporary` may remain there; remove it",
                    err=True,
                )

    def _master_wait(self) -> float:
        """The longest wait for a master that accepts the end of the framework."""
        own_is_gone = self._cluster is not None and self._cluster.poll() is not None
        if self._interrupts.signal_name or own_is_gone:
            return 0.0
        return self._options.of_client.get_as(MESOS_TEARDOWN_TIMEOUT)
