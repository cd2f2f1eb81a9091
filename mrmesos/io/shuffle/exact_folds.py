"""Sum, Min and Max of values that need more than one Arrow number: a part of `aggregate`.

These are decimals, the columns of `io.columns.exact`, uint64, and pickled Python objects. The
result of a group does not depend on where its records are cut into batches.
"""

from __future__ import annotations

import decimal
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import encode_values
from mrmesos.io.columns.exact import DIGITS_256, is_mixed, mixed, plainly, scaled
from mrmesos.io.columns.schema import VALUE, RecordTypeError, UnfaithfulCast, is_pickled
from mrmesos.io.columns.sortkey import double_and_rest
from mrmesos.io.columns.unify import cast_faithfully, unify_types

FoldValues = Callable[[pa.Array, np.ndarray, str], pa.Array]
"""`aggregate`'s fold of plain values, by spans and the name of a function."""


def _smaller(one: Any, other: Any) -> Any:
    if other < one:
        return other
    return one if one < other or one != other else _of_equals(one, other)


def _larger(one: Any, other: Any) -> Any:
    if one < other:
        return other
    return one if other < one or one != other else _of_equals(one, other)


def _of_equals(one: Any, other: Any) -> Any:
    """Which of two equal values to keep: 1 of 1 and 1.0, 1.0 of 1.0 and 1.00, in any order."""
    if isinstance(one, decimal.Decimal) and isinstance(other, decimal.Decimal):
        a, b = one.as_tuple(), other.as_tuple()
        return other if (b.exponent, -b.sign) > (a.exponent, -a.sign) else one
    return other if type(one) is float and type(other) is int else one


_PYTHON: dict[object, Callable[[Any, Any], Any]] = {
    "sum": operator.add,
    "min": _smaller,
    "max": _larger,
}

_SEQUENCES = (str, bytes, list, tuple)
_EXACT = decimal.Context(prec=10_000, traps=[decimal.Inexact, decimal.InvalidOperation])


class AggregateOverflowError(Exception):
    """A sum does not fit its type; the message says what to do."""


SUM_TOO_LARGE = "a sum of integers does not fit 64 bits; yield floats, or use Sum or a Reducer"


def fold_exact(values: pa.Array, spans: np.ndarray, function: str, fold: FoldValues) -> pa.Array:
    """Fold a column of `exact` by `sum`, `min` or `max`."""
    if function not in _PYTHON:
        raise RecordTypeError(
            f"a column of integers and floats, or of decimals, cannot be folded by {function}"
        )
    if not is_mixed(values.type):
        return _fold_scaled(values, spans, function, fold)
    ints, floats = (fold(column, spans, function) for column in values.flatten())
    ints = as_int64(ints)
    if function == "sum":
        both = pc.add(ints.cast(pa.float64(), safe=False).fill_null(0.0), floats)
        return mixed(pc.if_else(floats.is_valid(), pa.scalar(None, pa.int64()), ints), both)
    return _smaller_or_larger(ints, floats, function)


def as_int64(folded: pa.Array) -> pa.Array:
    """A fold of int64 as int64. Raises AggregateOverflowError if it needed uint64."""
    try:
        return folded.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise AggregateOverflowError(f"a sum does not fit 64 bits: {error}") from None


def _smaller_or_larger(ints: pa.Array, floats: pa.Array, function: str) -> pa.Array:
    """The smaller or larger of an integer and a float. If they are equal, or NaN, the integer."""
    near, rest = double_and_rest(ints.fill_null(0).to_numpy(zero_copy_only=False))
    other = floats.fill_null(0.0).to_numpy(zero_copy_only=False)
    if function == "min":
        wins = (other < near) | ((other == near) & (rest > 0))
    else:
        wins = (other > near) | ((other == near) & (rest < 0))
    float_wins = pc.and_(floats.is_valid(), pc.or_(ints.is_null(), pa.array(wins)))
    return mixed(
        pc.if_else(float_wins, pa.scalar(None, pa.int64()), ints),
        pc.if_else(float_wins, floats, pa.scalar(None, pa.float64())),
    )


def _fold_scaled(values: pa.Array, spans: np.ndarray, function: str, fold: FoldValues) -> pa.Array:
    """A sum has the most decimal places of its group, as in Python. Equal values have the
    fewest.
    """
    decimals, scales = values.flatten()
    folded = fold(decimals, spans, function)
    if function == "sum":
        return scaled(folded, fold(scales, spans, "max"))
    group = pa.array(np.repeat(np.arange(len(spans) - 1), np.diff(spans)))
    tied = pc.equal(decimals, folded.take(group))
    return scaled(folded, fold(pc.if_else(tied, scales, None), spans, "min"))


def sum_decimals(values: pa.Array, spans: np.ndarray, fold: FoldValues) -> pa.Array:
    """Exact sums of decimals. Raises AggregateOverflowError if they might need over 76 digits."""
    kind = values.type
    largest = [abs(each) for each in pc.min_max(values).as_py().values() if each is not None]
    digits = max((each.adjusted() + 1 + kind.scale for each in largest), default=1)
    digits = max(digits, 1) + len(str(int(np.diff(spans).max())))
    if digits > DIGITS_256:
        raise AggregateOverflowError(f"a sum of decimals does not fit {DIGITS_256} digits")
    if digits > 38 or not pa.types.is_decimal128(kind):
        values = values.cast(pa.decimal256(DIGITS_256, kind.scale))
    return _narrow(fold(values, spans, "sum"))


