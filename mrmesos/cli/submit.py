"""`mrmesos submit`: run one job and tell how it went."""

from __future__ import annotations

import getpass
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mrmesos.cli.client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.cli.errors import UsageProblem
from mrmesos.cli.interrupts import Interrupted, Interrupts
from mrmesos.cli.loading import LoadedJob, Target, load, parse_target
from mrmesos.conf import SETTINGS, Conf, parse_assignments
from mrmesos.wire.job import JobSpec, JobState, JobStatus

if TYPE_CHECKING:
    from mrmesos.cli.local_cluster import LocalCluster
    from mrmesos.jobtracker.service import JobTrackerService

POLL_SECONDS = 0.5
KILL_SECONDS = 30.0
"""How long a killed job may take to clean up."""
STOP_SECONDS = 10.0
MAX_LOG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, taken apart."""

    target: Target
    inputs: tuple[str, ...]
    output: str
    overrides: Conf
    master: str
    jobtracker: str
    detach: bool
    local_agents: int
    report: Path | None
    verbose: bool
    job_args: tuple[str, ...]


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("script")
@click.option("--class", "class_name", metavar="NAME", help="The job, where SCRIPT holds several.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="URI",
    help="A file, directory or glob; may be given several times.",
)
@click.option("--output", required=True, metavar="URI", help="A directory that does not exist.")
@click.option(
    "-D", "assignments", multiple=True, metavar="NAME=VALUE", help="A setting or parameter."
)
@click.option(
    "--master", default="", metavar="URL", help="A Mesos master: http://host:port, zk://…"
)
@click.option("--jobtracker", default="", metavar="URL", help="A running `mrmesos jobtracker`.")
@click.option("--detach", is_flag=True, help="With --jobtracker: print the job's id and return.")
@click.option(
    "--local-agents",
    type=click.IntRange(1, 100),
    help="Without --master and --jobtracker: agents that share this machine.  [default: 1]",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what ran where, and the counters, as JSON.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show what the JobTracker logs.")
@click.argument("job_args", nargs=-1, type=click.UNPROCESSED)
def submit(
    script: str,
    class_name: str | None,
    inputs: tuple[str, ...],
    output: str,
    assignments: tuple[str, ...],
    master: str,
    jobtracker: str,
    detach: bool,
    local_agents: int | None,
    report: Path | None,
    verbose: bool,
    job_args: tuple[str, ...],
) -> None:
    """Run the job in SCRIPT (or SCRIPT:NAME); the job's own arguments follow after `--`.

    Without --master and --jobtracker it runs on this machine. Exit code: 0 the job succeeded, 1 it
    did not, 2 something asked for has to be changed first.
    """
    if master and jobtracker:
        raise UsageProblem("--master and --jobtracker exclude each other")
    if local_agents and (master or jobtracker):
        raise UsageProblem("--local-agents is for runs without --master and --jobtracker")
    if detach and not jobtracker:
        raise UsageProblem(
            "--detach needs --jobtracker: without it, the job ends with this command"
        )
    if detach and report:
        raise UsageProblem("--report is written when the job ends, so --detach cannot have one")
    try:
        overrides = Conf(parse_assignments(assignments))
        warnings = overrides.check()
        if jobtracker:
            jobtracker = JobTrackerClient(jobtracker).url
    except ValueError as problem:  # ConfError is one
        raise UsageProblem(str(problem)) from None
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if report is not None and not os.access(report.parent, os.W_OK | os.X_OK):
        raise UsageProblem(f"--report {report}: cannot write in {report.parent}")
    options = Options(
        target=parse_target(script, class_name),
        inputs=tuple(absolute_uri(uri) for uri in inputs),
        output=absolute_uri(output),
        overrides=overrides,
        master=master,
        jobtracker=jobtracker,
        detach=detach,
        local_agents=local_agents or 1,
        report=report,
        verbose=verbose,
        job_args=job_args,
    )
    logging.basicConfig(
        level=logging.INFO if verbose else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    sys.exit(Submission(options).run())


def absolute_uri(uri: str) -> str:
    """A path becomes a file URI that means the same everywhere on a shared or local filesystem."""
    return uri if "://" in uri else f"file://{os.path.abspath(uri)}"  # noqa: PTH100 (keeps globs)


class Submission:
    """One run of the command: what it has started, and how that is taken down again."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._interrupts = Interrupts()
        self._cluster: LocalCluster | None = None
        self._service: JobTrackerService | None = None
        self._client: JobTrackerClient | None = None
        self._job_id = ""
        self._spec: JobSpec | None = None
        self._last: JobStatus | None = None

    def run(self) -> int:
        """The exit code."""
        with self._interrupts:
            try:
                return self._run()
            except Interrupted as signal:
                self._interrupts.begin_cleanup()
                if self._job_id:
                    click.echo(f"{signal}: killing {self._job_id}", err=True)
                    self._kill()
                return 1
            except (Unreachable, ApiProblem) as problem:
                if not self._job_id and not _is_ours(problem):
                    raise UsageProblem(str(problem)) from problem
                click.echo(f"error: {problem}", err=True)
                return 1
            finally:
                self._interrupts.begin_cleanup()
                self._take_down()

    def _run(self) -> int:
        options = self._options
        local = not options.master and not options.jobtracker
        if local:
            # First of all: it boots while the job is loaded.
            from mrmesos.cli.local_cluster import LocalCluster, machine_size

            size = machine_size(options.local_agents)
            self._cluster = LocalCluster(size, options.local_agents)
        loaded = load(options.target, options.overrides, options.job_args)
        check_files(options.inputs, options.output)
        if local:
            from mrmesos.cli.local_cluster import check_fits

            check_fits(size, options.local_agents, loaded.conf, loaded.num_reducers)
        self._spec = make_spec(options, loaded)
        self._client = JobTrackerClient(self._connect())
        self._client.upload(loaded.code)
        submitted = time.monotonic()
        self._job_id = self._client.submit(self._spec)
        if options.detach:
            click.echo(self._job_id)
            return 0
        click.echo(f"{self._job_id} {loaded.name}", err=True)
        return self._finish(self._watch(submitted))

    def _connect(self) -> str:
        """The URL of the JobTracker: the one named, or one of our own."""
        options = self._options
        if options.jobtracker:
            for name in options.overrides:
                if name in SETTINGS and SETTINGS[name].scope == "jobtracker":
                    click.echo(f"warning: -D {name} is a setting of the JobTracker", err=True)
            return options.jobtracker
        from mrmesos.jobtracker.http_server import AddressError
        from mrmesos.jobtracker.service import JobTrackerService

        if self._cluster is not None:
            master = self._cluster.wait_ready()
        else:
            master = options.master
            check_master(master)
        try:
            self._service = JobTrackerService(options.overrides, master)
            return self._service.start()
        except (AddressError, ValueError, OSError) as problem:
            raise UsageProblem(str(problem)) from problem

    def _watch(self, submitted: float) -> JobStatus:
        """Show the job's progress until it has ended."""
        from mrmesos.cli.progress import open_progress

        assert self._client is not None
        progress = open_progress()
        try:
            while True:
                status = self._client.status(self._job_id, wait=POLL_SECONDS)
                self._last = status
                progress.update(status, time.monotonic() - submitted)
                if status.state.ended:
                    return status
                if self._cluster is not None and self._cluster.poll() is not None:
                    raise Unreachable("minimesos has died; the job is lost")
        finally:
            progress.close()

    def _finish(self, status: JobStatus) -> int:
        """Tell the end; the exit code."""
        from mrmesos.cli.results import format_counters, format_end, format_error, write_report

        assert self._client is not None
        if self._options.report is not None:
            write_report(self._client.report(self._job_id), self._options.report)
        if status.error is not None and status.state is not JobState.SUCCEEDED:
            log = self._keep_log(status.error.attempt_id) if self._cluster is not None else ""
            click.echo(format_error(status.error, log), err=True)
        click.echo(format_end(status))
        if status.counters:
            click.echo(format_counters(status.counters))
        return 0 if status.state is JobState.SUCCEEDED else 1

    def _keep_log(self, attempt_id: str) -> str:
        """Save what a failed attempt printed: its sandbox goes with the local cluster."""
        assert self._client is not None
        if not attempt_id:
            return ""
        try:
            texts = {
                stream: self._client.logs(attempt_id, stream) for stream in ("stdout", "stderr")
            }
        except (ApiProblem, Unreachable):
            return ""
        if not any(texts.values()):
            return ""
        directory = Path(tempfile.mkdtemp(prefix=f"mrmesos-{attempt_id}-"))
        for stream, text in texts.items():
            (directory / stream).write_text(text[-MAX_LOG_BYTES:], encoding="utf-8")
        return str(directory)

    def _kill(self) -> None:
        """Kill the job and wait for its clean-up, unless hurried."""
        assert self._client is not None
        client = self._client
        try:
            client.kill(self._job_id, self._who())
        except (ApiProblem, Unreachable) as problem:
            click.echo(f"error: {problem}", err=True)
            return

        def ended(seconds: float) -> bool:
            self._last = client.status(self._job_id, wait=seconds)
            return self._last.state.ended

        try:
            if self._interrupts.wait_for(ended, KILL_SECONDS):
                click.echo(f"{self._job_id} was killed", err=True)
            else:
                click.echo(f"{self._job_id} is still being cleaned up", err=True)
        except (ApiProblem, Unreachable) as problem:
            click.echo(f"error: {problem}", err=True)

    def _who(self) -> str:
        return f"{getpass.getuser()} ({self._interrupts.signal_name})"

    def _take_down(self) -> None:
        """End what this command has started; afterwards nothing of it is left."""
        if self._client is not None:
            self._client.close()
        hurried = self._interrupts.hurry.is_set()
        if self._service is not None:
            self._service.stop(timeout=1.0 if hurried else STOP_SECONDS)
        if self._cluster is not None:
            self._cluster.stop(self._interrupts.wait_for)
            self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        """Clean up after a job that did not get to it; nobody writes any more."""
        began = self._last is not None and self._last.state is not JobState.PREP
        if self._spec is None or self._last is None or self._last.state.ended or not began:
            return
        from mrmesos.io.commit import OutputCommitter
        from mrmesos.io.filesystem import OutputError

        try:
            OutputCommitter(self._spec.output).abort_job()
        except (OutputError, OSError) as problem:
            click.echo(f"warning: {self._spec.output}: {problem}", err=True)


