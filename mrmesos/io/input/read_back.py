"""Reading a job's output: its part files in order, and the input format that reads them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from mrmesos.api.formats import (
    ArrowInput,
    ArrowOutput,
    AvroInput,
    BytesOutput,
    CsvInput,
    CsvOutput,
    CustomOutput,
    InputFormat,
    JsonLinesInput,
    JsonLinesOutput,
    KeyValueTextInput,
    NullOutput,
    OrcInput,
    OrcOutput,
    OutputFormat,
    ParquetInput,
    ParquetOutput,
    StepInput,
    StepOutput,
    TextOutput,
    is_separator,
)
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.compression.first_bytes import HEAD_BYTES, columns_in
from mrmesos.io.fs.filesystem import InputError, open_input
from mrmesos.io.input.formats.registry import read_split
from mrmesos.io.input.splits import FileInfo, expand_inputs, part_files

_WITH_COLUMNS: dict[str, InputFormat] = {
    "parquet": ParquetInput(),
    "arrow": ArrowInput(),
    "orc": OrcInput(),
    "avro": AvroInput(),
}
_BY_NAME: dict[str, InputFormat] = {
    ".parquet": ParquetInput(),
    ".arrow": ArrowInput(),
    ".feather": ArrowInput(),
    ".orc": OrcInput(),
    ".avro": AvroInput(),
}


def output_files(uri: str) -> list[FileInfo]:
    """The part files of the output at `uri` in order. If it is no output, the files that it names.

    Directories in an output are its named outputs. They are not included. Raises InputError.
    """
    return part_files(uri) or expand_inputs([uri])


def input_of(fmt: OutputFormat) -> InputFormat:
    """The input format that reads this output format. Raises InputError if there is none."""
    found = _READS_BACK[type(fmt)](fmt)
    if found is None:
        raise InputError(
            f"{type(fmt).__name__} does not mark where a record or column ends; "
            "write another format, such as ParquetOutput"
        )
    return found


def _csv_back(fmt: CsvOutput) -> InputFormat | None:
    if fmt.header:
        return CsvInput(separator=fmt.separator)
    if fmt.records:
        return None
    return CsvInput(separator=fmt.separator, header=False, names=("key", "value"))


def _text_back(fmt: TextOutput) -> InputFormat | None:
    separates = is_separator(fmt.separator)
    return KeyValueTextInput(separator=fmt.separator) if separates else None


_READS_BACK: dict[type, Callable[[Any], InputFormat | None]] = {
    ParquetOutput: lambda _: ParquetInput(),
    ArrowOutput: lambda _: ArrowInput(),
    OrcOutput: lambda _: OrcInput(),
    JsonLinesOutput: lambda _: JsonLinesInput(),
    CsvOutput: _csv_back,
    TextOutput: _text_back,
    BytesOutput: lambda _: None,
    NullOutput: lambda _: None,
    CustomOutput: lambda _: None,
    StepOutput: lambda fmt: StepInput(fmt.key),
}


def columns_of(uri: str) -> InputFormat | None:
    """The format of a file with columns, by its name or its first bytes. None for other files."""
    by_name = _BY_NAME.get(posixpath.splitext(uri)[1].lower())
    if by_name is not None:
        return by_name
    with open_input(uri) as file:
        name = columns_in(bytes(file.read(HEAD_BYTES)))
    return _WITH_COLUMNS[name] if name else None


def read_file(
    info: FileInfo, fmt: InputFormat, *, records: bool, pickle_key: str = ""
) -> Iterator[InputBatch]:
    """All records of a file; for `pickle_key` see read_split. Raises InputError."""
    split = Split((FileSlice(info.uri, 0, -1),), max(info.size, 0))
    return read_split(split, fmt, records=records, pickle_key=pickle_key)
