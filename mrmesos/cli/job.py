"""`mrmesos job …`: asks a running JobTracker about its jobs, and kills jobs.

`attempts` and `logs` also know the jobs that `submit` has run on this machine (client/kept_jobs).
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from mrmesos.access.identity import current_user
from mrmesos.client.access import open_client
from mrmesos.client.api_client import RETURN_SECONDS, ApiProblem, JobTrackerClient, Unreachable
from mrmesos.client.completion import job_ids
from mrmesos.client.config.option import current_configuration, jobtracker_option
from mrmesos.client.terminal.errors import Failure, UsageProblem
from mrmesos.client.terminal.job_table import chain_rows, job_row
from mrmesos.client.terminal.printable import printable
from mrmesos.client.terminal.queue_lines import queue_rows, queue_text
from mrmesos.client.terminal.tables import print_json, print_table
from mrmesos.jobtracker.core.model.pools import PRIORITIES
from mrmesos.wire.chain import ChainState, ChainStatus
from mrmesos.wire.ids import is_chain_id, is_queue_id
from mrmesos.wire.job import AttemptRow, JobState, JobStatus
from mrmesos.wire.queue import QueueState, QueueStatus

if TYPE_CHECKING:
    from mrmesos.client.attempt_logs import LogSource

WAIT_SECONDS = 20.0
RETRY_SECONDS = 3.0


_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def open_jobtracker(url: str) -> JobTrackerClient:
    """A client of the JobTracker at this URL."""
    conf = current_configuration().layers.for_client()
    return open_client(url, conf, retry_seconds=RETRY_SECONDS, return_seconds=RETURN_SECONDS)


_UNKNOWN = ("no job ", "no chain ", "no queue ")


class OneLineErrors(click.Command):
    """Prints a refusal of the JobTracker, or a missing answer, in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ApiProblem as problem:
            kind = UsageProblem if problem.status in (400, 401, 404) else Failure
            unknown = problem.status == 404 and str(problem).startswith(_UNKNOWN)
            hint = "; `mrmesos job list` shows the known jobs" if unknown else ""
            raise kind(f"{problem}{hint}") from problem
        except Unreachable as problem:
            raise UsageProblem(str(problem)) from problem


class _OneLineGroup(OneLineErrors, click.Group):
    """The same, for all commands below it."""


@click.group(cls=_OneLineGroup)
def job() -> None:
    """List, watch and kill jobs of a JobTracker; show attempts and their output."""


@job.command("list")
@jobtracker_option
@_json_option
def list_jobs(jobtracker: str, as_json: bool) -> None:
    """List all jobs, chains and queues of free tasks that the JobTracker knows.

    The steps of a chain stand below it, and so do the jobs that hold the tasks of a queue.
    """
    client = open_jobtracker(jobtracker)
    statuses, chains = client.statuses(), client.chain_statuses()
    queues = client.queue_statuses()
    if as_json:
        print_json([*chains, *queues, *statuses])
        return
    rows: list[tuple[str, ...]] = [("JOB", "STATE", "USER", "MAPS", "REDUCES", "SUBMITTED", "NAME")]
    for chain in chains:
        rows += chain_rows(chain)
    steps = {step.job_id for chain in chains for step in chain.steps}
    for queue in queues:
        rows += queue_rows(queue)
        steps |= {each.job_id for each in queue.jobs}
    print_table([*rows, *(job_row(one) for one in statuses if one.job_id not in steps)])


@job.command()
@click.argument("job_id", shell_complete=job_ids)
@jobtracker_option
@_json_option
def status(job_id: str, jobtracker: str, as_json: bool) -> None:
    """Show the progress of a job, of a chain and its steps, or of a queue of free tasks."""
    client = open_jobtracker(jobtracker)
    if is_chain_id(job_id):
        _show_chain(client.chain_status(job_id), as_json)
    elif is_queue_id(job_id):
        _show_queue(client.queue_status(job_id), as_json)
    else:
        _show(client.status(job_id), as_json)


