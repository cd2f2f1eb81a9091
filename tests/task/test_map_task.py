from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mrmesos.api import (
    Aggregate,
    BatchMapper,
    FileSlice,
    Job,
    Mapper,
    Partitioner,
    Reducer,
    Split,
    Sum,
    TextInput,
    aggregates,
    pairs,
)
from mrmesos.io.columns.encode import decode_batch
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.shuffle.index import INDEX_FILE, OUTPUT_FILE, MapOutputIndex
from mrmesos.io.shuffle.segments import Segment, read_segment
from mrmesos.task.drivers.progress import Watch, spilled_bytes
from mrmesos.task.drivers.user_code import TaskError
from mrmesos.task.map_task import MapResult, run_map
from mrmesos.wire.ids import TaskKind, attempt_id
from mrmesos.wire.task import Attempt, ErrorKind, MapTask
from tests.tasktracker.harness import JOB_ID, facts_for, map_attempt

Pairs = Iterator[tuple[Any, Any]]


class Tokenize(Mapper):
    def map(self, key: int, line: str) -> Pairs:
        for word in line.split():
            yield word, 1


class Lines(Mapper):
    def map(self, key: int, line: str) -> Pairs:
        yield line, 1


class Total(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield key, sum(values)


def job(mapper: type[Mapper] | type[BatchMapper], **more: object) -> type[Job]:
    return type("TestJob", (Job,), {"mapper": mapper, "reducer": Total, **more})


def run(tmp_path: Path, cls: type[Job], text: str | bytes, **facts: Any) -> MapResult:
    path = tmp_path / "input.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    work = tmp_path / "work"
    work.mkdir()
    made = facts_for(cls, tmp_path / "out", **facts)
    return run_map(map_attempt(path), made, cls(), work)


def failure(tmp_path: Path, cls: type[Job], text: str | bytes, **facts: Any) -> TaskError:
    with pytest.raises(TaskError) as met:
        run(tmp_path, cls, text, **facts)
    assert list((tmp_path / "work").iterdir()) == []
    return met.value


def output(tmp_path: Path) -> list[list[tuple[Any, Any]]]:
    """The records of each partition."""
    index = MapOutputIndex.read(tmp_path / "work" / INDEX_FILE)
    partitions = []
    for segment in index.segments:
        found: list[tuple[Any, Any]] = []
        for batch in read_segment(tmp_path / "work" / OUTPUT_FILE, Segment(*segment)):
            found += zip(*decode_batch(batch), strict=True)
        partitions.append(found)
    return partitions


def test_output_is_partitioned_and_sorted(tmp_path: Path) -> None:
    done = run(tmp_path, job(Tokenize), "b a c\nd a\n", num_reducers=3)
    partitions = output(tmp_path)
    assert sorted(pair for part in partitions for pair in part) == [
        ("a", 1),
        ("a", 1),
        ("b", 1),
        ("c", 1),
        ("d", 1),
    ]
    assert all(part == sorted(part) for part in partitions)
    assert done.counters["task"]["MAP_INPUT_RECORDS"] == 2
    assert done.counters["task"]["MAP_INPUT_BYTES"] == 10
    assert done.counters["task"]["MAP_OUTPUT_RECORDS"] == 5


@pytest.mark.parametrize(
    "more", [{"combiner": Total}, {"reducer": Sum}], ids=["combiner", "aggregate"]
)
def test_equal_keys_are_folded(tmp_path: Path, more: dict[str, object]) -> None:
    text = "a rose is a rose\n" * 5000
    done = run(tmp_path, job(Tokenize, **more), text, num_reducers=1)
    (found,) = output(tmp_path)
    assert sorted(found) == [("a", 10000), ("is", 5000), ("rose", 10000)]
    assert done.counters["task"]["MAP_OUTPUT_RECORDS"] == 25_000
    assert done.counters["task"]["SPILLED_RECORDS"] == 3


@pytest.mark.parametrize("reducer", [Total, Sum])
def test_output_within_its_raw_bytes_is_not_compressed(
    tmp_path: Path, reducer: type[Reducer]
) -> None:
    source = tmp_path / "input.txt"
    source.write_text("".join(f"the same beginning {number}\n" for number in range(5000)))
    cls = job(Lines, reducer=reducer)
    sizes = []
    for raw_bytes in (0, 10_000, 1 << 20):
        work = tmp_path / f"work-{raw_bytes}"
        work.mkdir()
        facts = facts_for(cls, tmp_path / "out", num_reducers=1)
        run_map(map_attempt(source), facts, cls(), work, raw_bytes=raw_bytes)
        sizes.append((work / OUTPUT_FILE).stat().st_size)
    assert sizes[0] == sizes[1] < 0.67 * sizes[2]


@pytest.mark.parametrize("key", [None, 3, 2.5, True, b"x", ("a", 1), [1, 2], "x"])
def test_keys_of_any_type_are_folded(tmp_path: Path, key: object) -> None:
    class Same(Mapper):
        def map(self, offset: int, line: str) -> Pairs:
            yield key, 1
            yield key, 2

    variants: list[dict[str, object]] = [{"combiner": Total}, {"reducer": Sum}]
    for number, more in enumerate(variants):
        place = tmp_path / str(number)
        place.mkdir()
        run(place, job(Same, **more), "x\ny\n", num_reducers=1)
        assert output(place) == [[(key, 6)]]


def test_a_mapper_that_raises_names_file_offset_and_record(tmp_path: Path) -> None:
    class Picky(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            if line == "three":
                raise ValueError("bad record")
            yield line, 1

    error = failure(tmp_path, job(Picky), "one\ntwo\nthree\nfour\n").error
    assert error.kind is ErrorKind.USER_CODE
    assert error.message == "ValueError: bad record"
    assert error.where == f"{tmp_path}/input.txt offset 8"
    assert error.record == "'three'"
    assert 'raise ValueError("bad record")' in error.detail
    assert "mrmesos/tasktracker" not in error.detail
    assert "records.py" not in error.detail


def test_an_error_in_a_plain_function_has_its_place_too(tmp_path: Path) -> None:
    class Picky(Mapper):
        def map(self, key: int, line: str) -> list[tuple[str, int]]:
            return [(line, 10 // int(line))]

    error = failure(tmp_path, job(Picky), "5\n1\n0\n3\n").error
    assert error.message.startswith("ZeroDivisionError")
    assert error.where.endswith("offset 4")


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ("word", "'word', which is not a (key, value) pair"),
        ("ab", "'ab', which is not"),
        (("a", 1, 2), "('a', 1, 2), which is not a (key, value) pair but a tuple of 3"),
        (None, "None, which is not"),
        (7, "7, which is not"),
        ({"a": 1, "b": 2}, "{'a': 1, 'b': 2}, which is not"),
    ],
)
def test_an_item_that_is_not_a_pair_is_shown_with_its_record(
    tmp_path: Path, item: object, shown: str
) -> None:
    class Odd(Mapper):
        def map(self, key: int, line: str) -> Iterator[Any]:
            yield line, 1
            if line == "x5000":
                yield item

    text = "".join(f"x{number:04d}\n" for number in range(9000))
    error = failure(tmp_path, job(Odd), text).error
    assert f"Odd.map() yielded {shown}" in error.message
    assert error.where.endswith("offset 30000")
    assert error.record == "'x5000'"


def test_returning_one_pair_instead_of_yielding_it_is_explained(tmp_path: Path) -> None:
    class Returns(Mapper):
        def map(self, key: int, line: str) -> Any:
            return line, 1

    error = failure(tmp_path, job(Returns), "word\n").error
    assert "does map() return one pair instead of yielding it?" in error.message


def test_returning_what_cannot_be_iterated_is_explained(tmp_path: Path) -> None:
    class Returns(Mapper):
        def map(self, key: int, line: str) -> Any:
            return 5

    error = failure(tmp_path, job(Returns), "word\n").error
    assert "'int' object is not iterable" in error.message
    assert "Returns.map()" in error.message
    assert error.where.endswith("offset 0")


def test_a_map_of_too_few_arguments_is_explained(tmp_path: Path) -> None:
    class Few(Mapper):
        def map(self, line: str) -> Pairs:  # type: ignore[override]  # what the test is about
            yield line, 1

    error = failure(tmp_path, job(Few), "word\n").error
    assert "takes 2 positional arguments but 3 were given" in error.message
    assert "Few.map() takes a key and a value" in error.message


def test_map_may_return_none_or_any_iterable(tmp_path: Path) -> None:
    class Some(Mapper):
        def map(self, key: int, line: str) -> Any:
            if line == "none":
                return None
            return [] if line == "empty" else {(line, 1): 0}

    run(tmp_path, job(Some), "none\nempty\nx\n", num_reducers=1)
    assert output(tmp_path) == [[("x", 1)]]


def test_the_context_knows_the_record(tmp_path: Path) -> None:
    class Where(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            before = self.context.input_offset
            yield (Path(self.context.input_uri).name, key), before
            yield (Path(self.context.input_uri).name, key), self.context.input_offset

    slices, expected = [], []
    for name, text in (("a", "1\n22\n\n333"), ("b", "x\n" * 3)):
        path = tmp_path / name
        path.write_text(text)
        slices.append(FileSlice(str(path), 0, len(text)))
        offset = 0
        for line in text.splitlines():
            expected += [((name, offset), offset)] * 2
            offset += len(line) + 1
    cls = job(Where)
    split = Split(tuple(slices), 20)
    name = attempt_id(JOB_ID, TaskKind.MAP, 0, 0)
    attempt = Attempt(attempt_id=name, job_id=JOB_ID, slot_id="", task=MapTask(split))
    (tmp_path / "work").mkdir()
    run_map(attempt, facts_for(cls, tmp_path / "out", num_reducers=1), cls(), tmp_path / "work")
    assert output(tmp_path) == [expected]


def test_files_that_share_a_batch_keep_their_names_in_errors(tmp_path: Path) -> None:
    class Picky(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            yield int(line), 1

    slices = []
    for number in range(5):
        text = "1\n2\n" if number != 3 else "1\nnone\n"
        (tmp_path / f"file-{number}").write_text(text)
        slices.append(FileSlice(str(tmp_path / f"file-{number}"), 0, len(text)))
    name = attempt_id(JOB_ID, TaskKind.MAP, 0, 0)
    task = MapTask(Split(tuple(slices), 23))
    attempt = Attempt(attempt_id=name, job_id=JOB_ID, slot_id="", task=task)
    (tmp_path / "work").mkdir()
    cls = job(Picky)
    with pytest.raises(TaskError) as caught:
        run_map(attempt, facts_for(cls, tmp_path / "out", num_reducers=1), cls(), tmp_path / "work")
    assert caught.value.error.where.endswith("/file-3 offset 2")
    assert caught.value.error.record == "'none'"


def test_facts_parameters_counters_setup_and_close(tmp_path: Path) -> None:
    class All(Mapper):
        def setup(self) -> None:
            self.lines = 0
            self.factor = int(self.context.params["factor"])

        def map(self, key: int, line: str) -> None:
            self.lines += 1
            self.context.count("mine", "lines")

        def close(self) -> Pairs:
            yield self.context.facts.attempt_id, self.lines * self.factor

    done = run(tmp_path, job(All), "a\nb\nc\n", num_reducers=1, conf={"factor": "7"})
    assert output(tmp_path) == [[(map_attempt(tmp_path / "input.txt").attempt_id, 21)]]
    assert done.counters["mine"] == {"lines": 3}


def test_an_error_in_close_says_so(tmp_path: Path) -> None:
    class Late(Tokenize):
        def close(self) -> Pairs:
            yield "x", 1
            raise RuntimeError("too late")

    error = failure(tmp_path, job(Late), "a\n").error
    assert (error.message, error.where) == ("RuntimeError: too late", "Late.close()")


def test_a_custom_partitioner_decides(tmp_path: Path) -> None:
    class ByLength(Partitioner):
        def partition(self, key: str, num_partitions: int) -> int:
            return len(key) % num_partitions

    run(tmp_path, job(Tokenize, partitioner=ByLength), "a bb cc d eee\n", num_reducers=2)
    assert output(tmp_path) == [[("bb", 1), ("cc", 1)], [("a", 1), ("d", 1), ("eee", 1)]]


@pytest.mark.parametrize("given", [-1, 2, "1", None, 1.0])
def test_a_partition_out_of_range_is_refused(tmp_path: Path, given: Any) -> None:
    class Off(Partitioner):
        def partition(self, key: str, num_partitions: int) -> int:
            return given if key == "b" else 0

    error = failure(tmp_path, job(Tokenize, partitioner=Off), "a b\n").error
    assert f"Off.partition() returned {given!r}; it must return an int from 0 to 1" in error.message
    assert error.where == "partitioner Off, key 'b'"


def test_a_partitioner_that_raises_names_the_key(tmp_path: Path) -> None:
    class Raises(Partitioner):
        def partition(self, key: str, num_partitions: int) -> int:
            return {"a": 0}[key]

    error = failure(tmp_path, job(Tokenize, partitioner=Raises), "a b\n").error
    assert error.message == "KeyError: 'b'"
    assert error.where == "partitioner Raises, key 'b'"


def test_keys_that_cannot_be_sorted_together_name_both(tmp_path: Path) -> None:
    class Mixed(Mapper):
        def map(self, key: int, line: str) -> Iterator[tuple[Any, int]]:
            yield (line, 1) if line.isalpha() else (complex(line), 1)

    error = failure(tmp_path, job(Mixed), "b\na\n1\n").error
    assert "complex and str" in error.message
    assert "(seen: (1+0j) and 'b')" in error.message
    assert "input.txt" in error.where


def test_a_combiner_that_raises_names_the_key(tmp_path: Path) -> None:
    class Bad(Reducer):
        def reduce(self, key: str, values: Iterator[int]) -> Pairs:
            if key == "rose":
                raise ValueError("thorn")
            yield key, sum(values)

    error = failure(tmp_path, job(Tokenize, combiner=Bad), "a rose is a rose\n" * 9).error
    assert error.message == "ValueError: thorn"
    assert error.where == "combiner Bad, key 'rose'"


def test_a_combiner_cannot_yield_at_its_end(tmp_path: Path) -> None:
    class Late(Total):
        def close(self) -> Pairs:
            yield "end", 1

    error = failure(tmp_path, job(Tokenize, combiner=Late), "a\n").error
    assert "Late.close() yields records, which a combiner cannot" in error.message


def test_a_batch_mapper_sees_and_yields_batches(tmp_path: Path) -> None:
    class Upper(BatchMapper):
        def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            import pyarrow.compute as pc

            assert Path(self.context.input_uri).name == "input.txt"
            assert self.context.input_offset == 0
            values = pc.utf8_upper(batch.column("value"))
            yield pairs(values.dictionary_encode(), batch.column("key"))

        def close(self) -> pa.RecordBatch:
            return pairs(pa.array(["END"]), pa.array([-1]))

    run(tmp_path, job(Upper), "b\na\n", num_reducers=1)
    assert output(tmp_path) == [[("A", 2), ("B", 0), ("END", -1)]]


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        ("x", "yielded 'x', which is not a pyarrow.RecordBatch"),
        (pa.record_batch({"word": ["a"], "n": [1]}), r"with the columns ['word', 'n']"),
    ],
)
def test_a_batch_mapper_that_yields_something_else(
    tmp_path: Path, made: object, complaint: str
) -> None:
    class Odd(BatchMapper):
        def map_batch(self, batch: pa.RecordBatch) -> Iterator[Any]:
            yield made

    error = failure(tmp_path, job(Odd), "a\n").error
    assert complaint in error.message
    assert error.where.endswith("/input.txt offset 0")


def test_a_map_only_job_writes_its_part(tmp_path: Path) -> None:
    done = run(tmp_path, job(Tokenize, reducer=None), "b a\n", num_reducers=0)
    name = map_attempt(tmp_path / "input.txt").attempt_id
    part = tmp_path / "out" / "_temporary" / name / "part-m-00000"
    assert part.read_bytes() == b"b\t1\na\t1\n"
    assert done.counters["task"]["BYTES_WRITTEN"] == 8


def test_bad_input_is_an_input_error(tmp_path: Path) -> None:
    cls = job(Tokenize, input_format=TextInput(errors="strict"))
    with pytest.raises(InputError, match=r"input\.txt"):
        run(tmp_path, cls, b"fine\n\xff\n")
    assert list((tmp_path / "work").iterdir()) == []


def test_one_record_may_yield_more_than_memory_should_hold(tmp_path: Path) -> None:
    class Many(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            for number in range(int(line)):
                yield number % 10, "x" * 1000

    class Count(Reducer):
        def reduce(self, key: int, values: Iterator[Any]) -> Pairs:
            yield key, sum(1 if isinstance(value, str) else value for value in values)

    done = run(tmp_path, job(Many, combiner=Count), "200000\n", num_reducers=1)
    assert output(tmp_path) == [[(digit, 20_000) for digit in range(10)]]
    assert done.counters["task"]["MAP_OUTPUT_RECORDS"] == 200_000


def test_progress_follows_the_records(tmp_path: Path) -> None:
    watch = Watch()
    seen: list[tuple[float, str]] = []

    class Look(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            snapshot = watch.snapshot()
            assert snapshot is not None
            seen.append((snapshot.progress, snapshot.position))
            yield line, 1

    path = tmp_path / "input.txt"
    path.write_text("0123456\n" * 10)
    (tmp_path / "work").mkdir()
    cls = job(Look)
    run_map(
        map_attempt(path), facts_for(cls, tmp_path / "o"), cls(), tmp_path / "work", watch=watch
    )
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == pytest.approx(0.1)
    assert fractions[-1] == pytest.approx(1.0)
    assert seen[3][1] == f"reading {path} near offset 24"


def test_writing_runs_counts_as_activity(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_bytes(b"printed")
    assert spilled_bytes(tmp_path) == 0
    (tmp_path / "spill-0.data").write_bytes(b"12345")
    assert spilled_bytes(tmp_path) == 5


@pytest.mark.parametrize("reducer", [Sum, aggregates.Count], ids=["sum", "count"])
@pytest.mark.parametrize("value", [1, 1 << 52, 1.5, True], ids=repr)
def test_aggregates_add_up(tmp_path: Path, reducer: type[Aggregate], value: float) -> None:
    class Few(Mapper):
        def map(self, offset: int, line: str) -> Pairs:
            yield None if int(line) % 4 == 0 else f"k{int(line) % 4}", value

    text = "".join(f"{number}\n" for number in range(1200))
    run(tmp_path, job(Few, reducer=reducer), text, num_reducers=1)
    total = 300 * (1 if reducer is aggregates.Count else value)
    (found,) = output(tmp_path)
    assert dict(found) == dict.fromkeys((None, "k1", "k2", "k3"), total)
    assert len(found) == 4


def test_sums_of_keys_that_differ_are_folded_at_last(tmp_path: Path) -> None:
    """If folding one batch alone does not pay, its records wait for more batches."""

    class Many(BatchMapper):
        def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            keys = np.arange(1 << 20)
            for _ in range(2):
                yield pairs(pa.array(keys), pa.array(keys))

    done = run(tmp_path, job(Many, reducer=Sum), "x\n", num_reducers=1)
    (found,) = output(tmp_path)
    assert sorted(found) == [(number, 2 * number) for number in range(1 << 20)]
    assert done.counters["task"]["MAP_OUTPUT_RECORDS"] == 1 << 21
