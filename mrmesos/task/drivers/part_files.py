"""Opens an attempt's part files. The job's own RecordWriter may render them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from mrmesos.api.custom_formats import RecordWriter
from mrmesos.api.formats import OutputFormat, output_data
from mrmesos.io.columns.decode import decode_batch
from mrmesos.io.output.line_output import LineWriter
from mrmesos.io.output.output_file import create
from mrmesos.io.output.registry import file_name
from mrmesos.io.output.writer import Writer, open_writer
from mrmesos.task.drivers.user_code import TaskError, blamed_on_user, describe, shorten, wrong_use
from mrmesos.wire.ids import AttemptName


def part_name(fmt: OutputFormat | RecordWriter, attempt: AttemptName) -> str:
    """The name of the attempt's part file, such as `part-r-00000.csv`."""
    return file_name(output_data(fmt), attempt.kind.letter, attempt.index)


def open_part_file(
    fmt: OutputFormat | RecordWriter,
    fs: Any,
    path: str,
    attempt: AttemptName,
    pickle_key: str = "",
) -> Writer:
    """Create the part file. Raises OutputError, and TaskError if a RecordWriter fails."""
    if not isinstance(fmt, RecordWriter):
        return open_writer(fmt, fs, path, pickle_key)
    uri, file = create(fs, path)
    own = _Rendering(copy.copy(fmt), uri, attempt.kind.value)
    return LineWriter(uri, file, own.name, own.render, fmt.compression, own.footer)


class _Rendering:
    """Renders one file with a RecordWriter."""

    def __init__(self, writer: RecordWriter, uri: str, kind: str) -> None:
        self.name = type(writer).__name__
        self._writer, self._uri, self._kind = writer, uri, kind
        self._begun = False

    def render(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The bytes of a batch. The header comes before the first batch."""
        keys, values = decode_batch(batch)
        rendered: list[Any] = []
        try:
            rendered.extend(map(self._writer.record, keys, values))
        except TaskError:
            raise
        except BaseException as exc:
            key, value = keys[len(rendered)], values[len(rendered)]
            where = f"{self.name}.record() for {self._uri}, key {shorten(key)}"
            record = shorten(value)
            raise TaskError(describe(exc, where=where, record=record, kind=self._kind)) from exc
        for each, key in zip(rendered, keys, strict=True):
            if not isinstance(each, bytes):
                raise wrong_use(
                    f"{self.name}.record() returns {shorten(each)}, not bytes, for the key "
                    f"{shorten(key)}",
                    where=self._uri,
                )
        yield self._header() + b"".join(rendered)

    def footer(self) -> bytes:
        """The end of the file. Without records, the header comes first."""
        with self._blamed("footer"):
            return self._header() + self._writer.footer()

    def _header(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        with self._blamed("header"):
            return self._writer.header()

    def _blamed(self, method: str) -> Any:
        return blamed_on_user(f"{self.name}.{method}() for {self._uri}", self._kind)