@job.command()
@click.argument("job_id", shell_complete=job_ids)
@click.option("--timeout", type=click.FloatRange(0.0), help="Stop waiting after this many seconds.")
@jobtracker_option
@_json_option
def wait(job_id: str, timeout: float | None, jobtracker: str, as_json: bool) -> None:
    """Wait until a job, a chain or a queue of free tasks ends.

    Exit code 0: it succeeded (a queue: it was not killed). 1: it did not succeed, or --timeout
    passed.
    """
    client = open_jobtracker(jobtracker)
    deadline = time.monotonic() + timeout if timeout is not None else float("inf")
    while True:
        left = max(0.0, deadline - time.monotonic())
        if client.has_ended(job_id, min(left, WAIT_SECONDS)) or time.monotonic() >= deadline:
            break
    if is_chain_id(job_id):
        chain = client.chain_status(job_id)
        _show_chain(chain, as_json)
        sys.exit(0 if chain.state is ChainState.SUCCEEDED else 1)
    if is_queue_id(job_id):
        queue = client.queue_status(job_id)
        _show_queue(queue, as_json)
        sys.exit(0 if queue.state is QueueState.ENDED else 1)
    now = client.status(job_id)
    _show(now, as_json)
    sys.exit(0 if now.state is JobState.SUCCEEDED else 1)


@job.command()
@click.argument("job_id", shell_complete=job_ids)
@jobtracker_option
@_json_option
def kill(job_id: str, jobtracker: str, as_json: bool) -> None:
    """Kill a job and remove its output, a chain with all its running steps, or a queue."""
    client = open_jobtracker(jobtracker)
    client.kill(job_id, current_user())
    if as_json:
        print_json(client.any_status(job_id))
    else:
        click.echo(f"{job_id} is being killed", err=True)


@job.command()
@click.argument("job_id", shell_complete=job_ids)
@click.option("--priority", type=click.Choice(PRIORITIES, case_sensitive=False))
@click.option(
    "--pool", default="", metavar="NAME", help="The pool whose share the job uses from then on."
)
@jobtracker_option
@_json_option
def move(job_id: str, priority: str | None, pool: str, jobtracker: str, as_json: bool) -> None:
    """Give a job that has not ended another priority or pool. Its running attempts go on."""
    if not (priority or pool):
        raise UsageProblem("name a --priority or a --pool")
    client = open_jobtracker(jobtracker)
    client.move(job_id, current_user(), priority or "", pool)
    if as_json:
        print_json(client.status(job_id))
        return
    said = ", ".join(filter(None, (priority and f"priority {priority}", pool and f"pool {pool}")))
    click.echo(printable(f"{job_id} has {said} now"), err=True)


@job.command()
@click.argument("job_id", shell_complete=job_ids)
@jobtracker_option
@_json_option
def attempts(job_id: str, jobtracker: str, as_json: bool) -> None:
    """List the attempts of a job: state, agent, time, and their last words or error.

    A job that `submit` has run with a JobTracker of its own is found on this machine.
    """
    rows, _ = _attempts_of(job_id, jobtracker).look()
    if as_json:
        print_json(rows)
        return
    print_table(
        [
            ("ATTEMPT", "STATE", "AGENT", "START", "SECONDS", "PROGRESS", "STATUS"),
            *map(_attempt_row, rows),
        ]
    )


@job.command()
@click.argument("job_id", metavar="JOB")
@click.argument("task", default="", metavar="[TASK]")
@jobtracker_option
@_json_option
def explain(job_id: str, task: str, jobtracker: str, as_json: bool) -> None:
    """Say why a job waits, by the scheduler's own rules, and why it is or was slow.

    TASK is a task's id, or the end of one, such as m_000003.

    The reasons follow from the last offers of agents. For a job that the JobTracker no longer
    knows, `mrmesos history show` says why it was slow.
    """
    from mrmesos.client import insight
    from mrmesos.client.terminal.explanation import format_explanation

    if task and not task.startswith("task_"):
        task = f"{job_id.replace('job_', 'task_', 1)}_{task}"
    found = insight.explain(open_jobtracker(jobtracker), job_id, task)
    if as_json:
        print_json(found)
    else:
        click.echo(format_explanation(found))


