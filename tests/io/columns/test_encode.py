from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
import zoneinfo
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.io.columns.encode import (
    ColumnEncoder,
    RecordTypeError,
    decode_batch,
    decode_column,
    encode_keys,
    encode_pairs,
    encode_values,
    unify,
)
from mrmesos.io.columns.exact import MIXED
from mrmesos.io.columns.schema import is_coded, is_pickled
from mrmesos.io.columns.unify import conform, unify_batches
from tests.io.keys import key_lists


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    names: tuple[str, ...] = ()


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Ll"]), max_size=3)
    | st.binary()
    | st.datetimes()
    | st.datetimes(timezones=st.sampled_from([dt.UTC, zoneinfo.ZoneInfo("Europe/Vienna")]))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False)
    | st.uuids()
    | st.complex_numbers(allow_nan=False)
    | st.frozensets(st.integers())
    | st.sampled_from(Colour)
    | st.builds(Point, st.integers())
)
DATA = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2) | st.just("_0") | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
SHAPES = [
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(),
    st.binary(),
    st.dates(),
    st.lists(st.integers(0, 9)),
    st.tuples(st.text(), st.none() | st.integers(0, 9)),
    st.builds(lambda a, b: {"a": a, "b": b}, st.integers(0, 9), st.lists(st.text())),
    st.tuples(st.none() | st.tuples(st.binary()), st.lists(st.none() | st.tuples(st.booleans()))),
]


