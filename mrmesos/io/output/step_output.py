"""Part files of a step whose output a later step reads (io/columns/step_file.py)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mrmesos.api.formats import StepOutput
from mrmesos.io.columns.step_file import StepFile
from mrmesos.io.output.output_file import close_quietly, create, unwritable


class StepWriter:
    """A Writer (writer.py) that keeps all types."""

    pickled = 0

    def __init__(self, fs: Any, path: str, fmt: StepOutput) -> None:
        self._uri, self._file = create(fs, path)
        self._steps = StepFile(self._file, fmt.key)

    def write(self, batch: pa.RecordBatch) -> None:
        try:
            self._steps.write(batch)
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc

    def close(self) -> tuple[int, int]:
        try:
            self._steps.finish()
            self._file.close()
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        return self._steps.records, self._file.bytes

    def abort(self) -> None:
        self._file.given_up = True
        close_quietly(self._file)
