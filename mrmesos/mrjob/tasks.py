"""The mapper, combiner and reducer of a step of an MRJob."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from mrmesos.api.tasks import BatchMapper, SortedReducer
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.mrjob.codec import Pair, fast_read, lines_read
from mrmesos.mrjob.command import Command, piped
from mrmesos.mrjob.groups import called, groups_of, own_loop, written_groups
from mrmesos.mrjob.lines import cutter, joined
from mrmesos.mrjob.output import MROutput
from mrmesos.mrjob.pairs import Combining
from mrmesos.mrjob.place import TaskPlace, place_of
from mrmesos.mrjob.task import MRTask, SubStep, WorkKind
from mrmesos.streaming.keys import KeyFieldPartitioner, raw_keys


class _Stage(Protocol):
    """Turns lines of a file into records. `end` comes once, after all lines."""

    def add(self, lines: list[bytes]) -> Iterable[pa.RecordBatch]: ...

    def end(self) -> Iterable[pa.RecordBatch]: ...


class _Identity:
    def __init__(self, out: MROutput) -> None:
        self._out = out

    def add(self, lines: list[bytes]) -> Iterable[pa.RecordBatch]:
        return self._out.of_lines(lines)

    def end(self) -> Iterable[pa.RecordBatch]:
        return ()


class _Script:
    """Calls the mapper of the job class."""

    def __init__(self, task: MRTask, place: TaskPlace, out: MROutput) -> None:
        job = place.make("mapper")
        step = job._get_step(task.step, _step_type())
        read, self._write = job.pick_protocols(task.step, "mapper")
        self._read, self._out = read, out
        self._init = step["mapper_init"]
        self._mapper, self._final = step["mapper"], step["mapper_final"]
        self._combining: Combining | None = None
        if task.combines_in_mapper:
            read_back, self._write = place.make("combiner").pick_protocols(task.step, "combiner")
            cut = cutter(task.stream.map_fields)
            self._combining = Combining(
                read_back,
                self._write,
                lambda: place.make("combiner")._get_step(task.step, _step_type()),
                lambda line: cut(line)[0],
                out,
                in_order=bool(step["combiner_init"] or step["combiner_final"]),
            )

    def add(self, lines: list[bytes]) -> Iterable[pa.RecordBatch]:
        yield from self._begin()
        records = lines_read(lines, self._read)
        yielded = filter(None, itertools.starmap(self._mapper, records))
        yield from self._taken(itertools.chain.from_iterable(yielded))

    def _begin(self) -> Iterable[pa.RecordBatch]:
        init, self._init = self._init, None
        return () if init is None else self._taken(init() or ())

    def _taken(self, pairs: Iterable[Pair]) -> Iterable[pa.RecordBatch]:
        if self._combining is not None:
            return self._combining.take(pairs)
        return self._out.of_pairs(pairs, self._write)

    def end(self) -> Iterable[pa.RecordBatch]:
        yield from self._begin()
        if self._final is not None:
            yield from self._taken(self._final() or ())
        if self._combining is not None:
            yield from self._combining.end()


class _Filtered:
    """Runs a command before another stage."""

    def __init__(self, command: str, place: TaskPlace, then: _Stage, *, is_filter: bool) -> None:
        self._command = Command(command, place, is_filter=is_filter)
        self._then = then

    def add(self, lines: list[bytes]) -> Iterable[pa.RecordBatch]:
        yield from self._then.add([*self._command.add(lines)])

    def end(self) -> Iterable[pa.RecordBatch]:
        yield from self._then.add([*self._command.end()])
        yield from self._then.end()


def _step_type() -> Any:
    from mrjob.step import MRStep  # only here: mrjob is an optional extra

    return MRStep


def _stage(task: MRTask, place: TaskPlace, out: MROutput) -> _Stage:
    command = task.mapper.command
    match task.mapper.kind:
        case WorkKind.COMMAND:
            return _Filtered(command, place, _Identity(out), is_filter=False)
        case WorkKind.SCRIPT if command:
            return _Filtered(command, place, _Script(task, place, out), is_filter=True)
        case WorkKind.SCRIPT:
            return _Script(task, place, out)
    return _Identity(out)


class MRMapper(BatchMapper):
    """A mapper. Each input file has a new object of the job class, as in mrjob."""

    def setup(self) -> None:
        self._task: MRTask = self.context.args.mrjob
        self._place = place_of(self.context)
        self._out = MROutput(self._task.stream, shuffled=self.context.facts.num_reducers > 0)
        self._running: _Stage | None = None
        self._uri = ""
        self._has_run = False

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        if self.context.input_uri != self._uri:
            yield from self._ended()
            self._uri = self.context.input_uri
            self._place.reads(self._uri)
        if self._task.mapper.kind is WorkKind.RAW:
            self._has_run = True
            for uri, data in zip(batch[KEY].to_pylist(), batch[VALUE].to_pylist(), strict=True):
                yield from self._raw(uri, data)
            return
        # The first step reads lines as values; later ones read them as keys.
        from_step = self._task.step > 0
        lines = batch.column(KEY if from_step else VALUE).to_pylist()
        yield from self._begun().add(lines)

    def close(self) -> Iterator[pa.RecordBatch]:
        if not self._has_run and self._task.mapper.kind is not WorkKind.RAW:
            self._begun()  # as mrjob does for an empty file
        yield from self._ended()

    def _begun(self) -> _Stage:
        self._has_run = True
        if self._running is None:
            self._running = _stage(self._task, self._place, self._out)
        return self._running

    def _ended(self) -> Iterator[pa.RecordBatch]:
        running, self._running = self._running, None
        if running is not None:
            yield from running.end()

    def _raw(self, uri: str, data: bytes) -> Iterator[pa.RecordBatch]:
        """Give a whole file to `mapper_raw`."""
        path = Path(self._place.path, "input", uri.rpartition("/")[2] or "input")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        job = self._place.make("mapper", str(path), uri)
        _, write = job.pick_protocols(self._task.step, "mapper")
        yield from self._out.of_pairs(job.map_pairs((), self._task.step), write)
        path.unlink(missing_ok=True)


class _OverSorted(SortedReducer):
    what = ""

    def setup(self) -> None:
        self._task: MRTask = self.context.args.mrjob
        self._place = place_of(self.context)

    def _over(
        self, batches: Iterator[pa.RecordBatch], work: SubStep, out: MROutput
    ) -> Iterator[pa.RecordBatch]:
        """The results of this task for the sorted batches."""
        task, what = self._task, self.what
        separator = task.stream.map_fields.output_separator.encode()

        def lines_of(batch: pa.RecordBatch) -> Iterator[bytes]:
            return joined(batch, separator)

        plain = map(raw_keys, batches)
        lines: Iterator[bytes] = itertools.chain.from_iterable(map(lines_of, plain))
        if work.kind is WorkKind.COMMAND:
            return out.of_lines(piped(lines, work.command, self._place, is_filter=False))
        job = self._place.make(what)
        read, write = job.pick_protocols(task.step, what)
        if work.command:
            lines = piped(lines, work.command, self._place, is_filter=True)
        if (own := own_loop(job, what)) is not None:
            return out.of_pairs(own(map(fast_read(read), lines), task.step), write)
        if task.writes_pairs and not work.command:
            groups = written_groups(plain, read, lines_of)
        else:
            groups = groups_of(map(fast_read(read), lines))
        return out.of_pairs(called(job._get_step(task.step, _step_type()), what, groups), write)


class MRReducer(_OverSorted):
    """A reducer over a partition."""

    what = "reducer"

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        out = MROutput(self._task.stream, shuffled=False)
        return self._over(batches, self._task.reducer, out)


class MRCombiner(_OverSorted):
    """A combiner over each sorted run of a map, if the mapper does not combine itself."""

    what = "combiner"

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        out = MROutput(self._task.stream, shuffled=True)
        return self._over(batches, self._task.combiner, out)


class MRPartitioner(KeyFieldPartitioner):
    """Hadoop's KeyFieldBasedPartitioner, for jobs that ask for it."""

    def setup(self) -> None:
        self.spec = self.context.args.mrjob.stream  # type: ignore[misc]  # of this step only
