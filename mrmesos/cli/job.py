"""`mrmesos job …`: asks a running JobTracker about its jobs, and kills jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mrmesos.client.access import open_client
from mrmesos.client.api_client import RETURN_SECONDS, ApiProblem, JobTrackerClient, Unreachable
from mrmesos.client.terminal.errors import Failure, UsageProblem
from mrmesos.client.terminal.printable import one_line, printable
from mrmesos.conf import Conf
from mrmesos.jobtracker.mesos.user import current_user
from mrmesos.wire.job import JobState, JobStatus

DEFAULT_URL = "http://127.0.0.1:5055"
WAIT_SECONDS = 20.0
RETRY_SECONDS = 3.0
F = TypeVar("F", bound=Callable[..., Any])


def _jobtracker_option(function: F) -> F:
    return click.option(
        "--jobtracker",
        envvar="MRMESOS_JOBTRACKER_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        metavar="URL",
        help="URL of the JobTracker, or the zk://… address of its election.",
    )(function)


_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _client(url: str) -> JobTrackerClient:
    return open_client(url, Conf(), retry_seconds=RETRY_SECONDS, return_seconds=RETURN_SECONDS)


class _Asking(click.Group):
    """Prints a refusal of the JobTracker, or a missing answer, in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ApiProblem as problem:
            kind = UsageProblem if problem.status in (400, 401, 404) else Failure
            unknown = problem.status == 404 and str(problem).startswith("no job ")
            hint = "; `mrmesos job list` shows the known jobs" if unknown else ""
            raise kind(f"{problem}{hint}") from problem
        except Unreachable as problem:
            raise UsageProblem(str(problem)) from problem


@click.group(cls=_Asking)
def job() -> None:
    """List, watch and kill jobs of a JobTracker; read the logs of attempts."""


@job.command("list")
@_jobtracker_option
@_json_option
def list_jobs(jobtracker: str, as_json: bool) -> None:
    """List all jobs that the JobTracker knows."""
    statuses = _client(jobtracker).statuses()
    if as_json:
        _print_json(statuses)
        return
    rows: list[tuple[str, ...]] = [("JOB", "STATE", "USER", "MAPS", "REDUCES", "SUBMITTED", "NAME")]
    rows += [tuple(map(one_line, _row(status))) for status in statuses]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@job.command()
@click.argument("job_id")
@_jobtracker_option
@_json_option
def status(job_id: str, jobtracker: str, as_json: bool) -> None:
    """Show the progress of a job."""
    _show(_client(jobtracker).status(job_id), as_json)


@job.command()
@click.argument("job_id")
@click.option("--timeout", type=click.FloatRange(0.0), help="Stop waiting after this many seconds.")
@_jobtracker_option
@_json_option
def wait(job_id: str, timeout: float | None, jobtracker: str, as_json: bool) -> None:
    """Wait until a job ends.

    Exit code 0: the job succeeded. 1: it did not, or --timeout passed.
    """
    client = _client(jobtracker)
    deadline = time.monotonic() + timeout if timeout is not None else float("inf")
    while True:
        left = max(0.0, deadline - time.monotonic())
        now = client.status(job_id, wait=min(left, WAIT_SECONDS))
        if now.state.ended or time.monotonic() >= deadline:
            break
    _show(now, as_json)
    sys.exit(0 if now.state is JobState.SUCCEEDED else 1)


@job.command()
@click.argument("job_id")
@_jobtracker_option
def kill(job_id: str, jobtracker: str) -> None:
    """Kill a job and remove its output."""
    _client(jobtracker).kill(job_id, current_user())
    click.echo(f"{job_id} is being killed", err=True)


@job.command()
@click.argument("attempt_id")
@click.option(
    "--stream", type=click.Choice(["stdout", "stderr"]), default="stderr", show_default=True
)
@_jobtracker_option
def logs(attempt_id: str, stream: str, jobtracker: str) -> None:
    """Show what an attempt has printed."""
    text = _client(jobtracker).logs(attempt_id, stream)
    if sys.stdout.isatty():
        text = printable(text)
    click.echo(text, nl=not text.endswith("\n"))


def _row(status: JobStatus) -> tuple[str, ...]:
    return (
        status.job_id,
        status.state.value,
        status.user,
        f"{status.maps.succeeded}/{status.maps.total}",
        f"{status.reduces.succeeded}/{status.reduces.total}",
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.submitted)),
        status.name,
    )


def _show(status: JobStatus, as_json: bool) -> None:
    from mrmesos.client.terminal.progress import plain_line
    from mrmesos.client.terminal.results import format_counters, format_end, format_error

    if as_json:
        _print_json(status)
        return
    elapsed = (status.ended or time.time()) - status.submitted
    if status.state.ended:
        click.echo(printable(format_end(status)))
    else:
        line = f"{status.job_id} {status.state.value}  {plain_line(status, elapsed)}"
        click.echo(printable(line))
    if status.error is not None:
        click.echo(format_error(status.error))
    if any(status.counters.values()):
        click.echo(format_counters(status.counters))


def _print_json(value: object) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
