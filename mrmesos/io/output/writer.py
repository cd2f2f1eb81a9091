"""Part files: lines and bytes of several kinds, Arrow IPC files, Parquet and ORC files."""

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
    """One part file being written. Batches have the columns `key` and `value`; others are left."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the records. Raises OutputError naming the file."""

    def close(self) -> tuple[int, int]:
        """Finish the file; the numbers of its records and bytes. Raises OutputError."""

    def abort(self) -> None:
        """Close without finishing; what the file holds then is of no use. Never raises."""


def open_writer(
    fmt: OutputFormat, fs: Any, path: str, *, schema: pa.Schema | None = None
) -> Writer:
    """Create the file, and the directory that it is in, but none above.

    So an attempt that starts after its job ended, and `_temporary` is gone, leaves nothing behind.
    `schema` fixes the types of Arrow, Parquet and ORC files; without it those of the first batches
    are taken, and an empty file has columns of type null. Raises OutputError naming the file.
    """
    uri, file = create(fs, path)
    if has_columns(fmt):
        # Imported where it is used: Parquet and ORC take a while.
        from mrmesos.io.output.table_output import TableFormat, TableWriter

        return TableWriter(uri, file, cast(TableFormat, fmt), schema)
    return LineWriter(uri, file, type(fmt).__name__, render_of(fmt), fmt.compression)


def create(fs: Any, path: str) -> tuple[str, CountedFile]:
    """The URI of a new part file, and the file; its directory is made, but none above.

    Raises OutputError naming the file.
    """
    uri = uri_of(fs, path)
    try:
        with contextlib.suppress(FileExistsError):
            fs.mkdir(posixpath.dirname(path), create_parents=False)
        return uri, CountedFile(fs.open(path, "wb"))
    except Exception as exc:  # remote drivers raise what they like
        raise OutputError(f"{uri}: cannot be created: {reason(exc)}") from exc
