"""Input and output formats as data: a JobTracker plans with them without loading a job's code.

They are declared on the job class (`input_format = CsvInput()`); `mrmesos.io` reads and writes
them. Keys and values are what the mapper sees, or what the reducer yields.

Formats of rows (JSON lines, CSV, Parquet, Arrow, ORC) give a Mapper each row as a dict, and a
BatchMapper batches with the columns of the file. Parquet, Arrow and ORC files whose columns are
`key` and `value`, as jobs write them, give just these.

`types` are names of Arrow types by column, such as `{"amount": "double", "at": "timestamp[us]"}`.
`on_error="skip"` leaves rows out that cannot be read, and counts them (MAP_SKIPPED_RECORDS);
`"fail"` fails the attempt with the file and the offset of the first of them.

A RecordReader or RecordWriter of the author's own stands in their place; `input_data` and
`output_data` say what a JobTracker is told of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from mrmesos.api.custom_formats import RecordReader, RecordWriter
from mrmesos.bounds import Count, Finite, Int64, Name, Text

Columns = Annotated[tuple[Name, ...], msgspec.Meta(max_length=100_000)]
Types = Annotated[dict[Name, Name], msgspec.Meta(max_length=100_000)]
Scalar = Text | Int64 | Finite | bool | None
Filter = tuple[Name, Name, Scalar | Annotated[Sequence[Scalar], msgspec.Meta(max_length=100_000)]]
"""Column, one of `== != < <= > >= in not in`, and a value (for `in` a list of them)."""


class TextInput(msgspec.Struct, frozen=True, tag="text"):
    r"""Lines, as Hadoop's TextInputFormat: key = byte offset of the line, value = the line.

    A line ends with ``\n`` or ``\r\n``, neither of which is part of the value. `encoding` empty
    gives `bytes`; otherwise `str`, where bytes that do not decode are treated as `errors` says
    (``replace``: U+FFFD, as Hadoop's Text; ``strict``: the attempt fails, naming file and offset).
    Files that end in .gz, .bz2, .zst, .lz4 or .xz are decompressed and not split.
    A line longer than `max_line_bytes` fails the attempt with its file and offset.
    """

    encoding: Name = "utf-8"
    errors: Name = "replace"
    max_line_bytes: Count = 1 << 30


class KeyValueTextInput(msgspec.Struct, frozen=True, tag="kv"):
    """Lines of `key SEPARATOR value`, as Hadoop's KeyValueTextInputFormat: both are text.

    A line without the separator is all key, with an empty value. The separator is one ASCII
    character; the other fields are TextInput's.
    """

    separator: Name = "\t"
    encoding: Name = "utf-8"
    errors: Name = "replace"
    max_line_bytes: Count = 1 << 30


class JsonLinesInput(msgspec.Struct, frozen=True, tag="jsonl"):
    """One JSON value a line: key = byte offset of the line, value = what the line holds.

    Without `types`, a Mapper sees each line exactly as JSON has it, and a BatchMapper sees columns
    whose types are inferred from a few thousand lines at a time. With `types` both see these
    columns and no others; what a line lacks is None. Blank lines are ignored.
    """

    types: Types = {}
    on_error: Name = "fail"
    max_line_bytes: Count = 1 << 28


class CsvInput(msgspec.Struct, frozen=True, tag="csv"):
    """Rows of separated fields in UTF-8 (RFC 4180): key = byte offset of the row, value = the row.

    Columns are named by `names`, else by the first row of every file (`header`). They are text,
    but for those that `types` names: nothing is guessed, so that types do not depend on where a
    file is cut. `columns` picks some of them. Empty fields of typed columns are None.

    Where a quoted field may hold newlines, a file is read whole by one map: say
    `newlines_in_fields=False` if none does, and files are split. `quote=""` gives quotes no
    meaning (and splits). TSV is `CsvInput(separator="\\t", quote="")`.
    """

    separator: Name = ","
    header: bool = True
    names: Columns = ()
    columns: Columns = ()
    types: Types = {}
    quote: Name = '"'
    newlines_in_fields: bool = True
    on_error: Name = "fail"
    max_line_bytes: Count = 1 << 26


class ParquetInput(msgspec.Struct, frozen=True, tag="parquet"):
    """Rows of Parquet files: key = number of the row in its file, value = the row.

    A file is split by row groups. Only `columns` are read (all where it is empty), and only rows
    that pass all `filters`, such as `(("year", ">=", 2024), ("country", "in", ("NO", "SE")))`:
    row groups whose statistics rule them out are not read at all. Dates and times in filters are
    written in ISO 8601.
    """

    columns: Columns = ()
    filters: Annotated[tuple[Filter, ...], msgspec.Meta(max_length=10_000)] = ()


class ArrowInput(msgspec.Struct, frozen=True, tag="arrow"):
    """Rows of Arrow IPC files (Feather V2), split by record batches, and of IPC streams, not split.

    Key = number of the record batch in its file x 2^32 + row in it; value = the row. Only `columns`
    are read (all where it is empty).
    """

    columns: Columns = ()


class OrcInput(msgspec.Struct, frozen=True, tag="orc"):
    """Rows of ORC files, split by stripes, each of which must fit in memory.

    Key = number of the stripe in its file x 2^32 + row in it; value = the row. Only `columns` are
    read (all where it is empty).
    """

    columns: Columns = ()


class FixedWidthInput(msgspec.Struct, frozen=True, tag="fixed"):
    """Binary records of `record_bytes` each: key = offset of the record, value = its bytes.

    With `key_bytes`, the key is that many bytes at the beginning of the record and the value is the
    rest. An incomplete record at the end of a file is treated as `on_error` says.
    """

    record_bytes: Count
    key_bytes: Count = 0
    on_error: Name = "fail"


class WholeFileInput(msgspec.Struct, frozen=True, tag="file"):
    """One record a file: key = its URI, value = its bytes (decompressed), or text by `encoding`."""

    encoding: Name = ""
    max_bytes: Count = 1 << 30


class CustomInput(msgspec.Struct, frozen=True, tag="custom"):
    """What a JobTracker knows of a RecordReader: its class's name, and whether it cuts files."""

    name: Name
    splittable: bool = False


class TextOutput(msgspec.Struct, frozen=True, tag="text"):
    """`key TAB value` lines, as Hadoop's TextOutputFormat; a key or value of None is left out.

    Text and bytes are written as they are, numbers as Python writes them, booleans as true/false,
    timestamps in ISO 8601, lists and structs as JSON. `compression` is none, gzip, bz2, zstd, lz4
    or xz.
    """

    separator: Name = "\t"
    compression: Name = "none"


class JsonLinesOutput(msgspec.Struct, frozen=True, tag="jsonl"):
    """`{"key": …, "value": …}` a line, or with `records` just the value. Files end in `.jsonl`.

    `records=True`, here and below: values are dicts, their items are the columns of the file, and
    the key is left out.
    """

    records: bool = False
    compression: Name = "none"


class CsvOutput(msgspec.Struct, frozen=True, tag="csv"):
    """Rows of separated fields, quoted where they have to be. Files end in `.csv`.

    Fields are text as TextOutput writes it. None is an empty field, and empty text is `""`.
    """

    separator: Name = ","
    header: bool = True
    records: bool = False
    compression: Name = "none"


class ArrowOutput(msgspec.Struct, frozen=True, tag="arrow"):
    """Arrow IPC files with the columns `key` and `value`, named `part-r-00000.arrow`."""

    compression: Name = "lz4"
    records: bool = False


class ParquetOutput(msgspec.Struct, frozen=True, tag="parquet"):
    """Parquet files with the columns `key` and `value`, named `part-r-00000.parquet`."""

    compression: Name = "zstd"
    records: bool = False


class OrcOutput(msgspec.Struct, frozen=True, tag="orc"):
    """ORC files with the columns `key` and `value`, named `part-r-00000.orc`."""

    compression: Name = "zstd"
    records: bool = False


class BytesOutput(msgspec.Struct, frozen=True, tag="bytes"):
    """The bytes of key and value one after another, and nothing between: FixedWidthInput's twin.

    Keys and values are bytes, text (written as UTF-8) or None. Files end in `.bin`.
    """

    compression: Name = "none"


class CustomOutput(msgspec.Struct, frozen=True, tag="custom"):
    """What a JobTracker knows of a RecordWriter: its class's name, and how its files end."""

    name: Name
    extension: Name = ""
    compression: Name = "none"


InputFormat = (
    TextInput
    | KeyValueTextInput
    | JsonLinesInput
    | CsvInput
    | ParquetInput
    | ArrowInput
    | OrcInput
    | FixedWidthInput
    | WholeFileInput
    | CustomInput
)
OutputFormat = (
    TextOutput
    | JsonLinesOutput
    | CsvOutput
    | ArrowOutput
    | ParquetOutput
    | OrcOutput
    | BytesOutput
    | CustomOutput
)


def input_data(fmt: InputFormat | RecordReader) -> InputFormat:
    """The input format as a JobTracker is told of it."""
    if isinstance(fmt, RecordReader):
        return CustomInput(type(fmt).__name__, fmt.splittable)
    return fmt


def output_data(fmt: OutputFormat | RecordWriter) -> OutputFormat:
    """The output format as a JobTracker is told of it."""
    if isinstance(fmt, RecordWriter):
        return CustomOutput(type(fmt).__name__, fmt.extension, fmt.compression)
    return fmt


class Source(msgspec.Struct, frozen=True):
    """One of a job's inputs: its name in `Job.inputs`, where it is, and how it is read."""

    name: Name
    uris: Annotated[tuple[Text, ...], msgspec.Meta(max_length=1_000_000)]
    format: InputFormat


def is_separator(text: str) -> bool:
    """Whether a text can stand between fields: one ASCII character that ends no line."""
    return len(text) == 1 and text.isascii() and text not in "\r\n"
