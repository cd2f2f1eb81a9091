"""`mrmesos top`: jobs, pools and agents of a JobTracker in the terminal, live."""

from __future__ import annotations

import sys
import time

import click

from mrmesos.cli.job import OneLineErrors, open_jobtracker
from mrmesos.client.config.option import jobtracker_option
from mrmesos.client.terminal.tables import print_json


@click.command(cls=OneLineErrors)
@jobtracker_option
@click.option(
    "--every",
    type=click.FloatRange(0.5, 3600.0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option(
    "--once", is_flag=True, help="Print it once. Without a terminal, it is always printed once."
)
@click.option("--json", "as_json", is_flag=True, help="Print one snapshot as JSON.")
def top(jobtracker: str, every: float, once: bool, as_json: bool) -> None:
    """Show jobs, pools and agents of a JobTracker, live, until Ctrl-C.

    Running jobs come first, then those that wait, with the reason.
    """
    from mrmesos.client.insight import cluster

    client = open_jobtracker(jobtracker)
    if as_json:
        print_json({"cluster": cluster(client), "jobs": client.statuses()})
        return

    from rich.console import Console
    from rich.live import Live

    from mrmesos.client.terminal.top import screen

    console = Console()
    if once or not sys.stdout.isatty():
        found = screen(cluster(client), client.statuses(), rows=None, width=console.width)
        console.print(found)
        return
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                size = console.size
                found = screen(
                    cluster(client), client.statuses(), rows=size.height, width=size.width
                )
                live.update(found, refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        return
