from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mrmesos.api import (
    ArrowOutput,
    BatchReducer,
    Count,
    Job,
    Max,
    Min,
    ParquetOutput,
    Reducer,
    Sum,
    pairs,
)
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.output.part_notes import NOTE_SUFFIX
from mrmesos.io.shuffle.segments import CorruptSegmentError
from mrmesos.task.collect.sorted_runs import SortedRun
from mrmesos.task.drivers.progress import Watch
from mrmesos.task.drivers.user_code import TaskError
from mrmesos.task.reduce_task import ReduceResult, run_reduce
from mrmesos.wire.task import ErrorKind
from tests.tasktracker.harness import facts_for, reduce_attempt

Pairs = Iterator[tuple[Any, Any]]
Records = Sequence[tuple[Any, Any]]


class Runs:
    """A source with ready segments: one list of sorted records for each map."""

    def __init__(self, *maps: Records, batch_rows: int = 1000) -> None:
        self._maps = maps
        self._batch_rows = batch_rows

    def runs(self) -> list[SortedRun]:
        return [SortedRun(len(records), 0, partial(self._open, records)) for records in self._maps]

    def _open(self, records: Records) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(records), self._batch_rows):
            batch = records[start : start + self._batch_rows]
            yield encode_pairs([key for key, _ in batch], [value for _, value in batch])

    def fraction(self) -> float:
        return 1.0

    def fetched_bytes(self) -> int:
        return 123

    def requests(self) -> int:
        return 7

    def fetch_failed(self) -> tuple[str, ...]:
        return ()

    def fetch_answered(self) -> tuple[str, ...]:
        return ()


class Total(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield key, sum(values)


def job(reducer: object) -> type[Job]:
    return type("TestJob", (Job,), {"reducer": reducer})


def run(
    tmp_path: Path, reducer: object, source: Runs, watch: Watch | None = None, **facts: Any
) -> ReduceResult:
    cls = job(reducer)
    work = tmp_path / "work"
    work.mkdir()
    made = facts_for(cls, tmp_path / "out", **facts)
    return run_reduce(reduce_attempt(), made, cls(), work, source, watch=watch)


def part(tmp_path: Path) -> bytes:
    name = reduce_attempt().attempt_id
    return (tmp_path / "out" / "_temporary" / name / "part-r-00000").read_bytes()


MAPS: tuple[Records, ...] = ([("a", 1), ("b", 2)], [], [("a", 3), ("c", 4)])


def test_maps_are_merged_and_grouped(tmp_path: Path) -> None:
    done = run(tmp_path, Total, Runs(*MAPS))
    assert part(tmp_path) == b"a\t4\nb\t2\nc\t4\n"
    task = done.counters["task"]
    assert task["REDUCE_INPUT_GROUPS"] == 3
    assert task["REDUCE_INPUT_RECORDS"] == 4
    assert task["REDUCE_OUTPUT_RECORDS"] == 3
    assert task["REDUCE_SHUFFLE_BYTES"] == 123
    assert task["REDUCE_SHUFFLE_REQUESTS"] == 7
    assert task["BYTES_WRITTEN"] == 12


def test_a_reduce_that_waits_for_map_output_is_not_idle(tmp_path: Path) -> None:
    """Maps may run again, and may take longer than task.timeout."""
    watch, pulses = Watch(), []

    class Late(Runs):
        def runs(self) -> list[SortedRun]:
            for _ in range(3):
                snapshot = watch.snapshot()
                assert snapshot is not None
                pulses.append(snapshot.pulse)
            return super().runs()

    run(tmp_path, Total, Late(*MAPS), watch)
    assert len(set(pulses)) == 3
    ended = watch.snapshot()
    assert ended == watch.snapshot()


def test_values_of_a_key_come_in_map_order(tmp_path: Path) -> None:
    class Listed(Reducer):
        def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
            yield key, " ".join(values)

    maps = [[("k", f"{number}{letter}") for letter in "ab"] for number in range(30)]
    run(tmp_path, Listed, Runs(*maps), conf={"io.sort.factor": "4"})
    expected = " ".join(f"{number}{letter}" for number in range(30) for letter in "ab")
    assert part(tmp_path).decode() == f"k\t{expected}\n"


@pytest.mark.parametrize(("maps", "factor"), [(9, 2), (10, 3), (65, 8), (64, 64), (65, 64)])
def test_many_runs_are_merged_in_rounds(tmp_path: Path, maps: int, factor: int) -> None:
    runs = [[(number, index) for number in range(index, 50, 3)] for index in range(maps)]
    done = run(tmp_path, Reducer, Runs(*runs), conf={"io.sort.factor": str(factor)})
    lines = [tuple(map(int, line.split(b"\t"))) for line in part(tmp_path).splitlines()]
    assert lines == sorted(record for run in runs for record in run)
    assert done.counters["task"]["REDUCE_INPUT_RECORDS"] == len(lines)


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (Sum, b"a\t4\nb\t2\nc\t4\n"),
        (Count, b"a\t4\nb\t2\nc\t4\n"),  # partial counts are added
        (Min, b"a\t1\nb\t2\nc\t4\n"),
        (Max, b"a\t3\nb\t2\nc\t4\n"),
    ],
)
def test_aggregates_finish_partial_results(
    tmp_path: Path, aggregate: object, expected: bytes
) -> None:
    done = run(tmp_path, aggregate, Runs(*MAPS))
    assert part(tmp_path) == expected
    assert done.counters["task"]["REDUCE_INPUT_GROUPS"] == 3


