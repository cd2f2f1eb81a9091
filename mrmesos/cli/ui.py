"""`mrmesos ui`: opens the web pages of a running JobTracker."""

from __future__ import annotations

import os
import sys

import click

from mrmesos.cli.job import OneLineErrors, open_jobtracker
from mrmesos.client.config.option import jobtracker_option
from mrmesos.client.terminal.errors import UsageProblem

TICKET_SECONDS = 60.0
LINK_HOURS_MAX = 720.0


@click.command(cls=OneLineErrors)
@jobtracker_option
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option(
    "--link",
    "hours",
    type=click.FloatRange(min=0.02, max=LINK_HOURS_MAX),
    metavar="HOURS",
    help="Print a read-only link to give to others. Anybody who has it sees the pages for this "
    "many hours (at most 720), and can change nothing.",
)
@click.option("--job", "job_id", default="", metavar="JOB", help="With --link: only this job.")
def ui(jobtracker: str, no_browser: bool, hours: float | None, job_id: str) -> None:
    """Open the web pages of a JobTracker: its cluster, its jobs, their attempts and logs.

    The address is printed, too. It logs one browser in, within a minute, so you need not type the
    token into the page. For another login, run this command again.
    """
    if job_id and hours is None:
        raise UsageProblem("--job goes with --link HOURS")
    if hours is not None:
        client = open_jobtracker(jobtracker)
        click.echo(client.page(hours * 3600, read_only=True, job_id=job_id))
        return
    address = open_jobtracker(jobtracker).page(TICKET_SECONDS)
    click.echo(address)
    if no_browser or not _has_screen():
        return
    import webbrowser

    if not webbrowser.open(address):
        click.echo("no browser could be started; open the address above", err=True)


def _has_screen() -> bool:
    """Whether a browser could show a window. A text browser would take over this terminal."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
