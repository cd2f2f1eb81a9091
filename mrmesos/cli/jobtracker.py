"""`mrmesos jobtracker`: the service that holds the jobs of many users."""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path

import click

from mrmesos.cli.errors import UsageProblem
from mrmesos.cli.interrupts import Interrupted, Interrupts
from mrmesos.conf import JOBTRACKER_STATE_DIR, Conf, ConfError, parse_assignments

DEFAULT_PORT = 5055
STOP_SECONDS = 30.0


@click.command()
@click.option("--master", required=True, metavar="URL", help="http://host:port or zk://…")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 takes any free one.",
)
@click.option(
    "--host",
    default="",
    help="Address to listen on.  [default: the one of this host that reaches the master]",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep a journal there and go on from it (jobtracker.state.dir).",
)
@click.option("-D", "assignments", multiple=True, metavar="NAME=VALUE", help="A setting.")
def jobtracker(
    master: str, port: int, host: str, state_dir: Path | None, assignments: tuple[str, ...]
) -> None:
    """Serve jobs on a Mesos until Ctrl-C or SIGTERM, which kill the jobs that still run.

    With --state-dir they run on instead, and a JobTracker started again with that directory, at
    the same host and port, goes on with them. Where it listens is printed on standard output. Exit
    code 1: it could not go on.
    """
    from mrmesos.jobtracker.http_server import AddressError
    from mrmesos.jobtracker.journal import JournalError
    from mrmesos.jobtracker.service import JobTrackerService
    from mrmesos.mesos.scheduler_driver import parse_master

    try:
        settings = dict(parse_assignments(assignments))
        if state_dir is not None:
            settings[JOBTRACKER_STATE_DIR.name] = str(state_dir)
        conf = Conf(settings)
        warnings = conf.check()
        parse_master(master)
    except (ConfError, ValueError) as problem:
        raise UsageProblem(str(problem)) from None
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    ends = not conf.get_as(JOBTRACKER_STATE_DIR)  # with a journal, somebody else goes on
    with Interrupts() as interrupts:
        try:
            service = JobTrackerService(conf, master, host=host, port=port)
        except (JournalError, OSError) as problem:
            raise UsageProblem(str(problem)) from problem
        failed = False
        try:
            url = service.start()
            click.echo(f"JobTracker listens on {url}")
            sys.stdout.flush()
            while not failed:
                failed = service.wait_failed(3600.0)
        except (AddressError, JournalError, ValueError, OSError) as problem:
            raise UsageProblem(str(problem)) from problem
        except Interrupted as signal:
            left = "" if ends else "; what runs is left to the next start with this journal"
            click.echo(f"{signal}: stopping{left}", err=True)
        finally:
            interrupts.begin_cleanup()
            stop = partial(service.stop, teardown=ends, timeout=STOP_SECONDS)
            interrupts.wait_for_call(stop, STOP_SECONDS + 5.0)
            service.remove_leftovers()
    if failed:
        click.echo(f"error: the JobTracker could not go on: {service.failure}", err=True)
        sys.exit(1)
