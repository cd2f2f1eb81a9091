"""Opening the Writer of a part file for any output format."""

from __future__ import annotations

import contextlib
import posixpath
from typing import Any, Protocol, cast

import pyarrow as pa

from mrmesos.api.formats import OutputFormat
from mrmesos.io.fs.filesystem import OutputError, reason, uri_of
from mrmesos.io.output.line_output import LineWriter, render_of
from mrmesos.io.output.output_file import CountedFile
from mrmesos.io.output.registry import has_columns


class Writer(Protocol):
    """Writes one part file. Batches have the columns `key` and `value`; others are ignored."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the records. Raises OutputError with the file."""

    def close(self) -> tuple[int, int]:
        """Finish the file; returns the number of its records and bytes. Raises OutputError."""

    def abort(self) -> None:
        """Close without finishing; the file is then useless. Never raises."""


def open_writer(
    fmt: OutputFormat, fs: Any, path: str, *, schema: pa.Schema | None = None
) -> Writer:
    """Create the file and its directory, but no parent directory.

    So an attempt that starts after its job has ended and `_temporary` is deleted creates nothing.
    `schema` sets the types of Arrow, Parquet and ORC files. Without it, the first batches decide,
    and an empty file has columns of type null. Raises OutputError with the file.
    """
    uri, file = create(fs, path)
    if has_columns(fmt):
        # Imported here, because loading Parquet and ORC takes time.
        from mrmesos.io.output.table_output import TableFormat, TableWriter

        return TableWriter(uri, file, cast(TableFormat, fmt), schema)
    return LineWriter(uri, file, type(fmt).__name__, render_of(fmt), fmt.compression)


def create(fs: Any, path: str) -> tuple[str, CountedFile]:
    """Create a part file and its directory, but no parent directory; returns its URI and the file.

    Raises OutputError with the file.
    """
    uri = uri_of(fs, path)
    try:
        with contextlib.suppress(FileExistsError):
            fs.mkdir(posixpath.dirname(path), create_parents=False)
        return uri, CountedFile(fs.open(path, "wb"))
    except Exception as exc:  # remote drivers raise any type
        raise OutputError(f"{uri}: cannot be created: {reason(exc)}") from exc