def _narrow(sums: pa.Array) -> pa.Array:
    """The sums as decimal128 if all fit. So batches have the same type where possible."""
    if pa.types.is_decimal128(sums.type) or sums.type.scale > 38:
        return sums
    try:
        return sums.cast(pa.decimal128(38, sums.type.scale))
    except pa.ArrowInvalid:
        return sums


def fold_objects(
    values: pa.Array, field: pa.Field, spans: np.ndarray, how: object
) -> tuple[pa.Field, pa.Array]:
    """Fold Python objects by `+`, `min` or `max`, without None. Raises RecordTypeError.

    They are pickled, or their sum fits no column: Python's integers and decimals have any size.
    """
    objects = decode_column(values, field)
    if isinstance(how, Mapping):
        return _fold_partials(objects, spans, how)
    return encode_values(_fold_each(objects, spans, how))


def _fold_partials(
    objects: list[Any], spans: np.ndarray, how: Mapping[str, str]
) -> tuple[pa.Field, pa.Array]:
    """Fold partial results of several columns. They are pickled dicts if one has an int64 where
    another has a uint64.
    """
    if any(not isinstance(each, dict) or each.keys() != how.keys() for each in objects):
        raise _no_fold(objects, how)
    columns = []
    for name, function in how.items():
        folded = _fold_each([each[name] for each in objects], spans, function)
        field, column = encode_values(folded)
        if is_pickled(field):
            raise AggregateOverflowError(SUM_TOO_LARGE)
        columns.append(column)
    partial = pa.StructArray.from_arrays(columns, list(how))
    return pa.field(VALUE, partial.type), partial


def _fold_each(objects: list[Any], spans: np.ndarray, how: object) -> list[Any]:
    """The object of each group; None if it has only None."""
    step = _PYTHON.get(how)
    example = next((each for each in objects if each is not None), None)
    no_order = how != "sum" and isinstance(example, set | frozenset | dict)  # `<` means a part of
    if step is None or no_order or (how == "sum" and isinstance(example, _SEQUENCES)):
        raise _no_fold(objects, how)
    folded: list[Any] = []
    for start, end in pairwise(spans.tolist()):
        present = [each for each in objects[start:end] if each is not None]
        try:
            with decimal.localcontext(_EXACT):
                folded.append(reduce(step, present) if present else None)
        except decimal.Inexact:
            raise AggregateOverflowError(
                f"a sum of decimals needs more than {_EXACT.prec} digits; add them in a Reducer"
            ) from None
        except Exception as error:
            kinds = " and ".join(sorted({type(each).__name__ for each in present}))
            raise RecordTypeError(
                f"values of type {kinds} cannot be folded by {how}: {error}"
            ) from error
    return folded


def _no_fold(objects: list[Any], how: object) -> RecordTypeError:
    example = next((each for each in objects if each is not None), None)
    kind = type(example).__name__
    return RecordTypeError(f"values that are Python objects ({kind}) cannot be folded by {how}")


def finish_by_kind(values: pa.Array, final: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Call `final`, elementwise, with integers where all numbers of a row are integers.

    The other rows get doubles. So a result does not depend on the rows beside it.
    """
    children = values.flatten() if _is_partial(values.type) else [values]
    floats = np.zeros(len(values), np.bool_)
    for child in children:
        if is_mixed(child.type):
            floats |= child.flatten()[1].is_valid().to_numpy(zero_copy_only=False)
    order, results = [], []
    for is_float in (False, True):
        rows = np.flatnonzero(floats == is_float)
        if len(rows):
            given = [_numbers(child.take(pa.array(rows)), is_float) for child in children]
            whole = given[0] if children[0] is values else _struct_like(values.type, given)
            order.append(rows)
            results.append(final(whole))
    kind = results[0].type
    for result in results[1:]:
        kind = unify_types(kind, result.type, exact=True)
        if kind is None:
            raise RecordTypeError("final() made values of several types")
    try:
        joined = pa.concat_arrays([cast_faithfully(result, kind) for result in results])
    except UnfaithfulCast as error:
        raise RecordTypeError(f"final() made values of several types: {error}") from None
    return joined.take(pa.array(np.argsort(np.concatenate(order), kind="stable")))


def _is_partial(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and not is_mixed(kind) and kind.field(0).name != "__decimal"


def _numbers(child: pa.Array, is_float: bool) -> pa.Array:
    if not is_mixed(child.type):
        return plainly(child)
    ints, floats = child.flatten()
    return pc.coalesce(floats, ints.cast(pa.float64(), safe=False)) if is_float else ints


def _struct_like(kind: pa.DataType, columns: list[pa.Array]) -> pa.Array:
    return pa.StructArray.from_arrays(columns, [field.name for field in kind])
