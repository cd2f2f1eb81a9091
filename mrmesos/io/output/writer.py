"""Part files: lines and bytes of several kinds, Arrow IPC files, Parquet and ORC files."""

from __future__ import annotations

import contextlib
import posixpath
from typing import Any, Protocol

import pyarrow as pa

from mrmesos.api.formats import (
    ArrowOutput,
    BytesOutput,
    CsvOutput,
    JsonLinesOutput,
    OrcOutput,
    OutputFormat,
    ParquetOutput,
    TextOutput,
)
from mrmesos.io.fs.filesystem import SUFFIXES, OutputError, reason, uri_of
from mrmesos.io.output.line_output import LineWriter
from mrmesos.io.output.output_file import CountedFile

_EXTENSIONS: dict[type, str] = {
    TextOutput: "",
    JsonLinesOutput: ".jsonl",
    CsvOutput: ".csv",
    BytesOutput: ".bin",
    ArrowOutput: ".arrow",
    ParquetOutput: ".parquet",
    OrcOutput: ".orc",
}


class Writer(Protocol):
    """One part file being written. Batches have the columns `key` and `value`; others are left."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the records. Raises OutputError naming the file."""

    def close(self) -> tuple[int, int]:
        """Finish the file; the numbers of its records and bytes. Raises OutputError."""

    def abort(self) -> None:
        """Close without finishing; what the file holds then is of no use. Never raises."""


def file_name(fmt: OutputFormat, kind_letter: str, index: int) -> str:
    """`part-r-00000` of reduce 0, `part-m-00012.parquet` of map 12."""
    suffix = ""
    within = isinstance(fmt, ArrowOutput | ParquetOutput | OrcOutput)
    if fmt.compression != "none" and not within:
        suffix = SUFFIXES[fmt.compression]
    return f"part-{kind_letter}-{index:05d}{_EXTENSIONS[type(fmt)]}{suffix}"


def open_writer(
    fmt: OutputFormat, fs: Any, path: str, *, schema: pa.Schema | None = None
) -> Writer:
    """Create the file, and the directory that it is in, but none above.

    So an attempt that starts after its job ended, and `_temporary` is gone, leaves nothing behind.
    `schema` fixes the types of Arrow, Parquet and ORC files; without it those of the first batches
    are taken, and an empty file has columns of type null. Raises OutputError naming the file.
    """
    uri = uri_of(fs, path)
    try:
        with contextlib.suppress(FileExistsError):
            fs.mkdir(posixpath.dirname(path), create_parents=False)
        file = CountedFile(fs.open(path, "wb"))
    except Exception as exc:  # remote drivers raise what they like
        raise OutputError(f"{uri}: cannot be created: {reason(exc)}") from exc
    if isinstance(fmt, ArrowOutput | ParquetOutput | OrcOutput):
        # Imported where it is used: Parquet and ORC take a while.
        from mrmesos.io.output.table_output import TableWriter

        return TableWriter(uri, file, fmt, schema)
    return LineWriter(uri, file, fmt)
