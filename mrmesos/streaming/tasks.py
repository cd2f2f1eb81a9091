"""The mapper, combiner and reducer of a streaming job. Each feeds a child and reads its output.

A class of the job's script derives from these and sets `spec`.
"""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import pyarrow as pa

from mrmesos.api.context import Context
from mrmesos.api.tasks import BatchMapper, SortedReducer
from mrmesos.io.columns.schema import VALUE
from mrmesos.streaming.child import Child
from mrmesos.streaming.environment import child_directory, child_environment
from mrmesos.streaming.frames import FrameCutter, as_text, framed
from mrmesos.streaming.keys import raw_keys, with_codes
from mrmesos.streaming.lines import LineCutter, cut_lines, joined_lines, value_lines
from mrmesos.streaming.repeats import BLOCK_BYTES, LineCounter, more_than_rows, repeated_rows
from mrmesos.streaming.spec import Fields, Program, StreamIo, StreamSpec
from mrmesos.streaming.stderr_reader import StderrReader

_STDERR = 2


class _Place:
    """The working directory of a task's children. It is removed with the task."""

    def __init__(self, context: Context) -> None:
        self.path = child_directory(context)
        self._remover = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class _Run:
    """One child of an attempt, and the cutter of its output."""

    def __init__(
        self,
        program: Program,
        spec: StreamSpec,
        fields: Fields,
        context: Context,
        place: _Place,
        uri: str = "",
        *,
        final: bool = False,
    ) -> None:
        self._failure_is_failure = spec.failure_is_failure
        self._cutter = _cutter(fields, final=final, counts=spec.counts_repeats and not final)
        self._child = Child(
            program.command,
            place.path,
            child_environment(spec, context, uri) | {"PWD": str(place.path)},
            StderrReader(context, _to_log, spec.reporter),
        )

    def write(self, data: pa.Buffer | bytes) -> Iterator[pa.RecordBatch]:
        for written in self._child.write(memoryview(data)):
            yield from self._cutter.add(written)

    def finish(self) -> Iterator[pa.RecordBatch]:
        for written in self._child.finish():
            yield from self._cutter.add(written)
        yield from self._cutter.end()
        self._child.check(failure_is_failure=self._failure_is_failure)

    def kill(self) -> None:
        self._child.kill()


def _cutter(fields: Fields, *, final: bool, counts: bool) -> LineCutter | FrameCutter:
    if fields.output is not StreamIo.TEXT:
        return FrameCutter(fields.output, final=final)
    separator, count = fields.output_separator.encode(), fields.key_fields
    cut = partial(cut_lines, separator=separator, fields=count, final=final)
    return LineCutter(LineCounter(cut).cut, BLOCK_BYTES) if counts else LineCutter(cut)


def _records(
    batch: pa.RecordBatch, fields: Fields, sent: StreamIo | None
) -> Iterator[pa.Buffer | bytes]:
    """The keys and values for a child to read."""
    if fields.input is StreamIo.TEXT:
        return joined_lines(batch, fields.input_separator)
    return (framed(each, fields.input, sent) for each in repeated_rows(batch))


def _to_log(words: bytes) -> None:
    """Write to the attempt's log, which is this worker's stderr."""
    rest = memoryview(words)
    while len(rest):
        rest = rest[os.write(_STDERR, rest) :]


class StreamMapper(BatchMapper):
    """Runs a command over the lines of a split, with a child for each file or for some of its
    lines.
    """

    spec: ClassVar[StreamSpec]

    def setup(self) -> None:
        self._place = _Place(self.context)
        self._run: _Run | None = None
        self._uri = ""
        self._lines = 0
        self._has_run = False

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        if self.spec.file_by_file and self.context.input_uri != self._uri:
            yield from self._ended()
        self._uri = self.context.input_uri
        most = self.spec.lines_per_child
        while most and batch.num_rows:
            if self._lines == most:
                yield from self._ended()
            piece = batch.slice(0, most - self._lines)
            batch = batch.slice(piece.num_rows)
            self._lines += piece.num_rows
            yield from self._fed(piece)
        if not most:
            yield from self._fed(batch)

    def close(self) -> Iterator[pa.RecordBatch]:
        if not self._has_run:  # Hadoop runs the command of every map, also over an empty file
            split = self.context.facts.split
            self._uri = split.slices[0].uri if split else ""
            self._begin()
        yield from self._ended()

    def _ended(self) -> Iterator[pa.RecordBatch]:
        run, self._run, self._lines = self._run, None, 0
        if run is not None:
            yield from self._keyed(run.finish())

    def _fed(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        spec, run = self.spec, self._run or self._begin()
        if spec.ignore_key:
            yield from self._keyed(run.write(value_lines(batch.column(VALUE))))
            return
        for data in _records(batch, spec.map_fields, None):
            yield from self._keyed(run.write(data))

    def _begin(self) -> _Run:
        """Start the command."""
        spec, final = self.spec, not self.context.facts.num_reducers
        fields = spec.map_fields
        self._has_run = True
        self._run = _Run(
            spec.mapper, spec, fields, self.context, self._place, self._uri, final=final
        )
        return self._run

    def _keyed(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sorted_later = self.context.facts.num_reducers > 0
        for batch in batches:
            _count_repeats(self.context, "MAP_OUTPUT", batch)
            yield with_codes(batch, self.spec) if sorted_later else batch


class IdentityMapper(BatchMapper):
    """Hadoop's IdentityMapper: records go on unchanged."""

    spec: ClassVar[StreamSpec]

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield with_codes(batch, self.spec) if self.context.facts.num_reducers else batch


def _count_repeats(context: Context, name: str, batch: pa.RecordBatch) -> None:
    """The engine counts rows as records; add the records for which no row stands."""
    if more := more_than_rows(batch):
        context.count("task", f"{name}_RECORDS", more)


class _OverSorted(SortedReducer):
    spec: ClassVar[StreamSpec]
    takes = "REDUCE_INPUT"

    def setup(self) -> None:
        self._place = _Place(self.context)

    def _run_over(
        self,
        program: Program,
        fields: Fields,
        batches: Iterator[pa.RecordBatch],
        *,
        final: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Run one child over the sorted batches."""
        run = _Run(program, self.spec, fields, self.context, self._place, final=final)
        try:
            for batch in batches:
                _count_repeats(self.context, self.takes, batch)
                for data in _records(raw_keys(batch), fields, self.spec.sent):
                    yield from run.write(data)
            yield from run.finish()
        except BaseException:
            run.kill()
            raise


class StreamReducer(_OverSorted):
    """Runs a command over the sorted lines `key separator value` of a partition."""

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return self._run_over(self.spec.reducer, self.spec.reduce_fields, batches, final=True)


class StreamCombiner(_OverSorted):
    """Runs a command over each sorted run of a map's output."""

    takes = "COMBINE_INPUT"

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in self._run_over(self.spec.combiner, self.spec.combine_fields, batches):
            _count_repeats(self.context, "COMBINE_OUTPUT", batch)
            yield with_codes(batch, self.spec)


class IdentityReducer(SortedReducer):
    """Hadoop's IdentityReducer, for records that have another form in the shuffle.

    This is so if keys were sorted by fields, records are typed bytes, or equal records travel once.
    """

    spec: ClassVar[StreamSpec]

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in map(raw_keys, batches):
            if self.spec.sent is StreamIo.TYPEDBYTES:
                yield as_text(batch)
                continue
            _count_repeats(self.context, "REDUCE_INPUT", batch)
            yield from repeated_rows(batch)
