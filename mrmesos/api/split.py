"""The input of one map task."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import INT64_MAX, LIST_MAX, Count, Name, Text


class FileSlice(msgspec.Struct, frozen=True):
    """Bytes `[start, start + length)` of the file at `uri`.

    `length` -1 means to the end of a file that cannot be split, such as a compressed file. A line
    belongs to the slice that contains its first byte. A unit of a columnar file (row group, record
    batch, stripe) belongs to the slice that contains its middle.
    """

    uri: Text
    start: Count
    length: Annotated[int, msgspec.Meta(ge=-1, le=INT64_MAX)]


class Split(msgspec.Struct, frozen=True):
    """The input of one map: one slice of a large file, or several small files.

    `hosts` store most of its bytes, best first; empty if the filesystem does not tell.
    `length` is the number of input bytes.
    `source` is the name of the input in `Job.inputs`; empty if there is only one input.
    """

    slices: Annotated[tuple[FileSlice, ...], msgspec.Meta(max_length=LIST_MAX)]
    length: Count
    hosts: Annotated[tuple[Name, ...], msgspec.Meta(max_length=100_000)] = ()
    source: Name = ""
