"""The input of one map task."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import INT64_MAX, LIST_MAX, Count, Name, Text


class FileSlice(msgspec.Struct, frozen=True):
    """Bytes `[start, start + length)` of the file at `uri`; `length` -1 means to the end of a
    file that cannot be split (compressed). A line belongs to the slice its first byte lies in, a
    unit of a columnar file (row group, record batch, stripe) to that of its middle.
    """

    uri: Text
    start: Count
    length: Annotated[int, msgspec.Meta(ge=-1, le=INT64_MAX)]


class Split(msgspec.Struct, frozen=True):
    """One map's input: one slice of a large file, or several small files together.

    `hosts` store (most of) its bytes, best first; empty where the filesystem does not tell.
    `length` is the number of input bytes.
    `source` is the name of the input in `Job.inputs`, empty where there is only one.
    """

    slices: Annotated[tuple[FileSlice, ...], msgspec.Meta(max_length=LIST_MAX)]
    length: Count
    hosts: Annotated[tuple[Name, ...], msgspec.Meta(max_length=100_000)] = ()
    source: Name = ""
