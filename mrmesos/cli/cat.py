"""`mrmesos cat`: shows the records of an output in any format."""

from __future__ import annotations

import os
import sys

import click

from mrmesos.client.terminal.errors import UsageProblem


@click.command()
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), metavar="N", help="Show at most N lines in total."
)
@click.option("--all-headers", is_flag=True, help="Show the header of every CSV file.")
def cat(uris: tuple[str, ...], limit: int | None, all_headers: bool) -> None:
    """Show the records of an output (or of any file) as lines.

    Text, JSON and CSV are decompressed and shown unchanged. If all CSV files begin with the same
    header, it is shown once. Parquet, Arrow and ORC are shown as `key TAB value`, or as JSON lines
    if they have other columns.
    """
    from mrmesos.client.terminal.showing import shown
    from mrmesos.io.fs.filesystem import InputError

    out = sys.stdout.buffer
    try:
        for lines in shown(uris, limit, all_headers=all_headers):
            out.write(lines)
        out.flush()
    except InputError as problem:
        raise UsageProblem(str(problem)) from problem
    except BrokenPipeError:
        # The reader has closed the pipe. Python would print an error when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
