"""Part files with columns, each with a note of its schema for the commit.

On S3, a file can be read only after the job's commit. So a part is written on the local disk first.
If a late column widens the schema, its rows are read back there.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from mrmesos.api.formats import CsvOutput
from mrmesos.io.columns.table_schema import as_text
from mrmesos.io.fs.filesystem import LOCAL
from mrmesos.io.fs.scratch import Scratch
from mrmesos.io.output.csv_output import CsvRecordsWriter
from mrmesos.io.output.output_file import close_quietly, create, unwritable
from mrmesos.io.output.part_notes import NOTE_SUFFIX, PartNote
from mrmesos.io.output.s3_uploads import Uploads
from mrmesos.io.output.table_files import TableFormat
from mrmesos.io.output.table_output import TableWriter

_COPY_BYTES = 16 << 20
NotedFormat = TableFormat | CsvOutput


def open_table(fmt: NotedFormat, fs: Any, path: str, key: str = "") -> _NotedPart | _UploadedPart:
    """Create a part file; `key` signs pickled values. Raises OutputError with the file."""
    if isinstance(fs, Uploads):
        return _UploadedPart(fmt, fs, path, key)
    return _NotedPart(fmt, fs, path, key)


def _columns_writer(
    fmt: NotedFormat, fs: Any, path: str, key: str
) -> TableWriter | CsvRecordsWriter:
    if isinstance(fmt, CsvOutput):
        return CsvRecordsWriter(fs, path, fmt)
    return TableWriter(fs, path, fmt, key)


def _note(writer: TableWriter | CsvRecordsWriter, fmt: NotedFormat) -> PartNote:
    bare = writer.bare if isinstance(writer, TableWriter) else 0
    return PartNote(fmt, as_text(writer.schema), bare)


class _NotedPart:
    """A part file and its note, in a store where files can be read at once."""

    def __init__(self, fmt: NotedFormat, fs: Any, path: str, key: str) -> None:
        self._fmt, self._fs, self._path = fmt, fs, path
        self._writer = _columns_writer(fmt, fs, path, key)

    @property
    def pickled(self) -> int:
        return self._writer.pickled

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write(batch)

    def close(self) -> tuple[int, int]:
        sizes = self._writer.close()
        note = msgspec.json.encode(_note(self._writer, self._fmt))
        uri, file = create(self._fs, f"{self._path}{NOTE_SUFFIX}")
        try:
            file.write(note)
            file.close()
        except OSError as exc:
            raise unwritable(uri, exc) from exc
        return sizes

    def abort(self) -> None:
        self._writer.abort()


class _UploadedPart:
    """A part file on S3; its ticket has the note."""

    def __init__(self, fmt: NotedFormat, uploads: Uploads, path: str, key: str) -> None:
        self._fmt = fmt
        self._uri, self._file = create(uploads, path)
        self._scratch = Scratch("mrmesos-part-")
        self._local = Path(self._scratch.name, Path(path).name)
        self._writer = _columns_writer(fmt, LOCAL, str(self._local), key)

    @property
    def pickled(self) -> int:
        return self._writer.pickled

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write(batch)

    def close(self) -> tuple[int, int]:
        sizes = self._writer.close()
        try:
            with self._local.open("rb") as made:
                shutil.copyfileobj(made, self._file, _COPY_BYTES)
            self._file.file.note = _note(self._writer, self._fmt)
            self._file.close()
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        self._scratch.cleanup()
        return sizes

    def abort(self) -> None:
        self._writer.abort()
        self._file.given_up = True
        close_quietly(self._file)
        self._scratch.cleanup()
