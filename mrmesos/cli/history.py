"""`mrmesos history …`: jobs that have ended, also long ago, and the differences between two of
them.

It reads the history's file itself, so no JobTracker has to run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mrmesos.client.completion import ended_ids
from mrmesos.client.kept_jobs import history_dir
from mrmesos.client.terminal.errors import Failure, UsageProblem
from mrmesos.client.terminal.printable import printable
from mrmesos.client.terminal.tables import print_json, print_table
from mrmesos.wire.job import JobState

if TYPE_CHECKING:
    from mrmesos.jobtracker.history.record import HistoryRecord
    from mrmesos.jobtracker.storage.history import HistoryStore

F = TypeVar("F", bound=Callable[..., Any])
_ENDS = [state.value for state in JobState if state.ended]


def _from_option(function: F) -> F:
    return click.option(
        "--from",
        "directory",
        metavar="DIR|URI",
        help="Directory or URI of the history: a JobTracker's --state-dir, or its "
        "jobtracker.jobhistory.location.  [default: MRMESOS_HISTORY_DIR, else ~/.mrmesos/jobs]",
    )(function)


_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _Reading(click.Group):
    """Prints in one line why the history cannot be read."""

    def invoke(self, ctx: click.Context) -> Any:
        from mrmesos.jobtracker.storage.history import HistoryError

        try:
            return super().invoke(ctx)
        except HistoryError as problem:
            raise Failure(f"the history cannot be read: {problem}") from problem


@click.group(cls=_Reading)
def history() -> None:
    """Show jobs that have ended, from the history that JobTrackers keep."""


@history.command("list")
@click.option("--name", default="", help="Only jobs with this text in their name.")
@click.option("--user", default="", help="Only jobs of this user.")
@click.option("--state", type=click.Choice(_ENDS, case_sensitive=False), help="Only these.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Most jobs."
)
@_from_option
@_json_option
def list_jobs(
    name: str, user: str, state: str | None, limit: int, directory: str | None, as_json: bool
) -> None:
    """List ended jobs. Those that ended last come first."""
    kept = _history(directory)
    lines = kept.lines(limit=limit, name=name, user=user, state=state or "")
    if as_json:
        print_json(lines)
        return
    rows: list[tuple[str, ...]] = [
        ("JOB", "STATE", "USER", "MAPS", "REDUCES", "ENDED", "SECONDS", "NAME")
    ]
    for one in lines:
        ended = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.ended))
        took = f"{max(0.0, one.ended - one.submitted):.1f}"
        counts = f"{one.maps:,}", f"{one.reduces:,}"
        rows.append((one.job_id, one.state, one.user, *counts, ended, took, one.name))
    print_table(rows)
    if not lines:
        filtered = bool(name or user or state)
        hint = "no ended job is like this" if filtered else f"no ended jobs in {kept.place}"
        click.echo(f"{hint}; --from names another directory", err=True)


@history.command()
@click.argument("job_id", shell_complete=ended_ids)
@click.option("--settings", is_flag=True, help="Also show settings that have their default.")
@_from_option
@_json_option
def show(job_id: str, settings: bool, directory: str | None, as_json: bool) -> None:
    """Show one ended job: its end, its error, why it was slow, counters per task, settings."""
    from mrmesos.client.terminal.explanation import format_findings
    from mrmesos.client.terminal.results import format_counters, format_end, format_error
    from mrmesos.jobtracker.history.findings import findings
    from mrmesos.jobtracker.history.record import DEFAULT, settings_of

    record = _record(_history(directory), job_id)
    if as_json:
        print_json(record)
        return
    status = record.report.status
    click.echo(printable(f"{status.name} by {status.user}"))
    click.echo(printable(format_end(status)))
    if status.error is not None:
        click.echo(format_error(status.error, ""))
        if tail := record.tails.get(status.error.attempt_id):
            click.echo(printable(f"the last lines it printed:\n{tail}"))
    if slow := findings(record):
        click.echo(format_findings(slow))
    if any(status.counters.values()):
        click.echo(format_counters(status.counters))
    if record.spreads:
        click.echo("per task")
        heads = ("KIND", "COUNTER", "TASKS", "MINIMUM", "MEDIAN", "MAXIMUM", "MOST")
        rows = [
            (
                each.kind,
                f"{each.group}: {each.name}",
                *(f"{n:,}" for n in (each.tasks, each.minimum, each.median, each.maximum)),
                each.most,
            )
            for each in record.spreads
        ]
        print_table([heads, *rows])
    if record.spec is not None:
        found = [row for row in settings_of(record.spec) if settings or row.origin != DEFAULT]
        print_table(
            [("SETTING", "FROM", "VALUE"), *((row.name, row.origin, row.value) for row in found)]
        )


@history.command()
@click.argument("before", shell_complete=ended_ids)
@click.argument("after", shell_complete=ended_ids)
@_from_option
@_json_option
def diff(before: str, after: str, directory: str | None, as_json: bool) -> None:
    """Show the differences between two ended jobs: settings, durations, counters.

    Exit code 0: there is no difference. 1: there are differences.
    """
    from mrmesos.jobtracker.history.diff import differences

    kept = _history(directory)
    found = differences(_record(kept, before), _record(kept, after))
    if as_json:
        print_json([each._asdict() for each in found])
    else:
        rows = [
            (
                each.what,
                each.name,
                _text(each.before),
                _text(each.after),
                f"x{each.ratio:.2f}" if each.ratio is not None else "",
            )
            for each in found
        ]
        print_table([("WHAT", "NAME", "BEFORE", "AFTER", "RATIO"), *rows])
    sys.exit(1 if found else 0)


def _text(value: float | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,}"


def _history(directory: str | None) -> HistoryStore:
    from mrmesos.jobtracker.storage.history import FILE, History
    from mrmesos.jobtracker.storage.history_writer import history_at

    kept = history_at(directory if directory is not None else str(history_dir()))
    if directory is not None and isinstance(kept, History) and not kept.path.exists():
        raise UsageProblem(f"{directory} has no {FILE}, so it is no directory of a history")
    return kept


def _record(kept: HistoryStore, job_id: str) -> HistoryRecord:
    record = kept.get(job_id)
    if record is None:
        raise UsageProblem(
            f"no job {job_id} in {kept.place}; `mrmesos history list` shows the known jobs"
        )
    return record


@history.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port to listen on.  [default: any free port]",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address of this host to listen on."
)
@_from_option
def serve(port: int, host: str, directory: str | None) -> None:
    """Serve the web pages of ended jobs until Ctrl-C, without a JobTracker.

    The printed address logs one browser in.
    """
    from mrmesos.client.terminal.interrupts import Interrupted, Interrupts
    from mrmesos.jobtracker.http.server import AddressError
    from mrmesos.jobtracker.pages.serve import HistoryServer

    server = HistoryServer(_history(directory), host, port)
    with Interrupts() as interrupts:
        try:
            click.echo(server.start())
            click.echo("Ctrl-C ends it", err=True)
            sys.stdout.flush()
            while True:
                time.sleep(3600.0)
        except AddressError as problem:
            raise UsageProblem(str(problem)) from problem
        except Interrupted as signal:
            click.echo(f"{signal}: stopping", err=True)
        finally:
            interrupts.begin_cleanup()
            server.stop()
