"""Opening the Writer of a part file for any output format."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any, Protocol, cast

import pyarrow as pa

from mrmesos.api.formats import CsvOutput, NullOutput, OutputFormat, StepOutput
from mrmesos.io.output.line_output import LineWriter, render_of
from mrmesos.io.output.output_dir import NOTHING
from mrmesos.io.output.output_file import create, unwritable
from mrmesos.io.output.registry import has_columns


class Writer(Protocol):
    """Writes one part file. Batches have the columns `key` and `value`; others are ignored."""

    @property
    def pickled(self) -> int:
        """The number of records in a file with pickled columns; 0 in other files."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the records. Raises OutputError with the file."""

    def close(self) -> tuple[int, int]:
        """Finish the file; returns the number of its records and bytes. Raises OutputError."""

    def abort(self) -> None:
        """Close without finishing; the file is then useless. Never raises."""


def open_writer(fmt: OutputFormat, fs: Any, path: str, pickle_key: str = "") -> Writer:
    """Create the file and its directory, but no parent directory. Raises OutputError with the file.

    So an attempt that starts after its job has ended, when `_temporary` is deleted, creates
    nothing. `pickle_key` signs pickled values.
    """
    if isinstance(fmt, NullOutput):
        return NoFile(fs, path)
    if isinstance(fmt, StepOutput):
        from mrmesos.io.output.step_output import StepWriter

        return StepWriter(fs, path, fmt)
    if has_columns(fmt) or (isinstance(fmt, CsvOutput) and fmt.records):
        # Imported here, because loading Parquet and ORC takes time.
        from mrmesos.io.output.part_writer import open_table

        return open_table(cast(Any, fmt), fs, path, pickle_key)
    uri, file = create(fs, path)
    return LineWriter(uri, file, type(fmt).__name__, render_of(fmt), fmt.compression)


class NoFile:
    """Counts records and writes none of them. A mark tells the commit that the task has ended."""

    pickled = 0

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._mark = fs, posixpath.join(posixpath.dirname(path), NOTHING)
        self._records = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._records += batch.num_rows

    def close(self) -> tuple[int, int]:
        uri, file = create(self._fs, self._mark)
        try:
            file.close()
        except OSError as exc:
            raise unwritable(uri, exc) from exc
        return self._records, 0

    def abort(self) -> None:
        """See Writer."""


class LazyWriter:
    """Creates its part file with the first record. Without one, there is a mark only."""

    def __init__(self, open_file: Callable[[], Writer], fs: Any, path: str) -> None:
        self._open, self._nothing = open_file, NoFile(fs, path)
        self._writer: Writer | None = None

    @property
    def pickled(self) -> int:
        return 0 if self._writer is None else self._writer.pickled

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        if self._writer is None:
            self._writer = self._open()
        self._writer.write(batch)

    def close(self) -> tuple[int, int]:
        return (self._writer or self._nothing).close()

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.abort()
