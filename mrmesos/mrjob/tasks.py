"""The mapper, combiner and reducer of a step of an MRJob."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from mrmesos.api.context import Context
from mrmesos.api.tasks import BatchMapper, SortedReducer
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.mrjob.command import Command, piped
from mrmesos.mrjob.lines import BATCH_LINES, cutter, joined, keyed, whole
from mrmesos.mrjob.pairs import Combining, Encoding, Pair
from mrmesos.mrjob.place import TaskPlace, place_of
from mrmesos.mrjob.task import MRTask, WorkKind
from mrmesos.streaming.keys import KeyFieldPartitioner, raw_keys, with_codes


class _Stage(Protocol):
    """Turns lines of a file into lines. `end` comes once, after all lines."""

    def add(self, lines: list[bytes]) -> Iterable[bytes]: ...

    def end(self) -> Iterable[bytes]: ...


class _Identity:
    def add(self, lines: list[bytes]) -> Iterable[bytes]:
        return lines

    def end(self) -> Iterable[bytes]:
        return ()


class _Script:
    """Calls the mapper of the job class."""

    def __init__(self, task: MRTask, place: TaskPlace) -> None:
        job = place.make("mapper")
        step = job._get_step(task.step, _step_type())
        self._read, write = job.pick_protocols(task.step, "mapper")
        self._mapper, self._final = step["mapper"], step["mapper_final"]
        self._into: Encoding | Combining = Encoding(write)
        if task.combines_in_mapper:
            read_back, write_back = place.make("combiner").pick_protocols(task.step, "combiner")
            cut = cutter(task.stream.map_fields)
            self._into = Combining(
                read_back, write_back, _combiner(task, place), lambda line: cut(line)[0]
            )
        if (init := step["mapper_init"]) is not None:
            self._into.take(init() or ())

    def add(self, lines: list[bytes]) -> Iterable[bytes]:
        records = map(self._read, [line.rstrip(b"\r\n") for line in lines])
        yielded = filter(None, itertools.starmap(self._mapper, records))
        self._into.take(itertools.chain.from_iterable(yielded))
        return self._into.lines()

    def end(self) -> Iterable[bytes]:
        if self._final is not None:
            self._into.take(self._final() or ())
        return self._into.lines(at_end=True)


def _combiner(
    task: MRTask, place: TaskPlace
) -> Callable[[Iterator[tuple[Any, list[Any]]]], Iterator[Pair]]:
    """Runs the combiner of a new object over groups, as a task of mrjob would."""

    def run(groups: Iterator[tuple[Any, list[Any]]]) -> Iterator[Pair]:
        step = place.make("combiner")._get_step(task.step, _step_type())
        if (init := step["combiner_init"]) is not None:
            yield from init() or ()
        combine = step["combiner"]
        for key, values in groups:
            yield from combine(key, iter(values)) or ()
        if (final := step["combiner_final"]) is not None:
            yield from final() or ()

    return run


class _Filtered:
    """Runs a command before another stage; without one, the command is the mapper."""

    def __init__(self, command: str, place: TaskPlace, then: _Stage | None) -> None:
        self._command = Command(command, place, is_filter=then is not None)
        self._then: _Stage = then or _Identity()

    def add(self, lines: list[bytes]) -> Iterable[bytes]:
        return self._then.add([*self._command.add(lines)])

    def end(self) -> Iterable[bytes]:
        yield from self._then.add([*self._command.end()])
        yield from self._then.end()


def _step_type() -> Any:
    from mrjob.step import MRStep  # only here: mrjob is an optional extra

    return MRStep


def _stage(task: MRTask, place: TaskPlace) -> _Stage:
    match task.mapper.kind:
        case WorkKind.COMMAND:
            return _Filtered(task.mapper.command, place, None)
        case WorkKind.SCRIPT if task.mapper.command:
            return _Filtered(task.mapper.command, place, _Script(task, place))
        case WorkKind.SCRIPT:
            return _Script(task, place)
    return _Identity()


class _Out:
    """Makes columns of lines: for the shuffle, or for the output."""

    def __init__(self, task: MRTask, context: Context) -> None:
        self._stream = task.stream
        self._cut = cutter(task.stream.map_fields)
        self._shuffled = context.facts.num_reducers > 0

    def batches(self, lines: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        """The lines, in batches."""
        rest = iter(lines)
        while some := [*itertools.islice(rest, BATCH_LINES)]:
            yield self.batch(some)

    def batch(self, lines: list[bytes]) -> pa.RecordBatch:
        """A batch of these lines."""
        if not self._shuffled:
            return whole(lines)
        return with_codes(keyed(lines, self._cut), self._stream)


class MRMapper(BatchMapper):
    """A mapper. Each input file has a new object of the job class, as in mrjob."""

    def setup(self) -> None:
        self._task: MRTask = self.context.args.mrjob
        self._place = place_of(self.context)
        self._out = _Out(self._task, self.context)
        self._running: _Stage | None = None
        self._uri = ""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        if self.context.input_uri != self._uri:
            yield from self.close()
            self._uri = self.context.input_uri
            self._place.reads(self._uri)
        if self._task.mapper.kind is WorkKind.RAW:
            for uri, data in zip(batch[KEY].to_pylist(), batch[VALUE].to_pylist(), strict=True):
                yield from self._out.batches(self._raw(uri, data))
            return
        if self._running is None:
            self._running = _stage(self._task, self._place)
        # The first step reads lines as values; later ones read them as keys.
        from_step = self._task.step > 0
        lines = batch.column(KEY if from_step else VALUE).to_pylist()
        yield from self._out.batches(self._running.add(lines))

    def close(self) -> Iterator[pa.RecordBatch]:
        running, self._running = self._running, None
        if running is not None:
            yield from self._out.batches(running.end())

    def _raw(self, uri: str, data: bytes) -> Iterator[bytes]:
        """Give a whole file to `mapper_raw`."""
        path = Path(self._place.path, "input", uri.rpartition("/")[2] or "input")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        job = self._place.make("mapper", str(path), uri)
        _, write = job.pick_protocols(self._task.step, "mapper")
        for key, value in job.map_pairs((), self._task.step):
            yield write(key, value)
        path.unlink(missing_ok=True)


class _OverSorted(SortedReducer):
    what = ""

    def setup(self) -> None:
        self._task: MRTask = self.context.args.mrjob
        self._place = place_of(self.context)

    def _lines(self, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
        """The lines of the sorted batches, after what this task does with them."""
        task, what = self._task, self.what
        work = task.combiner if what == "combiner" else task.reducer
        separator = task.stream.map_fields.output_separator.encode()
        lines: Iterator[bytes] = itertools.chain.from_iterable(
            joined(raw_keys(batch), separator) for batch in batches
        )
        if work.kind is WorkKind.COMMAND:
            return piped(lines, work.command, self._place, is_filter=False)
        if work.command:
            lines = piped(lines, work.command, self._place, is_filter=True)
        job = self._place.make(what)
        read, write = job.pick_protocols(task.step, what)
        run = job.combine_pairs if what == "combiner" else job.reduce_pairs
        return itertools.starmap(write, run(map(read, lines), task.step))


class MRReducer(_OverSorted):
    """A reducer over a partition."""

    what = "reducer"

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lines = self._lines(batches)
        while some := [*itertools.islice(lines, BATCH_LINES)]:
            yield whole(some)


class MRCombiner(_OverSorted):
    """A combiner over each sorted run of a map, where the mapper does not combine itself."""

    what = "combiner"

    def setup(self) -> None:
        super().setup()
        self._out = _Out(self._task, self.context)

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return self._out.batches(self._lines(batches))


class MRPartitioner(KeyFieldPartitioner):
    """Hadoop's KeyFieldBasedPartitioner, where the job asks for it."""

    def setup(self) -> None:
        self.spec = self.context.args.mrjob.stream  # type: ignore[misc]  # of this step only