def same(one: Any, other: Any) -> bool:
    """Whether both are equal and have the same types at every depth. NaN equals NaN.

    Decimals have the same text too, and datetimes an equal zone.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (one == other and math.copysign(1, one) == math.copysign(1, other)) or one != one
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, dt.datetime):
        return bool(one == other and one.tzinfo == other.tzinfo)
    if isinstance(one, Decimal):
        return str(one) == str(other)
    return bool(one == other)


def same_key(one: Any, other: Any) -> bool:
    """Like `same`, but an integer among floats may have become a float."""
    if type(one) is int and type(other) is float:
        return float(one) == other
    if isinstance(one, list | tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(same_key, one, other))
    return same(one, other)


@given(st.lists(DATA, max_size=6))
def test_values_come_back_equal_and_of_their_types(values: list[Any]) -> None:
    field, array = encode_values(values)
    assert len(array) == len(values)
    assert all(map(same, values, decode_column(array, field)))


@given(
    st.sampled_from(SHAPES).flatmap(lambda shape: st.lists(st.none() | shape, max_size=20)),
    st.integers(0, 5),
    st.integers(0, 20),
)
def test_values_of_one_shape_need_no_pickle(values: list[Any], start: int, length: int) -> None:
    field, array = encode_values(values)
    assert not is_pickled(field)
    back = decode_column(array, field)
    assert all(map(same, values, back))
    part = values[start : start + length]
    assert all(map(same, part, decode_column(array.slice(start, length), field)))


@given(key_lists())
def test_keys_come_back_equal_and_of_their_types(keys: list[Any]) -> None:
    field, array = encode_keys(keys)
    assert not is_pickled(field)
    assert all(map(same_key, keys, decode_column(array, field)))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], pa.int64()),
        ([1.0, 2.0], pa.float64()),
        ([True, None], pa.bool_()),
        ([1, 2.5, None], MIXED),
        (["a", ""], pa.string()),
        ([b"a"], pa.binary()),
        ([None], pa.null()),
        ([], pa.null()),
        ([("a", 1)], pa.struct([("_0", pa.string()), ("_1", pa.int64())])),
        ([[1], [], None], pa.list_(pa.int64())),
        ([{"n": 1}, {"n": 2}], pa.struct([("n", pa.int64())])),
        ([np.int32(3), 4], pa.int64()),
        ([np.float32(0.5)], pa.float64()),
        ([np.bool_(True)], pa.bool_()),
        ([np.str_("x")], pa.string()),
    ],
)
def test_arrow_types(values: list[Any], kind: pa.DataType) -> None:
    field, array = encode_values(values)
    assert field.type == array.type == kind
    assert decode_column(array, field) == values


@pytest.mark.parametrize(
    "values",
    [
        [1, True],
        ["a", b"a"],
        ["a", 1],
        [2**64],
        [2**64, 0.5],
        ["\ud800"],
        [{"a": 1}, {"b": 1}],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [{"_0": 1}],
        [{}],
        [()],
        [(1,), (1, 2)],
        [[1], ["a"]],
        [bytearray(b"a")],
        [Decimal("NaN")],
        [Decimal("1E+3")],
        [Decimal("-0.0")],
        [Decimal("1e-77")],
        [{1, 2}],
        [np.datetime64("2020-01-01")],
        [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)],
        [Colour.RED, Point(1)],
    ],
)
def test_what_fits_no_column_is_pickled(values: list[Any]) -> None:
    field, array = encode_values(values)
    assert is_pickled(field)
    back = decode_column(array, field)
    assert all(map(same, back, values))
    assert list(map(type, back)) == list(map(type, values))


def test_classes_of_a_script_are_pickled_by_value() -> None:
    def local(x: int) -> int:
        return x + 1

    field, array = encode_values([local])
    assert decode_column(array, field)[0](1) == 2


def test_values_that_nothing_can_pickle() -> None:
    with pytest.raises(RecordTypeError, match="generator"):
        encode_values([(x for x in "ab")])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["a", Colour.RED, 2], r"Colour and str .*Colour has no order .*<Colour.RED.* and 'a'"),
        ([1, 2, 1j], r"complex and int .*seen: 1j and 1\)"),
        ([{"a": 1}], "dict cannot be a key"),
        ([{1}], "set cannot be a key"),
        ([frozenset()], "frozenset cannot be a key"),
        ([Decimal("1e20000"), "a"], "exponent of at most"),
        ([("a", 1), ("b", {"a": 7})], r"dict cannot be a key or part of one.*seen: {'a': 7}"),
        ([lambda: None], "neither"),
    ],
)
def test_keys_that_are_refused(keys: list[Any], message: str) -> None:
    with pytest.raises(RecordTypeError, match=message):
        encode_keys(keys)


def test_pickled_keys_have_one_form() -> None:
    a, b = "".join(["na", "me"]), "".join(["na", "me"])
    assert a is not b
    keys = [Point(1, (a, a)), Point(1, (a, b)), None]
    field, array = encode_keys(keys)
    assert is_pickled(field)
    assert array[0].as_py() == array[1].as_py()
    assert is_coded(field)
    assert decode_column(array, field) == keys
    field, array = encode_keys([Colour.RED, Colour.BLUE])
    assert decode_column(array, field) == [Colour.RED, Colour.BLUE]


def test_zoned_keys_become_utc() -> None:
    vienna = dt.datetime(2020, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Vienna"))
    field, array = encode_keys([vienna, vienna.astimezone(dt.UTC)])
    one, other = decode_column(array, field)
    assert one == other == vienna
    assert one.tzinfo == dt.UTC


def test_declared_types() -> None:
    types = (pa.decimal128(5, 2), pa.float32())
    batch = encode_pairs([Decimal("1.50")], [1], types)
    assert batch.schema.types == list(types)
    assert decode_batch(batch) == ([Decimal("1.50")], [1.0])
    with pytest.raises(RecordTypeError, match="declares int64 keys"):
        encode_pairs(["a"], [1], (pa.int64(), pa.int64()))
    with pytest.raises(RecordTypeError, match="declares string values; got bytes"):
        encode_pairs([1], [b"a"], (pa.int64(), pa.string()))
    with pytest.raises(RecordTypeError, match="declares int64 values"):
        encode_pairs([1], [2**64], (pa.int64(), pa.int64()))


def test_an_attempt_keeps_one_type() -> None:
    encoder = ColumnEncoder()
    kinds = []
    for values in ([None], [1], [0.5], [3]):
        (batch,) = encoder.encode(["k"], values)
        kinds.append(batch.schema.field("value").type)
    assert kinds == [pa.null(), pa.int64(), MIXED, MIXED]
    (batch,) = encoder.encode(["k"], ["text"])
    assert is_pickled(batch.schema.field("value"))
    assert list(encoder.encode([], [])) == []


def test_an_attempt_names_both_of_two_key_types() -> None:
    encoder = ColumnEncoder()
    list(encoder.encode([None], [1]))
    list(encoder.encode(["word"], [1]))
    with pytest.raises(RecordTypeError, match=r"pickled objects. and string .*'word' and <"):
        list(encoder.encode([Colour.RED], [1]))


def test_batches_are_cut_below_the_limit() -> None:
    encoder = ColumnEncoder(max_bytes=1000)
    keys = [f"{number:0100d}" for number in range(50)]
    batches = list(encoder.encode(keys, list(range(50))))
    assert len(batches) > 5
    assert all(batch.column("key").nbytes <= 1000 for batch in batches)
    assert [key for batch in batches for key in decode_batch(batch)[0]] == keys
    with pytest.raises(RecordTypeError, match="larger than 1000 bytes"):
        list(encoder.encode(["x" * 2000], [1]))


def test_unify() -> None:
    def schema(keys: list[Any], values: list[Any]) -> pa.Schema:
        return encode_pairs(keys, values).schema

    def unified(one: list[Any], other: list[Any]) -> pa.DataType:
        a, b = schema([1] * len(one), one), schema([1] * len(other), other)
        field = unify(a, b).field("value")
        assert unify(b, a).field("value").equals(field, check_metadata=True)
        return "pickled" if is_pickled(field) else field.type

    assert unified([None], [1]) == pa.int64()
    assert unified([1], [1.5]) == MIXED
    assert unified([[]], [[1]]) == pa.list_(pa.int64())
    assert unified([(1, None)], [(1.5, "a")]).field(1).type == pa.string()
    assert unified([1], ["a"]) == "pickled"
    assert unified([{"a": 1}], [{"b": 1}]) == "pickled"
    assert unified([{1}], [1]) == "pickled"
    for one, other in ([1], ["a"]), ([1], [0.5]), ([2**70], [1]), ([None, 1], [("a",)]):
        both = unify(schema(one, [1] * len(one)), schema(other, [1]))
        assert is_coded(both.field("key"))
        assert both.names == ["key", "value", "__sort"]
        with pytest.raises(RecordTypeError, match="cannot be sorted together"):
            unify(schema(["a"], [1]), schema([2**70], [1]), exact=False)
    with pytest.raises(RecordTypeError, match=r"binary and binary .pickled"):
        unify(schema([b"a"], [1]), schema([Colour.RED], [1]))
    widths = [pa.schema([("key", kind), ("value", pa.null())]) for kind in (pa.int8(), pa.int32())]
    assert unify(*widths).field("key").type == pa.int64()


@given(st.lists(st.lists(DATA, min_size=1, max_size=3), min_size=1, max_size=4))
def test_batches_of_any_values_unify(columns: list[list[Any]]) -> None:
    batches = [encode_pairs([1] * len(values), values) for values in columns]
    joined = unify_batches(batches)
    assert len({str(batch.schema) for batch in joined}) == 1
    for values, batch in zip(columns, joined, strict=True):
        assert all(map(same, values, decode_batch(batch)[1]))


def test_integers_no_double_holds_stay_as_values_and_keys() -> None:
    large, small = encode_pairs([1], [2**53 + 1]), encode_pairs([1], [0.5])
    assert [decode_batch(batch)[1] for batch in unify_batches([large, small])] == [
        [2**53 + 1],
        [0.5],
    ]
    keys = unify_batches([encode_pairs([2**53 + 1], [1]), encode_pairs([0.5], [1])])
    assert [decode_batch(batch)[0] for batch in keys] == [[2**53 + 1], [0.5]]
    with pytest.raises(RecordTypeError, match=r"seen: 'a' and <Colour.RED"):
        unify_batches([encode_pairs([key], [1]) for key in (1, "a", Colour.RED)][1:])
    assert conform(small, small.schema) is small


def test_no_tuple_is_copied_to_where_there_is_none() -> None:
    values = [("x" * 1_000_000, 1), *[None] * 1000, ("y", 2)]
    batch = encode_pairs(list(range(len(values))), values)
    batch.validate(full=True)
    assert batch.nbytes < 2_000_000
    assert decode_batch(batch)[1] == values


def _nested(levels: int, *, inner: Any = 1) -> Any:
    value = inner
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [59, 60, 61, 100])
def test_values_and_keys_nested_deeper_than_arrow_writes_come_back(levels: int) -> None:
    value = _nested(levels)
    struct: Any = {"a": 1}
    for _ in range(levels):
        struct = {"a": struct}
    batch = encode_pairs([_nested(levels)], [value])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    assert decode_batch(batch) == ([value], [value])
    assert decode_batch(encode_pairs([1], [struct]))[1] == [struct]


def test_what_holds_itself_is_a_value_and_no_key() -> None:
    value: list[Any] = []
    value.append(value)
    _, (back,) = decode_batch(encode_pairs([1], [value]))
    assert back[0] is back
    with pytest.raises(
        RecordTypeError, match="a key of type list is nested too deep, or holds its"
    ):
        encode_pairs([value], [1])


def test_a_key_that_cannot_be_shown_is_refused_all_the_same() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise SystemError("no")

        def __reduce__(self) -> str:
            raise TypeError("nor pickled")

    with pytest.raises(RecordTypeError, match="an object of type Odd, which cannot be shown"):
        encode_pairs([Odd()], [1])