@job.command()
@click.argument("name", metavar="JOB|TASK|ATTEMPT", shell_complete=job_ids)
@click.option(
    "--stream", type=click.Choice(["stdout", "stderr", "both"]), default="both", show_default=True
)
@click.option("-f", "--follow", is_flag=True, help="Print new output until the job has ended.")
@jobtracker_option
def logs(name: str, stream: str, follow: bool, jobtracker: str) -> None:
    """Show the output of the attempts of a job or of a task, or of one attempt.

    The end of each log is shown, at most 1 MiB. Logs of a job that `submit` has run with a
    JobTracker of its own are on this machine: those of the last 20 jobs.

    Exit code 1: some logs could not be shown.
    """
    from mrmesos.client.attempt_logs import STREAMS
    from mrmesos.client.log_printer import LogPrinter
    from mrmesos.wire.ids import named_attempts

    try:
        job_id, begin = named_attempts(name)
    except ValueError as problem:
        raise UsageProblem(str(problem)) from None
    found = _attempts_of(job_id, jobtracker)
    printer = LogPrinter(
        found,
        sys.stdout.buffer,
        streams=STREAMS if stream == "both" else (stream,),
        heads=stream == "both" or name != begin,
        tell=lambda line: click.echo(printable(line), err=True),
    )
    if follow:
        printer.follow(lambda row: row.id.startswith(begin))
    else:
        rows = [row for row in found.look()[0] if row.id.startswith(begin)]
        if not rows and name != job_id:
            raise UsageProblem(f"no attempt {name}; `mrmesos job attempts {job_id}` lists them")
        printer.show(rows)
    sys.exit(1 if printer.missing else 0)


def _attempts_of(job_id: str, jobtracker: str) -> LogSource:
    """The attempts of a job, from the jobs kept on this machine or from a JobTracker."""
    from mrmesos.client.attempt_logs import JobTrackersAttempts, KeptAttempts
    from mrmesos.client.kept_jobs import KeptJob, history_dir

    try:
        kept = KeptJob(history_dir(), job_id)
    except ValueError as problem:
        raise UsageProblem(str(problem)) from None
    if kept.exists():
        return KeptAttempts(kept)
    return JobTrackersAttempts(open_jobtracker(jobtracker), job_id)


def _attempt_row(row: AttemptRow) -> tuple[str, ...]:
    end = row.end if row.end is not None else time.time()
    return (
        row.id,
        row.state,
        row.hostname,
        time.strftime("%H:%M:%S", time.localtime(row.start)) if row.start else "",
        f"{max(0.0, end - row.start):.1f}" if row.start else "",
        f"{row.progress:.0%}",
        row.error.message if row.error is not None else row.status,
    )


def _show(status: JobStatus, as_json: bool) -> None:
    from mrmesos.client.terminal.progress import plain_line
    from mrmesos.client.terminal.results import format_counters, format_end, format_error

    if as_json:
        print_json(status)
        return
    elapsed = (status.ended or time.time()) - status.submitted
    if status.state.ended:
        click.echo(printable(format_end(status)))
    else:
        line = f"{status.job_id} {status.state.value}  {plain_line(status, elapsed)}"
        click.echo(printable(line))
    if status.error is not None:
        attempt_id = status.error.attempt_id
        click.echo(
            format_error(status.error, f"mrmesos job logs {attempt_id}" if attempt_id else "")
        )
    if any(status.counters.values()):
        click.echo(format_counters(status.counters))


def _show_queue(status: QueueStatus, as_json: bool) -> None:
    if as_json:
        print_json(status)
        return
    for line in queue_text(status):
        click.echo(printable(line))


def _show_chain(status: ChainStatus, as_json: bool) -> None:
    from mrmesos.client.terminal.chain_progress import step_line
    from mrmesos.client.terminal.progress import plain_line
    from mrmesos.client.terminal.results import format_chain_end, format_error

    if as_json:
        print_json(status)
        return
    line = f"{status.chain_id} {status.state.value}  {status.waiting}".rstrip()
    click.echo(printable(format_chain_end(status) if status.state.ended else line))
    for step in status.steps:
        line = f"  {step_line(step)}"
        if step.job is not None and not step.job.state.ended:
            line += f"  {plain_line(step.job, time.time() - step.job.submitted)}"
        click.echo(printable(line))
    if status.error is not None:
        attempt_id = status.error.attempt_id
        log = f"mrmesos job logs {attempt_id}" if attempt_id else ""
        click.echo(format_error(status.error, log))
    if status.kept:
        click.echo(printable(f"finished steps are kept in {status.kept}"))
