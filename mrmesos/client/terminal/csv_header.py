"""Finds the header that the CSV files of an output share, so that it is shown once.

Nothing in a CSV file says whether its first row is a header. We take it for a header under two
conditions. All files that are not empty begin with the same row. Its fields look like names: they
are not empty, all different, and none is a number.
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Sequence

import numpy as np

from mrmesos.io.compression.first_bytes import codec_of
from mrmesos.io.input.splits import FileInfo
from mrmesos.io.input.text.source import LineSource

MAX_HEADER_BYTES = 64 << 10
_SEPARATORS = re.compile(r"[,;\t|]")


def is_csv(uri: str) -> bool:
    """Whether the name says CSV, compressed or not."""
    name = posixpath.splitext(uri)[0] if codec_of(uri) else uri
    return name.lower().endswith((".csv", ".tsv"))


def common_header(files: Sequence[FileInfo]) -> bytes:
    """The header row of all CSV files, with its newline. Empty if they share none.

    Opens each file until one begins differently. Raises InputError.
    """
    found = b""
    for info in files:
        start = _start(info.uri) if info.size and is_csv(info.uri) else b""
        if not start:
            continue
        row = _header(start)
        if not row or (found and row != found):
            return b""
        found = row
    return found


def _start(uri: str) -> bytes:
    with LineSource(uri, 0, by_content=True) as source:
        return source.read_behind(np.empty(0, np.uint8), MAX_HEADER_BYTES).tobytes()


def _header(start: bytes) -> bytes:
    """The first row of a file if it looks like a header; else nothing."""
    end = start.find(b"\n")
    while end >= 0 and start.count(b'"', 0, end) % 2:  # a newline in quotes
        end = start.find(b"\n", end + 1)
    row = start[: end + 1]
    try:
        text = row.decode()
    except UnicodeDecodeError:
        return b""
    separators = _SEPARATORS.findall(text)
    fields = next(csv.reader([text], delimiter=separators[0] if separators else ","), [])
    names = all(field and not _is_number(field) for field in fields)
    return row if fields and names and len(set(fields)) == len(fields) else b""


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
