"""`mrmesos jobtracker`: the service that runs the jobs of many users."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from pathlib import Path

import click

from mrmesos.access.pickle_keys import named_key
from mrmesos.access.tokens import TokenError, own_token, token_path
from mrmesos.client.config.configuration import read_configuration
from mrmesos.client.config.option import profile_option
from mrmesos.client.kept_jobs import history_dir, with_history
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.client.terminal.interrupts import Interrupted, Interrupts
from mrmesos.conf import (
    JOBTRACKER_STATE_DIR,
    LOG_FORMAT,
    SETTINGS,
    Conf,
    ConfError,
    parse_assignments,
)
from mrmesos.garbage import Survivors
from mrmesos.log_format import FORMS, begin_logging

DEFAULT_PORT = 5055
GARBAGE_SECONDS = 10.0
STOP_SECONDS = 30.0


@click.command()
@click.option(
    "--master",
    default="",
    metavar="URL",
    help="The Mesos master: http://host:port or zk://…  [default: that of MRMESOS_MASTER, else of "
    "mrmesos.toml]",
)
@profile_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 means any free port.",
)
@click.option(
    "--host",
    default="",
    help="Address to listen on.  [default: the address from which the master is reached]",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep a journal here, and continue from it after a restart (jobtracker.state.dir).",
)
@click.option(
    "--zk",
    envvar="MRMESOS_ZK",
    show_envvar=True,
    default="",
    metavar="URL",
    help="Take part in an election at zk://host:port,…/path, with others that use the same "
    "--state-dir.",
)
@click.option(
    "--accept-journal-loss",
    is_flag=True,
    help="If the journal is damaged, continue with its readable part (docs/recovery.md).",
)
@click.option("-D", "assignments", multiple=True, metavar="NAME=VALUE", help="Set a setting.")
def jobtracker(
    master: str,
    profile: str,
    port: int,
    host: str,
    state_dir: Path | None,
    zk: str,
    accept_journal_loss: bool,
    assignments: tuple[str, ...],
) -> None:
    """Run a JobTracker on Mesos until Ctrl-C or SIGTERM.

    Its URL is printed on standard output. Clients need the token in ~/.mrmesos/token
    (jobtracker.token.file), which the first start creates.

    Without --state-dir, the end of the JobTracker kills its running jobs. With --state-dir, the
    jobs continue: start it again with the same directory, host and port, and it takes them over.

    With --zk, start several JobTrackers on any hosts. One of them leads, and if it fails another
    one takes over.

    Exit code 1: the JobTracker could not continue.
    """
    from mrmesos.cli.standby import LOOK_SECONDS, Standby
    from mrmesos.election.candidate import ElectionError
    from mrmesos.election.place import Place
    from mrmesos.jobtracker.http.server import AddressError, allow_connections
    from mrmesos.jobtracker.service import JobTrackerService
    from mrmesos.jobtracker.storage.journal_errors import JournalError
    from mrmesos.mesos.addresses import parse_master

    configuration = read_configuration(profile, assignments)
    master = master or configuration.master.text
    if not master:
        raise UsageProblem("name the Mesos master: --master URL, or `master` in mrmesos.toml")
    settings = configuration.layers.for_jobtracker()
    if state_dir is not None:
        settings = settings.merged({JOBTRACKER_STATE_DIR.name: str(state_dir)})
    conf = with_history(settings, history_dir())
    try:
        check_assignments(assignments)
        if (form := conf.get_as(LOG_FORMAT)) not in FORMS:
            raise ConfError(f"{LOG_FORMAT.name}={form!r}: expected one of {', '.join(FORMS)}")
        parse_master(master)
        if zk and not conf.get_as(JOBTRACKER_STATE_DIR):
            raise UsageProblem("--zk needs a --state-dir that all candidates share")
        standby = Standby(Place.parse(zk), conf, master) if zk else None
    except (ConfError, ValueError) as problem:
        raise UsageProblem(str(problem)) from None
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    allow_connections()
    begin_logging(form, "jobtracker")
    ends = not conf.get_as(
        JOBTRACKER_STATE_DIR
    )  # with a journal, the next JobTracker continues the jobs
    with contextlib.ExitStack() as at_the_end, Interrupts() as interrupts:
        if standby is not None:
            at_the_end.callback(standby.withdraw)
        try:
            token = own_token(path := token_path(conf, os.environ))
            make = partial(
                JobTrackerService,
                conf,
                master,
                host=host,
                port=port,
                token=token,
                pickle_key=named_key(conf, os.environ),
                accept_journal_loss=accept_journal_loss,
            )
            if standby is None:
                service = make()
            else:
                standby.stand()
                service = standby.open(partial(make, election=standby.url))
        except (ElectionError, JournalError, TokenError, ConfError, OSError) as problem:
            raise UsageProblem(str(problem)) from problem
        except Interrupted as signal:
            click.echo(f"{signal}: stopping", err=True)
            return
        failed = False
        survivors = Survivors()
        try:
            survivors.start()
            url = service.start()
            if standby is not None:
                standby.publish(url)
            click.echo(f"JobTracker listens on {url}")
            click.echo(f"clients need the token in {path}", err=True)
            sys.stdout.flush()
            while not failed:
                failed = service.wait_failed(GARBAGE_SECONDS if standby is None else LOOK_SECONDS)
                survivors.look_at_all_when_due(idle=service.backend.idle)
                if standby is not None and not failed:
                    standby.look(service.backend.connected)
            if standby is not None:
                standby.failed(service.failure)
        except (AddressError, JournalError, ValueError, OSError) as problem:
            if standby is not None:
                standby.failed(problem)
            raise UsageProblem(str(problem)) from problem
        except Interrupted as signal:
            left = "" if ends else "; the next start with this journal continues the running jobs"
            click.echo(f"{signal}: stopping{left}", err=True)
        finally:
            survivors.stop()
            interrupts.begin_cleanup()
            if standby is not None:
                standby.end()
            seconds = interrupts.last_call.left(STOP_SECONDS, keep=2.5)
            stop = partial(service.stop, teardown=ends, timeout=seconds)
            interrupts.wait_for_call(stop, STOP_SECONDS + 5.0, keep=0.5)
            if service.left_behind:
                click.echo(f"warning: {service.left_behind}", err=True)
            interrupts.wait_for_call(service.remove_leftovers, STOP_SECONDS, keep=0.2)
    if failed:
        click.echo(f"error: the JobTracker could not continue: {service.failure}", err=True)
        sys.exit(1)


def check_assignments(assignments: tuple[str, ...]) -> None:
    """Raise ConfError for a `-D` that a JobTracker does not know. Warn of settings of jobs."""
    given = parse_assignments(assignments)
    Conf(given).check_service("-D")
    for name in given:
        if SETTINGS[name].scope == "job":
            click.echo(
                f"warning: -D {name} is a setting of jobs and has no effect on a JobTracker; give "
                "it to `mrmesos submit`, or write it below [settings] in mrmesos.toml",
                err=True,
            )
