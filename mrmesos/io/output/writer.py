"""Opening the Writer of a part file for any output format."""

from __future__ import annotations

from typing import Any, Protocol, cast

import pyarrow as pa

from mrmesos.api.formats import OutputFormat, StepOutput
from mrmesos.io.output.line_output import LineWriter, render_of
from mrmesos.io.output.output_file import create
from mrmesos.io.output.registry import has_columns


class Writer(Protocol):
    """Writes one part file. Batches have the columns `key` and `value`; others are ignored."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the records. Raises OutputError with the file."""

    def close(self) -> tuple[int, int]:
        """Finish the file; returns the number of its records and bytes. Raises OutputError."""

    def abort(self) -> None:
        """Close without finishing; the file is then useless. Never raises."""


def open_writer(fmt: OutputFormat, fs: Any, path: str) -> Writer:
    """Create the file and its directory, but no parent directory.

    So an attempt that starts after its job has ended and `_temporary` is deleted creates nothing.
    Raises OutputError with the file.
    """
    if isinstance(fmt, StepOutput):
        from mrmesos.io.output.step_output import StepWriter

        return StepWriter(fs, path, fmt)
    if has_columns(fmt):
        # Imported here, because loading Parquet and ORC takes time.
        from mrmesos.io.output.part_writer import open_table

        return open_table(cast(Any, fmt), fs, path)
    uri, file = create(fs, path)
    return LineWriter(uri, file, type(fmt).__name__, render_of(fmt), fmt.compression)
