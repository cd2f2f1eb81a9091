"""--preview: the first records of an output on stdout."""

from __future__ import annotations

from collections.abc import Sequence

import click


def preview(outputs: Sequence[str], records: int) -> int:
    """Show the first records of the outputs. Returns 1 if they cannot be read here, else 0."""
    from mrmesos.client.terminal.showing import shown
    from mrmesos.io.fs.filesystem import InputError

    try:
        for lines in shown(outputs, records):
            click.echo(lines, nl=False)
    except InputError as problem:
        click.echo(f"error: --preview: {problem}", err=True)
        return 1
    return 0
