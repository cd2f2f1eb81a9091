"""Prints tables and JSON on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from mrmesos.client.terminal.printable import one_line

_BETWEEN, _WORDS_LEAST = 3, 16
"""Characters between two columns, and the least width of the last one."""
_STYLES = {
    "SUCCEEDED": "green",
    "RUNNING": "cyan",
    "FAILED": "bold red",
    "KILLED": "yellow",
}


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns; the first row has their names. The last column may have any length.

    A terminal gets lines that fit, by rich; a file or a pipe gets plain columns.
    """
    shown = [tuple(map(one_line, row)) for row in rows]
    if sys.stdout.isatty():
        _print_rich(shown)
        return
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True))
        click.echo("  ".join([*cells, row[-1]]).rstrip())


def _print_rich(rows: Sequence[tuple[str, ...]]) -> None:
    """Fold the last column, which has words. People copy from the other columns, so those stay
    whole.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for name in rows[0]:
        table.add_column(Text(name), no_wrap=name != rows[0][-1], overflow="fold")
    for row in rows[1:]:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    columns = list(zip(*rows, strict=True))
    whole = sum(max(map(len, cells)) + _BETWEEN for cells in columns[:-1])
    console = Console()
    console.width = max(console.width, whole + _WORDS_LEAST)
    console.print(table)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
