"""Prints tables and JSON on standard output."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mrmesos.client.terminal.printable import one_line


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns; the last column may have any length."""
    shown = [tuple(map(one_line, row)) for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True))
        click.echo("  ".join([*cells, row[-1]]).rstrip())


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
