"""Reads the output of an earlier step of the chain (io/columns/step_file.py)."""

from __future__ import annotations

from collections.abc import Iterator

from mrmesos.api.formats import StepInput
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.step_batch import step_batch
from mrmesos.io.columns.step_file import UnusableStep, read_piece, read_pieces
from mrmesos.io.fs.filesystem import InputError, open_input
from mrmesos.io.input.formats.rows import arrow_says
from mrmesos.io.input.formats.tables import holds


def read_steps(split: Split, fmt: StepInput, *, records: bool = False) -> Iterator[InputBatch]:
    """The records of the split in order. Keys and values are those that the step yielded.

    Without `records`, columns of objects get plain Arrow types where these hold them.
    """
    for slice_ in split.slices:
        try:
            yield from _read(slice_, fmt, records)
        except InputError:
            raise
        except UnusableStep as exc:
            raise InputError(
                f"{slice_.uri}: {exc}; submit again without --resume, so that the step that wrote "
                "it runs again"
            ) from exc
        except Exception as exc:  # remote drivers raise any type
            raise InputError(f"{slice_.uri}: cannot be read: {arrow_says(exc)}") from exc


def _read(slice_: FileSlice, fmt: StepInput, records: bool) -> Iterator[InputBatch]:
    with open_input(slice_.uri) as file:
        size = file.seek(0, 2)
        first = 0
        for piece in read_pieces(file, size, fmt.key):
            if holds(slice_, piece.offset + piece.length / 2):
                rows, stored = first, piece.length
                for batch in read_piece(file, piece):
                    yield step_batch(slice_.uri, batch, rows, stored, records)
                    rows, stored = rows + batch.num_rows, 0
            first += piece.rows
