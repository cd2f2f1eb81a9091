"""An attempt's part files, also those that the job's own RecordWriter renders."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from mrmesos.api.custom_formats import RecordWriter
from mrmesos.api.formats import OutputFormat, output_data
from mrmesos.io.columns.decode import decode_batch
from mrmesos.io.output.line_output import LineWriter
from mrmesos.io.output.registry import file_name
from mrmesos.io.output.writer import Writer, create, open_writer
from mrmesos.task.drivers.user_code import blamed_on_user, shorten, wrong_use
from mrmesos.wire.ids import AttemptName


def part_name(fmt: OutputFormat | RecordWriter, attempt: AttemptName) -> str:
    """The name of the attempt's part file, such as `part-r-00000.csv`."""
    return file_name(output_data(fmt), attempt.kind.letter, attempt.index)


def open_part_file(
    fmt: OutputFormat | RecordWriter, fs: Any, path: str, attempt: AttemptName
) -> Writer:
    """Create the part file. Raises OutputError; for what a RecordWriter raises, TaskError."""
    if not isinstance(fmt, RecordWriter):
        return open_writer(fmt, fs, path)
    uri, file = create(fs, path)
    own = _Rendering(copy.copy(fmt), uri, attempt.kind.value)
    return LineWriter(uri, file, own.name, own.render, fmt.compression, own.footer)


class _Rendering:
    """A RecordWriter at work on one file."""

    def __init__(self, writer: RecordWriter, uri: str, kind: str) -> None:
        self.name = type(writer).__name__
        self._writer, self._uri, self._kind = writer, uri, kind
        self._begun = False

    def render(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The bytes of a batch; of the first one with the header before them."""
        keys, values = decode_batch(batch)
        with self._blamed("record"):
            rendered = [*map(self._writer.record, keys, values)]
        for each, key in zip(rendered, keys, strict=True):
            if not isinstance(each, bytes):
                raise wrong_use(
                    f"{self.name}.record() returns {shorten(each)}, not bytes, for the key "
                    f"{shorten(key)}",
                    where=self._uri,
                )
        yield self._header() + b"".join(rendered)

    def footer(self) -> bytes:
        """What the file ends with; the header, too, where there were no records."""
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