def test_a_batch_reducer_sees_whole_groups(tmp_path: Path) -> None:
    class Sums(BatchReducer):
        def reduce_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            assert batch.schema.names == ["key", "value"]
            table = pa.Table.from_batches([batch]).group_by("key", use_threads=False)
            summed = table.aggregate([("value", "sum")]).combine_chunks()
            yield pairs(summed["key"].chunk(0), summed["value_sum"].chunk(0))

        def close(self) -> pa.RecordBatch:
            return pairs(pa.array(["end"]), pa.array([0]))

    maps = [[(number // 7, 1) for number in range(7000)] for _ in range(3)]
    done = run(tmp_path, Sums, Runs(*maps, batch_rows=100))
    lines = part(tmp_path).decode().splitlines()
    assert lines == [f"{number}\t21" for number in range(1000)] + ["end\t0"]
    assert done.counters["task"]["REDUCE_INPUT_GROUPS"] == 1000


def test_values_need_not_be_read(tmp_path: Path) -> None:
    class First(Reducer):
        def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
            if key != "b":
                yield key, next(values)

    maps = [[("a", n) for n in range(5000)] + [("b", 0)] * 5000 + [("c", 7)]]
    run(tmp_path, First, Runs(*maps))
    assert part(tmp_path) == b"a\t0\nc\t7\n"


def test_close_may_yield(tmp_path: Path) -> None:
    class Late(Total):
        def close(self) -> Pairs:
            yield "end", 0

    run(tmp_path, Late, Runs(*MAPS))
    assert part(tmp_path).endswith(b"c\t4\nend\t0\n")


def test_a_reducer_that_raises_names_the_key(tmp_path: Path) -> None:
    class Bad(Reducer):
        def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
            for value in values:
                yield key, 1 // (value - 3)

    with pytest.raises(TaskError) as met:
        run(tmp_path, Bad, Runs(*MAPS))
    error = met.value.error
    assert error.kind is ErrorKind.USER_CODE
    assert error.message.startswith("ZeroDivisionError")
    assert error.where == "reducer Bad, key 'a'"
    assert "yield key, 1 // (value - 3)" in error.detail
    assert "mrmesos/tasktracker" not in error.detail


def test_an_item_that_is_not_a_pair_is_shown_with_its_key(tmp_path: Path) -> None:
    class Odd(Reducer):
        def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[Any]:
            yield sum(values)

    with pytest.raises(TaskError, match=r"Odd\.reduce\(\) yielded 4, which is not a") as met:
        run(tmp_path, Odd, Runs(*MAPS))
    assert met.value.error.where == "reducer Odd, key 'a'"


class Broken(Runs):
    def _open(self, records: Records) -> Iterator[pa.RecordBatch]:
        yield from super()._open(records)
        raise CorruptSegmentError("map output of attempt_x: checksum does not match")


@pytest.mark.parametrize("swallow", [False, True])
def test_trouble_below_the_users_code_is_not_the_users(tmp_path: Path, swallow: bool) -> None:
    class Careless(Reducer):
        def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
            try:
                yield key, sum(values)
            except CorruptSegmentError:
                if not swallow:
                    raise

    with pytest.raises(CorruptSegmentError, match="attempt_x"):
        run(tmp_path, Careless, Broken([("a", 1), ("a", 2)]))


class Odd(enum.Enum):
    KIND = 1


def test_keys_that_do_not_mix_between_maps(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"cannot be sorted together.*\(seen: 'a' and <Odd.KIND"):
        run(tmp_path, Total, Runs([("a", 1)], [(Odd.KIND, 1)]))


@pytest.mark.parametrize("fmt", [ArrowOutput(), ParquetOutput()])
def test_tables_are_written(tmp_path: Path, fmt: Any) -> None:
    import pyarrow.parquet as pq

    run(tmp_path, Total, Runs(*MAPS), output_format=fmt)
    (path,) = (
        path
        for path in (tmp_path / "out" / "_temporary" / reduce_attempt().attempt_id).iterdir()
        if not path.name.endswith(NOTE_SUFFIX)
    )
    if isinstance(fmt, ParquetOutput):
        table = pq.read_table(path)
    else:
        table = pa.ipc.open_file(path).read_all()
    assert table.to_pydict() == {"key": ["a", "b", "c"], "value": [4, 2, 4]}


def test_progress_rises_by_thirds(tmp_path: Path) -> None:
    watch = Watch()
    seen: list[float] = []

    class Look(Reducer):
        def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
            snapshot = watch.snapshot()
            assert snapshot is not None
            seen.append(snapshot.progress)
            assert snapshot.position == "reducing with Look"
            assert snapshot.fetched
            yield key, sum(values)

    class Fetching(Runs):
        def runs(self) -> list[SortedRun]:
            snapshot = watch.snapshot()
            assert snapshot is not None
            seen.append(snapshot.progress)
            assert not snapshot.fetched
            return super().runs()

        def fraction(self) -> float:
            return 0.5

    run(tmp_path, Look, Fetching([(n, n) for n in range(3000)], batch_rows=1000), watch=watch)
    assert seen[0] == pytest.approx(1 / 6)
    assert seen == sorted(seen)
    assert 2 / 3 < seen[1] < seen[-1] <= 1.0
