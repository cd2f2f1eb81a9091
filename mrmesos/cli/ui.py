"""`mrmesos ui`: opens the web pages of a running JobTracker."""

from __future__ import annotations

import os
import sys

import click

from mrmesos.cli.job import OneLineErrors, jobtracker_option, open_jobtracker

TICKET_SECONDS = 60.0


@click.command(cls=OneLineErrors)
@jobtracker_option
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def ui(jobtracker: str, no_browser: bool) -> None:
    """Open the web pages of a JobTracker: its cluster, its jobs, their attempts and logs.

    The address is printed, too. It logs a browser in once, within a minute, so the token is not
    typed into the page. For another login, run this again.
    """
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
