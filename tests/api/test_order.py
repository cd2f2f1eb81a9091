"""Total order, secondary sort and aggregates, through maps, shuffle files and reduces."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.api import (
    BatchMapper,
    BatchReducer,
    Count,
    CountDistinct,
    Job,
    JobError,
    Mapper,
    Mean,
    Reducer,
    Sum,
    TopK,
    TotalOrder,
    pairs,
)
from mrmesos.api.formats import Source, TextInput
from mrmesos.conf import Conf
from mrmesos.local.run_job import run_job
from mrmesos.task.sampling import find_cut_points
from tests.io.keys import canonical, key_lists, order


class Unpickle(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[Any, Any]]:
        yield pickle.loads(base64.b64decode(line))


def pickled(records: list[tuple[Any, Any]]) -> list[str]:
    return [base64.b64encode(pickle.dumps(record)).decode() for record in records]


class Collect(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, list(values)


class Sorted(Job):
    mapper, reducer, partitioner = Unpickle, Reducer, TotalOrder


class SecondarySort(Job):
    mapper, reducer, sort_values = Unpickle, Collect, True


class ByFirstField(Job):
    mapper, reducer, grouping_fields = Unpickle, Collect, 1


RECORDS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), st.none() | st.integers(-3, 3)), max_size=40
)


@settings(max_examples=40, deadline=None)
@given(key_lists(40), st.integers(1, 4), st.integers(1, 5))
def test_all_part_files_together_are_in_order(keys: list[Any], splits: int, reduces: int) -> None:
    lines = pickled([(key, row) for row, key in enumerate(keys)])
    result = run_job(Sorted, lines, splits=splits, num_reducers=reduces)
    rows = sorted(range(len(keys)), key=lambda row: order(keys[row]))
    assert [value for _, value in result.records] == rows
    assert [canonical(key) for key, _ in result.records] == [canonical(keys[row]) for row in rows]


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.integers(1, 4), st.integers(1, 3))
def test_values_come_in_order(records: list[Any], splits: int, reduces: int) -> None:
    result = run_job(SecondarySort, pickled(records), splits=splits, num_reducers=reduces)
    groups: dict[Any, list[Any]] = {}
    for key, value in records:
        groups.setdefault(key, []).append(value)
    assert dict(result.records) == {
        key: sorted(values, key=order) for key, values in groups.items()
    }
    assert len(result.records) == len(groups)


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.integers(1, 4), st.integers(1, 3), st.sampled_from([None, TotalOrder]))
def test_groups_of_the_first_field(
    records: list[Any], splits: int, reduces: int, partitioner: type[TotalOrder] | None
) -> None:
    class Grouped(ByFirstField):
        pass

    if partitioner is not None:
        Grouped.partitioner = partitioner
    lines = pickled([(pair, row) for row, pair in enumerate(records)])
    result = run_job(Grouped, lines, splits=splits, num_reducers=reduces)
    rows = sorted(range(len(records)), key=lambda row: (order(records[row]), row))
    groups: dict[Any, tuple[Any, list[int]]] = {}
    for row in rows:
        groups.setdefault(records[row][0], (records[row], []))[1].append(row)
    if partitioner is not None:
        assert result.records == list(groups.values())
    assert dict(result.records) == dict(groups.values())


def test_both_at_once_and_the_groups_come_whole_to_a_batch_reducer() -> None:
    class Batches(BatchReducer):
        def reduce_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            assert batch.schema.names == ["key", "value"]
            yield batch

    class Both(Job):
        mapper, reducer = Unpickle, Batches
        sort_values, grouping_fields = True, 1

    records = [(("a", 2), 5), (("a", 1), 9), (("b", 0), 1), (("a", 1), 3), (("a", 2), 1)]
    result = run_job(Both, pickled(records), num_reducers=1)
    assert result.records == sorted(records)


@settings(max_examples=30, deadline=None)
@given(RECORDS, st.integers(1, 4), st.integers(1, 3))
def test_aggregates_end_to_end(records: list[Any], splits: int, reduces: int) -> None:
    groups: dict[Any, list[Any]] = {}
    for key, value in records:
        groups.setdefault(key, []).extend([] if value is None else [value])
    expected: dict[Any, Any] = {
        CountDistinct: {key: len(set(some)) for key, some in groups.items()},
        Mean: {key: sum(some) / len(some) if some else None for key, some in groups.items()},
        TopK.of(2): {key: sorted(some, reverse=True)[:2] for key, some in groups.items()},
    }
    for aggregate, results in expected.items():

        class Fold(Job):
            mapper, reducer = Unpickle, aggregate

        result = run_job(
            Fold, pickled(records), conf={"io.sort.mb": 1}, splits=splits, num_reducers=reduces
        )
        assert dict(result.records) == results
        assert len(result.records) == len(groups)


class Words(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        fields = pc.split_pattern(batch.column("value"), " ")
        yield pairs(pc.list_element(fields, 0), pc.list_element(fields, 1))


def test_repeated_pairs_do_not_travel() -> None:
    class Distinct(Job):
        mapper, reducer = Words, CountDistinct

    lines = [f"k{row % 3} v{row % 7}" for row in range(5000)]
    result = run_job(Distinct, lines, splits=2)
    assert sorted(result.records) == [("k0", 7), ("k1", 7), ("k2", 7)]
    task = result.counters["task"]
    assert task["REDUCE_INPUT_RECORDS"] == 2 * 21
    assert task["COMBINE_OUTPUT_RECORDS"] < 5000


def test_values_without_order_are_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match="cannot be sorted; yield values of one type"):
        run_job(SecondarySort, pickled([("a", {1}), ("a", 2)]), splits=1)
    with pytest.raises(TypeError, match="grouping_fields = 1 keys are tuples"):
        run_job(ByFirstField, pickled([("a", 1)]), splits=1)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"sort_values": 1}, "not True or False"),
        ({"grouping_fields": 0}, "not a number of fields"),
        ({"sort_values": True, "combiner": Collect}, "has a combiner"),
        ({"sort_values": True, "reducer": Sum}, "needs no order"),
        ({"sort_values": True, "reducer": None}, "nothing is sorted"),
        (
            {"grouping_fields": 1, "reducer": CountDistinct},
            "^Wrong groups by the first fields of keys, but CountDistinct counts distinct values "
            "by whole keys; yield keys of these fields only$",
        ),
        ({"reducer": TopK.of(0)}, "not a number of values"),
    ],
)
def test_what_makes_no_sense_is_refused(attributes: dict[str, Any], words: str) -> None:
    base = {"mapper": Unpickle, "reducer": Collect}
    with pytest.raises(JobError, match=words):
        run_job(type("Wrong", (Job,), base | attributes), [])


# --- Sampling ------------------------------------------------------------------------------------
class ByLine(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[Any, Any]]:
        self.context.count("seen", "lines")
        yield line, None


class Ordered(Job):
    partitioner = TotalOrder


class Lines(Ordered):
    mapper, reducer = ByLine, Reducer


def text_source(uris: list[str]) -> list[Source]:
    return [Source("", tuple(uris), TextInput())]


def write(path: Path, count: int, first: int = 0) -> str:
    path.write_text("".join(f"{number:08d}\n" for number in range(first, first + count)))
    return str(path)


def test_samples_come_from_all_over_sorted_input_and_are_the_same_each_time(tmp_path: Path) -> None:
    class Few(TotalOrder):
        samples, sample_bytes = 2_000, 64_000

    class Sampled(Lines):
        partitioner = Few

    uris = [write(tmp_path / "a", 300_000), write(tmp_path / "b", 100_000, 300_000)]
    cuts = find_cut_points(Sampled(), text_source(uris), Conf(), 4)
    again = find_cut_points(Sampled(), text_source(uris), Conf(), 4)
    assert cuts is not None
    assert cuts.equals(again)
    for cut, ideal in zip(cuts.to_pylist(), (100_000, 200_000, 300_000), strict=True):
        assert abs(int(cut) - ideal) < 20_000


def test_samples_of_compressed_and_of_no_input(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress("".join(f"{row:06d}\n" for row in range(50_000)).encode()))
    cuts = find_cut_points(Lines(), text_source([str(path)]), Conf(), 2)
    assert cuts is not None
    assert len(cuts) == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    assert find_cut_points(Lines(), text_source([str(empty)]), Conf(), 2) is None


def test_what_a_mapper_keeps_to_its_end_is_sampled(tmp_path: Path) -> None:
    class Keeps(Mapper):
        def setup(self) -> None:
            self.lines: list[str] = []

        def map(self, key: int, line: str) -> None:
            self.lines.append(line)

        def close(self) -> Iterator[tuple[Any, Any]]:
            yield from ((line, None) for line in self.lines)

    class Late(Ordered):
        mapper, reducer = Keeps, Reducer

    cuts = find_cut_points(Late(), text_source([write(tmp_path / "a", 1000)]), Conf(), 2)
    assert cuts is not None
    assert cuts.to_pylist() == ["00000500"]


def test_cut_points_of_the_jobs_own() -> None:
    class Named(TotalOrder):
        cut_points = ("b", "d")

    class Cut(Lines):
        partitioner = Named

    result = run_job(Cut, ["c", "a", "e", "b", "d"], num_reducers=3)
    assert list(result.files.values()) == [b"a\n", b"b\nc\n", b"d\ne\n"]
    with pytest.raises(JobError, match=r"Named\.cut_points: 2 cut points for 2 reduces; name 1"):
        run_job(Cut, ["a"], num_reducers=2)


def test_what_the_mapper_raises_over_samples_is_the_users() -> None:
    class Bad(Mapper):
        def map(self, key: int, line: str) -> Iterator[tuple[Any, Any]]:
            yield int(line), None

    class Fails(Ordered):
        mapper, reducer = Bad, Reducer

    with pytest.raises(ValueError, match="invalid literal") as met:
        run_job(Fails, ["1", "x"], num_reducers=2)
    assert "record 'x'" in met.value.__notes__[0]


def test_counting_and_sums_are_as_before() -> None:
    class Counted(Ordered):
        mapper, reducer = ByLine, Count

    result = run_job(Counted, ["b", "a", "b"], num_reducers=2)
    assert result.records == [("a", 1), ("b", 2)]
