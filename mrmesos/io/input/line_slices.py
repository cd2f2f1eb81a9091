"""Cuts a text file after a number of lines, as Hadoop's NLineInputFormat does.

In: the file, which is read completely. Out: its slices. Thread: a planning thread of the
JobTracker.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mrmesos.api.split import FileSlice
from mrmesos.io.fs.filesystem import InputError, open_input, reason
from mrmesos.io.fs.store_calls import answered, caller

_READ_BYTES = 1 << 20


def line_slices(uri: str, lines: int) -> Iterator[FileSlice]:
    """The slices of a file, each of `lines` lines. The last may have fewer. Raises InputError."""
    start = at = seen = 0
    calls = caller(uri)
    calls()
    with open_input(uri) as file:
        while block := _read(file, uri):
            answered()
            newline = block.find(b"\n")
            while newline >= 0:
                seen += 1
                if seen == lines:
                    end = at + newline + 1
                    yield FileSlice(uri, start, end - start)
                    start, seen = end, 0
                newline = block.find(b"\n", newline + 1)
            at += len(block)
            calls()
    if at > start:
        yield FileSlice(uri, start, at - start)


def _read(file: Any, uri: str) -> bytes:
    try:
        return bytes(file.read(_READ_BYTES))
    except Exception as problem:  # remote drivers raise any type
        raise InputError(f"{uri}: cannot be read: {reason(problem)}") from problem