def _is_ours(problem: Unreachable | ApiProblem) -> bool:
    """Whether it is no fault of what was asked for."""
    return isinstance(problem, ApiProblem) and problem.status >= 500


def check_files(inputs: Sequence[str], output: str) -> None:
    """Raise UsageProblem where an input is missing, or the output exists or cannot be written."""
    from mrmesos.io.commit import OutputCommitter
    from mrmesos.io.filesystem import InputError, OutputError
    from mrmesos.io.splits import expand_inputs

    try:
        expand_inputs(inputs)
        OutputCommitter(output).check_absent()
    except (InputError, OutputError) as problem:
        raise UsageProblem(str(problem)) from problem


def check_master(master: str) -> None:
    """Raise UsageProblem where nothing answers there; one found by ZooKeeper is not checked."""
    if master.startswith("zk://"):
        return
    import http.client

    from mrmesos.mesos.scheduler_driver import parse_master

    try:
        connection = http.client.HTTPConnection(parse_master(master), timeout=5.0)
        connection.request("GET", "/version")
        connection.getresponse().read(4096)
        connection.close()
    except ValueError as problem:
        raise UsageProblem(f"--master: {problem}") from None
    except (OSError, http.client.HTTPException) as problem:
        reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        raise UsageProblem(f"--master {master}: no Mesos master answers there: {reason}") from None


def make_spec(options: Options, loaded: LoadedJob) -> JobSpec:
    """What the JobTracker is told of the job."""
    import hashlib

    return JobSpec(
        name=loaded.name,
        user=getpass.getuser(),
        inputs=options.inputs,
        output=options.output,
        input_format=loaded.job.input_format,
        output_format=loaded.job.output_format,
        num_reducers=loaded.num_reducers,
        conf=dict(loaded.conf),
        code=hashlib.sha256(loaded.code).hexdigest(),
    )
