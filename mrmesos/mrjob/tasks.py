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
from mrmesos.mrjob.codec import Pair, fast_read, fast_write
from mrmesos.mrjob.command import Command, piped
from mrmesos.mrjob.groups import called, pairs_of, reduced
from mrmesos.mrjob.lines import BATCH_LINES, cutter, joined, keyed, whole
from mrmesos.mrjob.pairs import Combining, Encoding
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
        read, write = job.pick_protocols(task.step, "mapper")
        self._read = fast_read(read)
        self._mapper, self._final = step["mapper"], step["mapper_final"]
        self._into: Encoding | Combining = Encoding(write)
        if task.combines_in_mapper:
            read_back, write_back = place.make("combiner").pick_protocols(task.step, "combiner")
            cut = cutter(task.stream.map_fields)
            self._into = Combining(
                read_back,
                write_back,
                _combiner(task, place),
                lambda line: cut(line)[0],
                in_order=bool(step["combiner_init"] or step["combiner_final"]),
            )
        self._init = step["mapper_init"]

    def add(self, lines: list[bytes]) -> Iterable[bytes]:
        yield from self._begin()
        records = map(self._read, [line.rstrip(b"\r\n") for line in lines])
        yielded = filter(None, itertools.starmap(self._mapper, records))
        yield from self._into.take(itertools.chain.from_iterable(yielded))

    def _begin(self) -> Iterable[bytes]:
        init, self._init = self._init, None
        return () if init is None else self._into.take(init() or ())

    def end(self) -> Iterable[bytes]:
        yield from self._begin()
        if self._final is not None:
            yield from self._into.take(self._final() or ())
        yield from self._into.end()


def _combiner(
    task: MRTask, place: TaskPlace
) -> Callable[[Iterator[tuple[Any, Iterator[Any]]]], Iterator[Pair]]:
    """Runs the combiner of a new object over groups, as a task of mrjob would."""

    def run(groups: Iterator[tuple[Any, Iterator[Any]]]) -> Iterator[Pair]:
        step = place.make("combiner")._get_step(task.step, _step_type())
        return called(step, "combiner", groups)

    return run


class _Filtered:
    """Runs a command before another stage; without one, the command is the mapper."""

    def __init__(self, command: str, place: TaskPlace, then: _Stage | None) -> None:
        self._command = Command(command, place, is_filter=then is not None)
        self._then: _Stage = then or _Identity()

    def add(self, lines: list[bytes]) -> Iterable[bytes]:
        yield from self._then.add([*self._command.add(lines)])

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
        return with_codes(keyed(lines, self._stream.map_fields), self._stream)


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

        def lines_of(batch: pa.RecordBatch) -> Iterator[bytes]:
            return joined(batch, separator)

        plain = map(raw_keys, batches)
        lines = itertools.chain.from_iterable(map(lines_of, plain))
        if work.kind is WorkKind.COMMAND:
            return piped(lines, work.command, self._place, is_filter=False)
        job = self._place.make(what)
        read, write = job.pick_protocols(task.step, what)
        pairs: Iterator[Pair]
        if work.command:
            pairs = map(fast_read(read), piped(lines, work.command, self._place, is_filter=True))
        elif task.writes_pairs:
            pairs = pairs_of(plain, read, lines_of)
        else:
            pairs = map(fast_read(read), lines)
        step = job._get_step(task.step, _step_type())
        return itertools.starmap(fast_write(write), reduced(job, step, task.step, what, pairs))


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
