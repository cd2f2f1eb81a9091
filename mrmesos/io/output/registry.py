"""The table of output formats: compressions, file names, kinds. Imports no pyarrow."""

from __future__ import annotations

from typing import Any

import msgspec

from mrmesos.api.formats import (
    ArrowOutput,
    BytesOutput,
    CsvOutput,
    CustomOutput,
    JsonLinesOutput,
    NullOutput,
    OrcOutput,
    OutputFormat,
    ParquetOutput,
    StepOutput,
    TextOutput,
    is_separator,
)
from mrmesos.io.compression.first_bytes import SUFFIXES
from mrmesos.io.fs.filesystem import OutputError

_WHOLE_FILE = ("none", *SUFFIXES)


class OutputEntry(msgspec.Struct, frozen=True):
    """How to write one output format.

    `codecs` are its compressions. `container` says that files have columns and that the format
    compresses them internally. Other formats are lines or bytes, and the whole file is compressed.
    """

    extension: str = ""
    codecs: tuple[str, ...] = _WHOLE_FILE
    container: bool = False


_FORMATS: dict[type, OutputEntry] = {
    TextOutput: OutputEntry(),
    JsonLinesOutput: OutputEntry(".jsonl"),
    CsvOutput: OutputEntry(".csv"),
    BytesOutput: OutputEntry(".bin"),
    ArrowOutput: OutputEntry(".arrow", ("none", "lz4", "zstd"), container=True),
    ParquetOutput: OutputEntry(
        ".parquet", ("none", "snappy", "gzip", "brotli", "lz4", "zstd"), container=True
    ),
    OrcOutput: OutputEntry(".orc", ("none", "snappy", "gzip", "lz4", "zstd"), container=True),
    NullOutput: OutputEntry(codecs=("none",)),
    CustomOutput: OutputEntry(),
    StepOutput: OutputEntry(".step", ("none",)),
}


def has_columns(fmt: OutputFormat) -> bool:
    """Whether files of this format have columns: Arrow, Parquet and ORC."""
    return _FORMATS[type(fmt)].container


def check_output(fmt: OutputFormat) -> None:
    """Raise OutputError with the field's name if a field of the format is wrong."""
    known = _FORMATS[type(fmt)].codecs
    if fmt.compression not in known:
        raise OutputError(
            f"{_name(fmt)}(compression={fmt.compression!r}): write one of {', '.join(known)}"
        )
    if isinstance(fmt, CsvOutput) and not is_separator(fmt.separator):
        raise OutputError(f"CsvOutput(separator={fmt.separator!r}): write one ASCII character")
    if isinstance(fmt, CustomOutput) and "/" in fmt.extension:
        raise OutputError(f"{fmt.name}.extension={fmt.extension!r}: write the end of a file's name")


def file_name(fmt: OutputFormat, kind_letter: str, index: int) -> str:
    """`part-r-00000` of reduce 0, `part-m-00012.parquet` of map 12, `part-00000` if short."""
    entry = _FORMATS[type(fmt)]
    extension = fmt.extension if isinstance(fmt, CustomOutput) else entry.extension
    packed = fmt.compression != "none" and not entry.container
    suffix = SUFFIXES[fmt.compression] if packed else ""
    kind = "" if isinstance(fmt, TextOutput) and fmt.short_names else f"{kind_letter}-"
    return f"part-{kind}{index:05d}{extension}{suffix}"


def _name(fmt: Any) -> str:
    return fmt.name if isinstance(fmt, CustomOutput) else type(fmt).__name__
