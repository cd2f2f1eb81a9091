"""Keys of several types through whole jobs: one grouping, one order, whatever the cuts."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import io
import pickle
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.api import Job, Mapper, ParquetOutput, Reducer, Sum, TextOutput, TotalOrder
from mrmesos.io.columns.key_code import code_of
from mrmesos.local.run_job import run_job
from tests.io.keys import mixed_keys

Pairs = Iterator[tuple[Any, Any]]


class Pair(NamedTuple):
    word: str
    count: Any


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int


class Keys(Mapper):
    """A record is a pickled key and a number."""

    def map(self, key: Any, value: Any) -> Pairs:
        text, number = value.split()
        yield pickle.loads(base64.b64decode(text)), int(number)


class Group(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield repr(key), sorted(values)


class Adding(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield key, sum(values)


class Grouped(Job):
    mapper, reducer = Keys, Group


class Combined(Job):
    mapper, combiner, reducer = Keys, Adding, Adding


class Summed(Job):
    mapper, reducer = Keys, Sum


class Sorted(Job):
    mapper, reducer = Keys, Group
    sort_values = True


class Ranges(Job):
    mapper, reducer = Keys, Group
    partitioner = TotalOrder


class Texts(Job):
    mapper, reducer = Keys, Adding
    output_format = TextOutput()


class Table(Job):
    mapper, reducer = Keys, Adding
    output_format = ParquetOutput()


class FirstField(Job):
    mapper, reducer = Keys, Adding
    grouping_fields = 1


def lines(keys: list[Any], numbers: list[int] | None = None) -> list[str]:
    """By default, the numbers count the keys."""
    pickles = (base64.b64encode(pickle.dumps(key)).decode() for key in keys)
    return [f"{text} {number}" for number, text in zip(numbers or count(), pickles, strict=False)]


def expected(keys: list[Any]) -> dict[Any, list[int]]:
    """The groups of a dict: by == and hash; the first of equal keys stands for them."""
    groups: dict[Any, list[int]] = {}
    for number, key in enumerate(keys):
        groups.setdefault(key, []).append(number)
    return dict(sorted(groups.items(), key=lambda item: code_of(item[0])))


def results(job: type[Job], keys: list[Any], splits: int, reduces: int) -> list[tuple[Any, Any]]:
    return run_job(job, lines(keys), splits=splits, num_reducers=reduces).records


@settings(max_examples=25, deadline=None)
@given(mixed_keys(), st.integers(1, 4))
def test_one_reduce_gets_all_groups_in_the_order_of_the_codes(keys: list[Any], splits: int) -> None:
    wanted = [(repr(key), values) for key, values in expected(keys).items()]
    assert (results(Grouped, keys, splits, 1)) == wanted
    assert (results(Sorted, keys, splits, 1)) == wanted
    sums = [(repr(key), sum(values)) for key, values in expected(keys).items()]
    for job in (Combined, Summed):
        assert [(repr(k), v) for k, v in results(job, keys, splits, 1)] == sums


@pytest.mark.parametrize(
    "keys",
    [
        [0, Decimal("0.0")],
        [1, True, 1.0],
        [True, 1],
        [0.0, -0.0],
        [(1,), (1.0,), (True,)],
        [("a", 1.0), ("a", 1)],
        [(0.0,), (-0.0,)],
        ["b", 1, "b", 1.0],
    ],
)
@pytest.mark.parametrize("numbers", [[0, 1, 2, 3], [1, 1, 2, 2], [1, 2, 1, 1], [1, 1, 1, 1]])
def test_the_first_of_equal_keys_stands_for_them_if_pairs_are_counted(
    keys: list[Any], numbers: list[int]
) -> None:
    wanted: dict[Any, int] = {}
    for key, number in zip(keys, numbers, strict=False):
        wanted[key] = wanted.get(key, 0) + number
    for job in (Combined, Summed):
        found = run_job(job, lines(keys, numbers), num_reducers=1).records
        assert sorted((repr(k), v) for k, v in found) == sorted(
            (repr(k), v) for k, v in wanted.items()
        )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(mixed_keys(), st.sampled_from([1, 2])), max_size=8))
def test_the_first_of_equal_keys_stands_for_them_as_values_change(
    runs: list[tuple[list[Any], int]],
) -> None:
    keys = [key for keys, _ in runs for key in keys]
    numbers = [number for keys, number in runs for _ in keys]
    wanted = [(repr(key), sum(numbers[i] for i in at)) for key, at in expected(keys).items()]
    for job in (Combined, Summed):
        found = run_job(job, lines(keys, numbers), num_reducers=1).records
        assert [(repr(key), value) for key, value in found] == wanted


@settings(max_examples=25, deadline=None)
@given(mixed_keys(), st.integers(2, 3), st.integers(1, 4))
def test_every_group_is_in_one_partition_only(keys: list[Any], reduces: int, splits: int) -> None:
    wanted = [(repr(key), values) for key, values in expected(keys).items()]
    assert sorted(results(Grouped, keys, splits, reduces)) == sorted(wanted)
    sums = sorted((repr(key), sum(values)) for key, values in expected(keys).items())
    assert sorted((repr(k), v) for k, v in results(Summed, keys, splits, reduces)) == sums
    if keys:
        assert (results(Ranges, keys, splits, reduces)) == wanted


@pytest.mark.parametrize(
    "keys", [["", b""], ["a", b"a"], ["abcdefghij", b"abcdefghij"], [("a",), (b"a",)]]
)
def test_text_and_its_bytes_are_two_keys_for_an_aggregate(keys: list[Any]) -> None:
    assert sorted(repr(key) for key, _ in results(Summed, keys, 1, 2)) == sorted(map(repr, keys))


def test_the_keys_of_ported_jobs() -> None:
    keys = [("total", None), ("word", 1), "word", ("word", 1), 7, 2**70, 1, None, ("word",), 1.0]
    found = results(Combined, keys, 3, 1)
    assert [key for key, _ in found] == [
        None, 1, 7, 2**70, "word", ("total", None), ("word",), ("word", 1),
    ]  # fmt: skip
    assert dict(found)[1] == 6 + 9


def test_texts_do_not_depend_on_cuts_and_an_int_stays_an_int() -> None:
    keys = [1, 2.5, "a", 2**53 + 1, Decimal("1.50"), ("b", 1), ("b", 2.5), ("c", None), True]
    for splits in (1, 2, 3, 9):
        files = run_job(Texts, lines(keys), splits=splits, num_reducers=1).files
        assert b"".join(files.values()).decode().split("\n") == [
            "1\t8", "1.50\t4", "2.5\t1", "9007199254740993\t3", "a\t2",
            '["b", 1]\t5', '["b", 2.5]\t6', '["c", null]\t7', "",
        ]  # fmt: skip


def test_a_table_holds_mixed_keys_pickled_and_decimals_as_decimals() -> None:
    for keys, kind in (
        ([("a", 1), "b"], pa.binary()),
        ([Decimal("1.50"), Decimal(2)], pa.decimal128(38, 2)),
    ):
        ((_, data),) = run_job(Table, lines(keys), num_reducers=1).files.items()
        table = pq.read_table(io.BytesIO(data))
        assert table.schema.field("key").type == kind
    assert table.column("key").to_pylist() == [Decimal("1.50"), Decimal("2.00")]


def test_named_tuples_dataclasses_and_zones() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    noon = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)
    keys = [Pair("a", 1), ("a", 1), Point(2, 1), Point(1, 9), noon, noon.astimezone(zone)]
    found = results(Combined, keys, 2, 1)
    assert found == [(noon, 9), (("a", 1), 1), (Point(1, 9), 3), (Point(2, 1), 2)]
    first = next(key for key, _ in found if isinstance(key, tuple))
    assert type(first) is Pair  # the first of the equal keys


def test_groups_by_the_first_field_of_keys_of_several_types() -> None:
    keys = [("a", 1), ("a", "x"), (1, None), ("b",), (1.0, 2, 3), ("a", 2**70)]
    for splits in (1, 6):
        found = results(FirstField, keys, splits, 1)
        assert [(key[0], value) for key, value in found] == [(1, 6), ("a", 6), ("b", 3)]


def test_classes_without_order_are_refused_with_both_culprits() -> None:
    with pytest.raises(Exception, match=r"complex and str cannot be sorted together.*1j and 'z'"):
        run_job(Grouped, lines(["z", 1j]), num_reducers=1)
