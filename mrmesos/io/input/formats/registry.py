"""The table of input formats: how to check, cut and read each. Imports no pyarrow.

A JobTracker uses the table to check formats and to cut files. A worker uses it to find the reader,
and imports the reader's module only then, so a map of text lines does not load Parquet and ORC.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from mrmesos.api.formats import (
    ArrowInput,
    AvroInput,
    CsvInput,
    CustomInput,
    FixedWidthInput,
    InputFormat,
    JsonLinesInput,
    KeyValueTextInput,
    OrcInput,
    ParquetInput,
    StepInput,
    TextInput,
    WholeFileInput,
)
from mrmesos.api.split import InputTable, Split
from mrmesos.io.input.formats import planning
from mrmesos.io.input.text.encodings import read_as_utf8

if TYPE_CHECKING:
    import pyarrow as pa

    from mrmesos.io.columns.input_batch import InputBatch


def _anything(_: Any) -> None:
    """For formats with nothing to check."""


def _always(_: Any) -> bool:
    return True


class InputEntry(msgspec.Struct, frozen=True):
    """How to handle one input format.

    `read` is "module:function" in this folder. The function takes the split, the format, and the
    keyword arguments that `takes` lists; it yields InputBatches.
    `check` raises InputError.
    `splits` says whether a file may be cut anywhere, so that several maps read it.
    `container` says whether a file consists of large units and is never compressed as a whole.
    `schema` is like `read`: the function takes a URI and returns the Arrow schema of the file. It
    is empty if files of the format have none.
    """

    read: str
    takes: tuple[str, ...] = ()
    check: Callable[[Any], None] = _anything
    splits: Callable[[Any], bool] = _always
    container: bool = False
    schema: str = ""


_BATCH_BYTES, _TABLE = ("batch_bytes",), ("table",)
_BOTH = (*_BATCH_BYTES, "records")

_FORMATS: dict[type, InputEntry] = {
    TextInput: InputEntry(
        "text:read_text",
        _BOTH,
        planning.check_text,
        splits=lambda fmt: not read_as_utf8(fmt.encoding, parsed=False),
    ),
    KeyValueTextInput: InputEntry(
        "keyvalue:read_key_values",
        _BATCH_BYTES,
        planning.check_key_values,
        splits=lambda fmt: not read_as_utf8(fmt.encoding, parsed=False),
    ),
    JsonLinesInput: InputEntry(
        "jsonl:read_json_lines",
        _BOTH + _TABLE,
        planning.check_json_lines,
        splits=lambda fmt: not read_as_utf8(fmt.encoding, parsed=True),
    ),
    CsvInput: InputEntry(
        "delimited:read_csv",
        _BATCH_BYTES + _TABLE,
        planning.check_csv,
        splits=lambda fmt: (
            not (planning.newlines_in_fields(fmt) or read_as_utf8(fmt.encoding, parsed=True))
        ),
    ),
    ParquetInput: InputEntry(
        "parquet:read_parquet",
        _TABLE,
        planning.check_parquet,
        container=True,
        schema="parquet:parquet_schema",
    ),
    ArrowInput: InputEntry(
        "tables:read_arrow",
        _TABLE,
        planning.check_partitioning,
        container=True,
        schema="tables:arrow_schema",
    ),
    OrcInput: InputEntry(
        "tables:read_orc",
        _TABLE,
        planning.check_partitioning,
        container=True,
        schema="tables:orc_schema",
    ),
    AvroInput: InputEntry(
        "avro:read_avro",
        _TABLE,
        planning.check_partitioning,
        container=True,
        schema="avro:avro_schema",
    ),
    StepInput: InputEntry("steps:read_steps", ("records",), container=True),
    FixedWidthInput: InputEntry("fixed:read_fixed_width", _BATCH_BYTES, planning.check_fixed_width),
    WholeFileInput: InputEntry(
        "fixed:read_whole_files", check=planning.check_whole_files, splits=lambda _: False
    ),
    # The job's own RecordReader reads it (task/drivers/custom_input.py), so `read` is empty.
    CustomInput: InputEntry("", splits=lambda fmt: fmt.splittable),
}


def check_input(fmt: InputFormat) -> None:
    """Raise InputError with the field's name if a field of the format is wrong."""
    _FORMATS[type(fmt)].check(fmt)


def splits_files(fmt: InputFormat) -> bool:
    """Whether a file of this format may be cut anywhere, so that several maps read it."""
    return _FORMATS[type(fmt)].splits(fmt)


def lines_per_map(fmt: InputFormat) -> int:
    """How many lines each map gets. 0 if splits are not counted in lines."""
    return fmt.lines_per_map if isinstance(fmt, TextInput) else 0


def maps_empty_files(fmt: InputFormat) -> bool:
    """Whether a file without bytes gets a map."""
    return isinstance(fmt, TextInput | KeyValueTextInput) and fmt.empty_files


def in_container(fmt: InputFormat) -> bool:
    """Whether a file consists of large units and is never compressed as a whole."""
    return _FORMATS[type(fmt)].container


def has_schema(fmt: InputFormat) -> bool:
    """Whether each file of this format tells the names and types of its columns."""
    return bool(_FORMATS[type(fmt)].schema)


def schema_of(uri: str, fmt: InputFormat) -> pa.Schema:
    """The schema that a file tells. Raises InputError."""
    return _function(_FORMATS[type(fmt)].schema)(uri)


def read_split(
    split: Split,
    fmt: InputFormat,
    *,
    batch_bytes: int = 1 << 20,
    records: bool = True,
    table: InputTable | None = None,
    pickle_key: str = "",
) -> Iterator[InputBatch]:
    """The records of the split in order, as batches of about `batch_bytes` if the format uses it.

    `records` is for mappers that see one record at a time. A batch may then contain several small
    files, and values that fit no column. `table` is what planning has decided about columns.
    Pickled values stay bytes, unless `pickle_key` signed them.

    Raises InputError with the file and what to do.
    """
    entry, given = (
        _FORMATS[type(fmt)],
        {"batch_bytes": batch_bytes, "records": records, "table": table},
    )
    batches: Iterator[InputBatch] = _function(entry.read)(
        split, fmt, **{name: given[name] for name in entry.takes}
    )
    if not entry.container or isinstance(fmt, StepInput):  # files of steps have a key of their own
        return batches
    return _trusted(batches, pickle_key)


def _trusted(batches: Iterator[InputBatch], pickle_key: str) -> Iterator[InputBatch]:
    from mrmesos.io.columns.signed import trusted

    for given in batches:
        yield trusted(given, pickle_key)


@cache
def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(
        importlib.import_module(f"{__package__}.{module}"), function
    )
    return found
