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
def cat(uris: tuple[str, ...], limit: int | None) -> None:
    """Show the records of an output (or of any file) as lines.

    Text, JSON and CSV are decompressed and shown unchanged. Parquet, Arrow and ORC are shown as
    `key TAB value`, or as JSON lines if they have other columns.
    """
    from mrmesos.client.terminal.showing import shown
    from mrmesos.io.fs.filesystem import InputError

    out = sys.stdout.buffer
    left = limit
    try:
        for uri in uris:
            for lines in shown(uri, left):
                out.write(lines)
                if left is not None:
                    left -= lines.count(b"\n")
            if left == 0:
                break
        out.flush()
    except InputError as problem:
        raise UsageProblem(str(problem)) from problem
    except BrokenPipeError:
        # The reader has closed the pipe. Python would print an error when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
