"""The input of one map task, and the columns that all maps of a job know."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import INT64_MAX, LIST_MAX, Count, Name, Text

SCHEMA_MAX = 16 << 20
"""Most bytes of a schema in a message: some hundred thousand columns."""


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

    `hosts` store most of its bytes, the best first. Empty if the filesystem does not say. `length`
    is the number of input bytes. `source` is the name of the input in `Job.inputs`; empty if there
    is only one input.
    """

    slices: Annotated[tuple[FileSlice, ...], msgspec.Meta(max_length=LIST_MAX)]
    length: Count
    hosts: Annotated[tuple[Name, ...], msgspec.Meta(max_length=100_000)] = ()
    source: Name = ""


class InputTable(msgspec.Struct, frozen=True):
    """The columns of all files of one input, decided once when the job is planned.

    `schema` holds the columns of the files as an Arrow IPC schema in base64. It is empty if there
    is only one file, or if the format has no schema. Then each file has its own. `partitions` are
    the columns that stand in directory names (`year=2024`), each with its type.
    """

    source: Name
    schema: Annotated[str, msgspec.Meta(max_length=SCHEMA_MAX)] = ""
    partitions: Annotated[tuple[tuple[Name, Name], ...], msgspec.Meta(max_length=1_000)] = ()
