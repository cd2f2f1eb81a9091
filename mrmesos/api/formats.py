"""Input and output formats as data, so that a JobTracker can plan without loading a job's code.

A job class declares its formats (`input_format = CsvInput()`); `mrmesos.io` reads and writes them.
Below, key and value are the arguments of the mapper, or the results of the reducer.

Formats of rows (JSON lines, CSV, Parquet, Arrow, ORC) give a Mapper each row as a dict, and give a
BatchMapper batches with the columns of the file. If the columns of a Parquet, Arrow or ORC file are
`key` and `value`, as jobs write them, the mapper gets these as key and value.

`types` has names of Arrow types by column, such as `{"amount": "double", "at": "timestamp[us]"}`.
`on_error="skip"` skips rows that cannot be read, and counts them (MAP_SKIPPED_RECORDS). `"fail"`
fails the attempt with the file and the offset of the first such row.

`partitioning="hive"` makes columns of directories such as `year=2024` directly above a file. With
None, directory names have no meaning.

A custom RecordReader or RecordWriter can take the place of a format. `input_data` and `output_data`
then make the data for the JobTracker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import msgspec.structs

from mrmesos.api.custom_formats import RecordReader, RecordWriter
from mrmesos.api.record_types import type_names
from mrmesos.bounds import Count, Finite, Int64, Name, Text

Columns = Annotated[tuple[Name, ...], msgspec.Meta(max_length=100_000)]
Types = Annotated[dict[Name, Name], msgspec.Meta(max_length=100_000)]
if TYPE_CHECKING:
    Schema = Any  # authors may also give a class of records, or a pyarrow.Schema
else:
    Schema = Types
Scalar = Text | Int64 | Finite | bool | None
Filter = tuple[Name, Name, Scalar | Annotated[Sequence[Scalar], msgspec.Meta(max_length=100_000)]]
"""Column, one of `== != < <= > >= in not in`, and a value (for `in` a list of them)."""


class TextInput(msgspec.Struct, frozen=True, tag="text"):
    r"""Lines, as Hadoop's TextInputFormat: key = byte offset of the line, value = the line.

    A line ends with ``\n`` or ``\r\n``; the value does not include the line end. An empty
    `encoding` gives `bytes`, otherwise the value is `str`. `errors` says what to do with bytes that
    do not decode: ``replace`` puts U+FFFD, as Hadoop's Text does; ``strict`` fails the attempt with
    file and offset. Files in UTF-16 and UTF-32 are recognised by their byte order mark. They are
    not split, and offsets count their bytes as UTF-8.

    Compressed files are decompressed and not split: gzip, bz2, zstd, lz4, xz, zip with one file,
    lzma, deflate, snappy. They are recognised by content or by name, or `compression` names the
    codec. "none" reads the bytes unchanged.

    With `blocks`, a value is about 1 MB of whole lines with their ends, and the key is its offset.
    A line longer than `max_line_bytes` fails the attempt with its file and offset.

    With a `delimiter`, such as ``b"\n\n"``, records end with these bytes instead of a line end
    (Hadoop's textinputformat.record.delimiter).

    With `lines_per_map`, every map gets this many lines of one file (Hadoop's NLineInputFormat).
    The JobTracker then reads the whole input while it plans. A compressed file is one map. With
    `empty_files`, a file without bytes has a map of its own, as in Hadoop.
    """

    encoding: Name = "utf-8"
    errors: Name = "replace"
    max_line_bytes: Count = 1 << 30
    compression: Name = ""
    delimiter: Annotated[bytes, msgspec.Meta(max_length=1 << 16)] = b""
    lines_per_map: Count = 0
    empty_files: bool = False
    blocks: bool = False


class KeyValueTextInput(msgspec.Struct, frozen=True, tag="kv"):
    """Lines of `key SEPARATOR value`, as Hadoop's KeyValueTextInputFormat; both are text.

    A line without a separator is the key, with an empty value. The separator is one ASCII
    character. The other fields are those of TextInput.
    """

    separator: Name = "\t"
    encoding: Name = "utf-8"
    errors: Name = "replace"
    max_line_bytes: Count = 1 << 30
    compression: Name = ""
    empty_files: bool = False


class JsonLinesInput(msgspec.Struct, frozen=True, tag="jsonl"):
    """One JSON value per line: key = byte offset of the line, value = the JSON value.

    Without `types`, a Mapper gets exactly the JSON values, and a BatchMapper gets columns with
    types inferred from a few thousand lines at a time. With `types`, both get exactly these
    columns; missing values are None. Blank lines are ignored.
    """

    types: Types = {}
    on_error: Name = "fail"
    max_line_bytes: Count = 1 << 28
    compression: Name = ""
    partitioning: Name | None = "hive"
    encoding: Name = "utf-8"


class CsvInput(msgspec.Struct, frozen=True, tag="csv"):
    """Rows of separated fields (RFC 4180): key = byte offset of the row, value = the row.

    The names of the columns come from `names`, else from the first row of every file (`header`).
    Columns are text unless `types` names another type. No type is guessed, because a guess would
    depend on where a file is cut. `columns` selects some columns. Empty fields of typed columns are
    None.

    If quoted fields may contain newlines, one map reads the whole file. Set
    `newlines_in_fields=False` if no field does; then files are split. `quote=""` gives quotes no
    meaning, and files are split too. TSV is `CsvInput(separator="\\t", quote="")`.

    Behind an `escape` character, such as a backslash, every character is part of the field. Rows
    that begin with the `comment` character are ignored. A row with fewer fields than there are
    columns is a bad row, or with `short_rows="null"` the missing fields are None. A row with more
    fields is a bad row. A file without a column of `columns` or `types` is an error, or with
    `missing_columns="null"` the values of that column are None.
    """

    separator: Name = ","
    header: bool = True
    names: Columns = ()
    columns: Columns = ()
    types: Types = {}
    quote: Name = '"'
    newlines_in_fields: bool = True
    escape: Name = ""
    comment: Name = ""
    short_rows: Name = "fail"
    missing_columns: Name = "fail"
    on_error: Name = "fail"
    max_line_bytes: Count = 1 << 26
    compression: Name = ""
    partitioning: Name | None = "hive"
    encoding: Name = "utf-8"


class ParquetInput(msgspec.Struct, frozen=True, tag="parquet"):
    """Rows of Parquet files: key = number of the row in its file, value = the row.

    A file is split by row groups. A map reads only `columns` (empty: all), and only rows that pass
    all `filters`, such as `(("year", ">=", 2024), ("country", "in", ("NO", "SE")))`. It does not
    read row groups that their statistics exclude. Write dates and times in filters in ISO 8601.
    """

    columns: Columns = ()
    filters: Annotated[tuple[Filter, ...], msgspec.Meta(max_length=10_000)] = ()
    partitioning: Name | None = "hive"


class ArrowInput(msgspec.Struct, frozen=True, tag="arrow"):
    """Rows of Arrow IPC files (Feather V2) and of Arrow IPC streams.

    Files are split by record batches; streams are not split. Key = number of the record batch in
    its file x 2^32 + row in the batch; value = the row. Only `columns` are read (empty: all).
    """

    columns: Columns = ()
    partitioning: Name | None = "hive"


class OrcInput(msgspec.Struct, frozen=True, tag="orc"):
    """Rows of ORC files, split by stripes. Each stripe must fit in memory.

    Key = number of the stripe in its file x 2^32 + row in the stripe; value = the row. Only
    `columns` are read (empty: all).
    """

    columns: Columns = ()
    partitioning: Name | None = "hive"


class AvroInput(msgspec.Struct, frozen=True, tag="avro"):
    """Records of Avro files, split by blocks; needs the extra `avro`.

    Key = offset of the record's block x 2^24 + number in the block; value = the record. The codecs
    are null, deflate, bzip2, xz, snappy and zstandard. A Mapper gets only `columns` (empty: all).
    """

    columns: Columns = ()
    partitioning: Name | None = "hive"


class FixedWidthInput(msgspec.Struct, frozen=True, tag="fixed"):
    """Binary records of `record_bytes` each: key = offset of the record, value = its bytes.

    With `key_bytes`, the key is the first `key_bytes` bytes of the record, and the value is the
    rest. `on_error` applies to an incomplete record at the end of a file.
    """

    record_bytes: Count
    key_bytes: Count = 0
    on_error: Name = "fail"
    compression: Name = ""


class WholeFileInput(msgspec.Struct, frozen=True, tag="file"):
    """One record per file: key = its URI, value = its decompressed bytes, or text in `encoding`."""

    encoding: Name = ""
    max_bytes: Count = 1 << 30
    compression: Name = ""


class CustomInput(msgspec.Struct, frozen=True, tag="custom"):
    """A RecordReader as the JobTracker sees it: its class name, and whether files may be cut."""

    name: Name
    splittable: bool = False


def _name_types(fmt: JsonLinesOutput | CsvOutput | ArrowOutput | ParquetOutput | OrcOutput) -> None:
    """Formats are plain data, also if the author gave a class as `schema`."""
    msgspec.structs.force_setattr(fmt, "schema", type_names(fmt.schema))


class TextOutput(msgspec.Struct, frozen=True, tag="text"):
    """`key TAB value` lines, as Hadoop's TextOutputFormat; a key or value of None is left out.

    Text and bytes are written unchanged, numbers as Python prints them, booleans as true/false,
    timestamps in ISO 8601, lists and structs as JSON. `compression` is none, gzip, bz2, zstd, lz4
    or xz. With `short_names` files are named `part-00000`, as Hadoop Streaming names them, and not
    `part-r-00000`.
    """

    separator: Name = "\t"
    compression: Name = "none"
    short_names: bool = False


class JsonLinesOutput(msgspec.Struct, frozen=True, tag="jsonl"):
    """Lines of `{"key": …, "value": …}`, or with `records` only the value. Files end in `.jsonl`.

    `records=True`, here and below: values are dicts, and their items are the columns of the file.
    The key is not written.

    `schema`, here and below: the types of the columns, as a pyarrow.Schema, as names of Arrow types
    by column, such as `{"user": "string not null", "amount": "decimal128(9, 2)"}`, or as a
    dataclass, named tuple or TypedDict. With `records=True` they are all the columns of every file;
    else `key`, `value` or both. A value that does not fit unchanged fails the attempt.
    """

    records: bool = False
    compression: Name = "none"
    schema: Schema = {}

    def __post_init__(self) -> None:
        _name_types(self)


class CsvOutput(msgspec.Struct, frozen=True, tag="csv"):
    """Rows of separated fields, quoted if needed. Files end in `.csv`.

    Fields are text as TextOutput writes it. None is an empty field, and empty text is `""`.
    """

    separator: Name = ","
    header: bool = True
    records: bool = False
    compression: Name = "none"
    schema: Schema = {}

    def __post_init__(self) -> None:
        _name_types(self)


class ArrowOutput(msgspec.Struct, frozen=True, tag="arrow"):
    """Arrow IPC files with the columns `key` and `value`, named `part-r-00000.arrow`."""

    compression: Name = "lz4"
    records: bool = False
    schema: Schema = {}

    def __post_init__(self) -> None:
        _name_types(self)


class ParquetOutput(msgspec.Struct, frozen=True, tag="parquet"):
    """Parquet files with the columns `key` and `value`, named `part-r-00000.parquet`."""

    compression: Name = "zstd"
    records: bool = False
    schema: Schema = {}

    def __post_init__(self) -> None:
        _name_types(self)


class OrcOutput(msgspec.Struct, frozen=True, tag="orc"):
    """ORC files with the columns `key` and `value`, named `part-r-00000.orc`."""

    compression: Name = "zstd"
    records: bool = False
    schema: Schema = {}

    def __post_init__(self) -> None:
        _name_types(self)


class BytesOutput(msgspec.Struct, frozen=True, tag="bytes"):
    """The bytes of key and value without separators; FixedWidthInput reads such files.

    Keys and values are bytes, text (written as UTF-8) or None. Files end in `.bin`.
    """

    compression: Name = "none"


class NullOutput(msgspec.Struct, frozen=True, tag="null"):
    """No part files, as with Hadoop's NullOutputFormat. Records count, and `_SUCCESS` is written.

    For jobs that write elsewhere (a database, named outputs).
    """

    compression: Name = "none"


class CustomOutput(msgspec.Struct, frozen=True, tag="custom"):
    """A RecordWriter as the JobTracker sees it: its class name, and the end of file names."""

    name: Name
    extension: Name = ""
    compression: Name = "none"


class StepInput(msgspec.Struct, frozen=True, tag="step"):
    """The output of an earlier step of the chain. The client sets it and the chain's key."""

    key: Name


class StepOutput(msgspec.Struct, frozen=True, tag="step"):
    """Output for a later step of the chain. All types are kept. The client sets this format."""

    key: Name
    compression: Name = "none"
    """The compression of the file as a whole. The data in it is always compressed."""


InputFormat = (
    TextInput
    | KeyValueTextInput
    | JsonLinesInput
    | CsvInput
    | ParquetInput
    | ArrowInput
    | OrcInput
    | AvroInput
    | FixedWidthInput
    | WholeFileInput
    | CustomInput
    | StepInput
)
OutputFormat = (
    TextOutput
    | JsonLinesOutput
    | CsvOutput
    | ArrowOutput
    | ParquetOutput
    | OrcOutput
    | BytesOutput
    | NullOutput
    | CustomOutput
    | StepOutput
)


def input_data(fmt: InputFormat | RecordReader) -> InputFormat:
    """The input format as data for a JobTracker."""
    if isinstance(fmt, RecordReader):
        return CustomInput(type(fmt).__name__, fmt.splittable)
    return fmt


def output_data(fmt: OutputFormat | RecordWriter) -> OutputFormat:
    """The output format as data for a JobTracker."""
    if isinstance(fmt, RecordWriter):
        return CustomOutput(type(fmt).__name__, fmt.extension, fmt.compression)
    return fmt


class Source(msgspec.Struct, frozen=True):
    """One of a job's inputs: its name in `Job.inputs`, its URIs and its format."""

    name: Name
    uris: Annotated[tuple[Text, ...], msgspec.Meta(max_length=1_000_000)]
    format: InputFormat


def is_separator(text: str) -> bool:
    """Whether a text can separate fields: one ASCII character that is not a line end."""
    return len(text) == 1 and text.isascii() and text not in "\r\n"
