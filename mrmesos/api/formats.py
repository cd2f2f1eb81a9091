"""Input and output formats as data: a JobTracker plans with them without loading a job's code.

They are declared on the job class (`input_format = TextInput()`); `mrmesos.io` reads and writes
them. Keys and values are what the mapper sees, or what the reducer yields.
"""

from __future__ import annotations

import msgspec


class TextInput(msgspec.Struct, frozen=True, tag="text"):
    r"""Lines, as Hadoop's TextInputFormat: key = byte offset of the line, value = the line.

    A line ends with ``\n`` or ``\r\n``, neither of which is part of the value. `encoding` empty
    gives `bytes`; otherwise `str`, where bytes that do not decode are treated as `errors` says
    (``replace``: U+FFFD, as Hadoop's Text; ``strict``: the attempt fails, naming file and offset).
    Files that end in .gz, .bz2 or .zst are decompressed and not split.
    A line longer than `max_line_bytes` fails the attempt with its file and offset.
    """

    encoding: str = "utf-8"
    errors: str = "replace"
    max_line_bytes: int = 1 << 30


class TextOutput(msgspec.Struct, frozen=True, tag="text"):
    """`key TAB value` lines, as Hadoop's TextOutputFormat; a key or value of None is left out.

    Text and bytes are written as they are, numbers as Python writes them, booleans as true/false,
    timestamps in ISO 8601, lists and structs as JSON.
    """

    separator: str = "\t"


class ArrowOutput(msgspec.Struct, frozen=True, tag="arrow"):
    """Arrow IPC files with the columns `key` and `value`, named `part-r-00000.arrow`."""

    compression: str = "lz4"


class ParquetOutput(msgspec.Struct, frozen=True, tag="parquet"):
    """Parquet files with the columns `key` and `value`, named `part-r-00000.parquet`."""

    compression: str = "zstd"


InputFormat = TextInput
OutputFormat = TextOutput | ArrowOutput | ParquetOutput
