"""Codes order and group keys of any types as Python does, and as columns of one type do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import math
import uuid
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.columns.key_code import END, NONE, code_of
from mrmesos.io.columns.schema import RecordTypeError, is_coded
from mrmesos.io.columns.sortkey import sort_code
from tests.io.keys import KEYS, NUMBERS, SINGLE, mixed_keys


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any
    note: str = dataclasses.field(default="", compare=False)


class Word(enum.StrEnum):
    A = "a"


class Plain(enum.Enum):
    A = 1


@given(NUMBERS, NUMBERS)
@example(2**53 + 1, float(2**53))
@example(Decimal("0.1"), 0.1)
@example(Decimal("1e-400"), 0.0)
@example(2**1100, math.inf)
@example(-(2**1100), Decimal("-1e5000"))
@example(2**70 + 10**6, 2**70)
@example(Decimal(2**64) + Decimal("0.25"), 2**64)
def test_numbers_of_any_types_compare_by_value(one: Any, other: Any) -> None:
    assert (code_of(one) == code_of(other)) == (one == other)
    assert (code_of(one) < code_of(other)) == (one < other)
    # A number ends by itself, so what follows it in a tuple cannot reverse the order.
    if one != other:
        low, high = (code_of((each, last)) for each, last in ((one, None), (other, "z")))
        assert (low < high) == (one < other)


@given(st.lists(SINGLE | st.tuples(SINGLE) | st.tuples(SINGLE, SINGLE), max_size=6))
def test_equal_keys_have_equal_codes_and_only_they(keys: list[Any]) -> None:
    for one in keys:
        for other in keys:
            assert (code_of(one) == code_of(other)) == (one == other)
            try:
                less = one < other
            except TypeError:
                continue  # Python does not order them, so the ranks do
            assert (code_of(one) < code_of(other)) == less


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_column_has_the_codes_of_its_objects(name: str) -> None:
    @given(st.lists(KEYS[name] | st.none(), max_size=9))
    def check(keys: list[Any]) -> None:
        column = encode_pairs(keys, keys[:0] + [None] * len(keys)).column("key")
        assert sort_code(column).to_pylist() == list(map(code_of, keys))

    check()


def test_columns_of_batches_have_the_codes_of_their_objects() -> None:
    day = dt.datetime(2020, 1, 2, 3, 4, 5)
    for objects, kind in (
        ([day], pa.timestamp("s")),
        ([day], pa.timestamp("ms")),
        ([day], pa.timestamp("ns")),
        ([day.date()], pa.date64()),
        ([Decimal("1.50"), None, Decimal(-3)], pa.decimal128(9, 2)),
        ([2**64 - 1, 2**63], pa.uint64()),
        ([1.5], pa.float32()),
        ([uuid.UUID(int=7)], pa.uuid()),
        ([b"ab"], pa.binary(2)),
        ([(True, 1)], pa.struct([("_0", pa.bool_()), ("_1", pa.int8())])),
    ):
        rows: list[Any] = [
            {"_0": each[0], "_1": each[1]} if isinstance(each, tuple) else each for each in objects
        ]
        assert sort_code(pa.array(rows, kind)).to_pylist() == list(map(code_of, objects)), kind
    nanos = pa.array([0, 1, 999, 1000], pa.timestamp("ns"))
    codes = sort_code(nanos).to_pylist()
    assert codes == sorted(set(codes))


def test_the_order_between_types() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    ascending = [
        None, -1.5, False, 2**70, math.inf, math.nan, "", "a", "\ud800", b"", b"\xff",
        dt.date(1, 1, 1), dt.datetime(1, 1, 1), dt.datetime(1970, 1, 1, tzinfo=zone),
        dt.time(1), dt.time(1, tzinfo=zone), dt.timedelta(-5), uuid.UUID(int=0),
        (), (None,), (1,), (1, None), (1, "a"), ("a",), [], [1], Point(1, 2), (Plain.A,),
    ]  # fmt: skip
    assert [code_of(key) for key in ascending[:-1]] == sorted(map(code_of, ascending[:-1]))
    assert code_of(("z",)) < code_of(ascending[-1])
    assert code_of(((1,), 5)) < code_of(((1, 2), 0))
    assert code_of(None) == NONE
    assert code_of(()).endswith(END)


def test_classes_that_are_their_base_class_by_value() -> None:
    assert code_of(Pair(1, "a")) == code_of((1, "a"))
    assert code_of(Word.A) == code_of("a")
    assert code_of(Point(1, 2, "x")) == code_of(Point(1.0, 2, "y")) != code_of((1, 2))
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert code_of(moment) == code_of(moment.astimezone(dt.timezone(dt.timedelta(hours=5))))

    class Backwards(int):
        def __lt__(self, other: object) -> bool:
            return int(self) > int(other)  # type: ignore[call-overload, no-any-return]

    with pytest.raises(RecordTypeError, match="neither an Arrow column nor pickled"):
        code_of(Backwards(1))


@given(mixed_keys())
def test_keys_of_several_types_come_back_as_they_were(keys: list[Any]) -> None:
    batch = encode_pairs([*keys, 2**70, "text"], [None] * (len(keys) + 2))
    assert is_coded(batch.schema.field("key"))
    found = decode_column(batch.column("key"), batch.schema.field("key"))[: len(keys)]
    assert found == keys
    assert list(map(type, found)) == list(map(type, keys))


@given(mixed_keys())
def test_any_keys_have_one_order(keys: list[Any]) -> None:
    def compare(one: Any, other: Any) -> int:
        return (code_of(one) > code_of(other)) - (code_of(one) < code_of(other))

    in_order = sorted(keys, key=functools.cmp_to_key(compare))
    groups: dict[Any, int] = {}
    for key in in_order:
        groups.setdefault(key, len(groups))
    # Equal keys stand together: their numbers never fall.
    numbers = [groups[key] for key in in_order]
    assert numbers == sorted(numbers)
