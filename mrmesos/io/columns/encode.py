"""Python objects to Arrow columns. Decoding returns equal objects of the same types.

Arrow's own type inference changes data: bytes among text become text, and a dict gets the keys of
other dicts. So this module chooses the Arrow type from the exact Python types of a column, level by
level. A column costs one pass of `map(type, …)` and one `pa.array`.

Only these values change their type:

* numpy's booleans, integers, floats, `str_` and `bytes_` become Python's own types.
* Keys that are datetimes with a zone become the same instant in UTC. `fold` is lost where it does
  not change equality (no zone, or a time that the zone has once).
"""

from __future__ import annotations

import datetime as dt
import decimal
import pickle
import uuid
from collections.abc import Iterator
from itertools import chain
from operator import countOf, itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.io.code.code_pickle import dumps
from mrmesos.io.columns.decode import decode_batch, decode_column
from mrmesos.io.columns.encode_flat import (
    NoColumn,
    TooLarge,
    array_of,
    encode_datetimes,
    encode_decimals,
    encode_integers,
    encode_mixed,
    encode_numbers,
)
from mrmesos.io.columns.exact import RESERVED, is_exact
from mrmesos.io.columns.key_code import code_of, has_order, pickled_key, shown
from mrmesos.io.columns.schema import (
    CODED,
    KEY,
    MAX_KERNEL_BYTES,
    NESTED_MAX,
    PICKLE,
    SORT,
    VALUE,
    RecordTypeError,
    UnfaithfulCast,
    depth_of,
    is_coded,
    is_pickled,
)
from mrmesos.io.columns.unify import conform, unify

__all__ = [
    "ColumnEncoder",
    "RecordTypeError",
    "decode_batch",
    "decode_column",
    "encode_keys",
    "encode_pairs",
    "encode_values",
    "unify",
]

Types = tuple[pa.DataType, pa.DataType]

_FLAT: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    dt.date: pa.date32(),
    dt.timedelta: pa.duration("us"),
}
_NUMPY = (np.bool_, np.integer, np.float64, np.float32, np.float16, np.str_, np.bytes_)
_NONE = type(None)


class ColumnEncoder:
    """Turns an attempt's pairs into batches, with one schema for the whole attempt if possible."""

    def __init__(self, types: Types | None = None, max_bytes: int = MAX_KERNEL_BYTES) -> None:
        """`types` are a job's declared `map_output_types`; `max_bytes` bounds a batch."""
        self._types = types
        self._max_bytes = max_bytes
        self._schema: pa.Schema | None = None
        self._example: Any = None

    def encode(self, keys: list[Any], values: list[Any]) -> Iterator[pa.RecordBatch]:
        """The pairs as one batch with the columns `key` and `value`.

        Yields several batches if one would exceed `max_bytes`. Raises RecordTypeError if these keys
        cannot be sorted with earlier keys.
        """
        if not keys:
            return
        try:
            batch = encode_pairs(keys, values, self._types, max_bytes=self._max_bytes)
        except TooLarge:
            if len(keys) == 1:
                raise RecordTypeError(
                    f"one record is larger than {self._max_bytes} bytes; its key is of type "
                    f"{type(keys[0]).__name__}, its value of type {type(values[0]).__name__}"
                ) from None
            half = len(keys) // 2
            yield from self.encode(keys[:half], values[:half])
            yield from self.encode(keys[half:], values[half:])
            return
        yield self._in_one_type(batch, keys)

    def _in_one_type(self, batch: pa.RecordBatch, keys: list[Any]) -> pa.RecordBatch:
        if self._schema is None:
            self._schema = batch.schema
        elif not self._schema.equals(batch.schema, check_metadata=True):
            try:
                schema = unify(self._schema, batch.schema)
            except RecordTypeError as error:
                raise RecordTypeError(
                    f"{error} (seen: {shown(self._example)} and {shown(_some(keys))})"
                ) from None
            try:
                # Keys of several types keep their own columns until a merge needs one type.
                batch = batch if is_coded(schema.field(KEY)) else conform(batch, schema)
                self._schema = schema.remove(2) if SORT in schema.names else schema
            except UnfaithfulCast:
                self._schema = batch.schema  # the merge of the batches decides later
        if self._example is None or not is_pickled(batch.schema.field(KEY)):
            self._example = _some(keys)
        return batch


def encode_pairs(
    keys: list[Any],
    values: list[Any],
    types: Types | None = None,
    *,
    max_bytes: int = MAX_KERNEL_BYTES,
) -> pa.RecordBatch:
    """A batch with the columns `key` and `value`. Raises RecordTypeError.

    None becomes null. A tuple becomes a struct with the fields `_0`, `_1`, …. Dicts with the same
    keys in the same order become a struct.

    If some values do not fit one Arrow type, all values of the batch are pickled. If some keys do
    not, all keys are pickled one by one, and sorted by their codes (see `key_code`). Keys of one
    class without order are sorted by their pickles. Such keys beside others raise RecordTypeError,
    and so do keys that may be equal but pickle to different bytes.
    """
    key_field, key = encode_keys(keys, types[0] if types else None)
    value_field, value = encode_values(values, types[1] if types else None)
    if key.nbytes > max_bytes or value.nbytes > max_bytes:
        raise TooLarge
    return pa.RecordBatch.from_arrays([key, value], schema=pa.schema([key_field, value_field]))


def encode_keys(keys: list[Any], kind: pa.DataType | None = None) -> tuple[pa.Field, pa.Array]:
    """The field `key` and its array; `kind` is the declared type. Raises RecordTypeError."""
    if kind is not None:
        return pa.field(KEY, kind), _declared(keys, kind, "keys")
    try:
        array = _column(keys, is_key=True)
        if is_exact(array.type):
            raise NoColumn("integers and floats")
        return pa.field(KEY, array.type), array
    except NoColumn:
        return _pickled_keys(keys)


def encode_values(values: list[Any], kind: pa.DataType | None = None) -> tuple[pa.Field, pa.Array]:
    """The field `value` and its array; `kind` is the declared type. Raises RecordTypeError."""
    if kind is not None:
        return pa.field(VALUE, kind), _declared(values, kind, "values")
    try:
        array = _column(values, is_key=False)
        return pa.field(VALUE, array.type), array
    except NoColumn:
        pickled = [None if value is None else _pickle_value(value) for value in values]
        return pa.field(VALUE, pa.binary(), metadata=PICKLE), array_of(pickled, pa.binary())


def _declared(objects: list[Any], kind: pa.DataType, what: str) -> pa.Array:
    seen = set(map(type, objects))
    wrong = bytes if pa.types.is_string(kind) else str if pa.types.is_binary(kind) else None
    if wrong in seen:
        raise RecordTypeError(f"map_output_types declares {kind} {what}; got {wrong.__name__}")
    try:
        array = pa.array(objects, kind)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError, ValueError) as error:
        raise RecordTypeError(f"map_output_types declares {kind} {what}: {error}") from None
    if isinstance(array, pa.ChunkedArray):
        raise TooLarge
    return array


def _kinds(objects: list[Any]) -> set[type]:
    """The exact types of the objects. The usual case of a single type needs no hashing."""
    if objects and countOf(map(type, objects), type(objects[0])) == len(objects):
        return {type(objects[0])}
    return set(map(type, objects))


def _column(objects: list[Any], *, is_key: bool) -> pa.Array:
    """As `_encode`, but raises NoColumn also for objects nested deeper than Arrow can write."""
    try:
        array = _encode(objects, is_key=is_key)
    except RecursionError:
        raise NoColumn("objects that are nested too deep, or hold themselves") from None
    if array.type.num_fields and depth_of(array.type) > NESTED_MAX:
        raise NoColumn("objects that are nested too deep")
    return array


def _encode(objects: list[Any], *, is_key: bool) -> pa.Array:
    """An Arrow array that decodes to exactly these objects. Raises NoColumn."""
    kinds = _kinds(objects)
    missing = _NONE in kinds
    kinds.discard(_NONE)
    if not kinds:
        return pa.nulls(len(objects))
    if len(kinds) == 1:
        (kind,) = kinds
        if kind in (int, float) and not missing:
            return encode_numbers(objects, kind, is_key=is_key)
        if kind is int and not is_key:
            return encode_integers(objects)
        if kind in _FLAT:
            return array_of(objects, _FLAT[kind])
        if kind is tuple:
            return _encode_tuples(*_present(objects, missing), is_key=is_key)
        if kind is list:
            return _encode_lists(*_present(objects, missing), is_key=is_key)
        if kind is dict and not is_key:
            return _encode_dicts(*_present(objects, missing))
        if kind is dt.datetime:
            return encode_datetimes(objects, is_key=is_key)
        if kind is dt.time and not any(each.tzinfo for each in objects if each is not None):
            return array_of(objects, pa.time64("us"))
        if kind is decimal.Decimal and not is_key:
            return encode_decimals(objects)
        if kind is uuid.UUID and not is_key:
            return array_of(objects, pa.uuid())
    elif kinds == {int, float}:
        return encode_mixed(objects)
    if any(map(_is_numpy, kinds)):
        # `.item()` returns Python's own type, so this recurses only once.
        plain = [each.item() if _is_numpy(type(each)) else each for each in objects]
        return _encode(plain, is_key=is_key)
    names = " and ".join(sorted(kind.__name__ for kind in kinds))
    raise NoColumn(f"objects of type {names}")


def _is_numpy(kind: type) -> bool:
    """Whether it is one of numpy's plain types. timedelta64 is none of them.

    It is an integer in numpy, but `.item()` loses its unit or returns None.
    """
    return issubclass(kind, _NUMPY) and not issubclass(kind, np.timedelta64)


def _present(objects: list[Any], missing: bool) -> tuple[list[Any], np.ndarray | None]:
    """The objects that are not None, and a mask of the Nones; no mask if there are none."""
    if not missing:
        return objects, None
    mask = np.fromiter((each is None for each in objects), np.bool_, len(objects))
    return [each for each in objects if each is not None], mask


def _encode_tuples(present: list[Any], mask: np.ndarray | None, *, is_key: bool) -> pa.Array:
    widths = set(map(len, present))
    if len(widths) != 1:
        raise NoColumn(f"tuples of {min(widths)} and of {max(widths)} fields")
    (width,) = widths
    if width == 0:
        raise NoColumn("tuples of no fields")
    columns = [list(map(itemgetter(index), present)) for index in range(width)]
    arrays = [_encode(column, is_key=is_key) for column in columns]
    return _struct(arrays, [f"_{index}" for index in range(width)], mask)


def _encode_dicts(present: list[Any], mask: np.ndarray | None) -> pa.Array:
    shapes = set(map(tuple, present))
    if len(shapes) != 1:
        raise NoColumn("dicts of differing keys")
    (names,) = shapes
    if not names or set(map(type, names)) != {str} or names[0] in ("_0", *RESERVED):
        raise NoColumn("dicts without text keys")  # a dict with "_0" would decode as a tuple
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        raise NoColumn("dict keys with lone surrogates") from None
    columns = [list(map(itemgetter(name), present)) for name in names]
    return _struct([_encode(column, is_key=False) for column in columns], list(names), mask)


def _struct(arrays: list[pa.Array], names: list[str], mask: np.ndarray | None) -> pa.Array:
    """A struct array from the fields of its non-null rows. Rows in the mask are null."""
    if mask is None:
        return pa.StructArray.from_arrays(arrays, names=names)
    rows = pa.array(np.cumsum(~mask) - 1, mask=mask)  # the fields of a null row are null too
    spread = [array.take(rows) for array in arrays]
    return pa.StructArray.from_arrays(spread, names=names, mask=pa.array(mask))


def _encode_lists(present: list[Any], mask: np.ndarray | None, *, is_key: bool) -> pa.Array:
    items = _encode(list(chain.from_iterable(present)), is_key=is_key)
    rows = len(present) if mask is None else len(mask)
    lengths = np.zeros(rows, np.int64)
    lengths[slice(None) if mask is None else ~mask] = np.fromiter(
        map(len, present), np.int64, len(present)
    )
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise TooLarge
    where = None if mask is None else pa.array(mask)
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), items, mask=where)


def _pickle_value(value: Any) -> bytes:
    try:
        return pickle.dumps(value, 5)
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError):
        pass  # a class of the job's script or a lambda: cloudpickle pickles it by value
    try:
        return dumps(value, sources=False)
    except Exception as error:
        raise RecordTypeError(
            f"a value of type {type(value).__name__} can be neither an Arrow column nor pickled: "
            f"{error}"
        ) from error


def _pickled_keys(keys: list[Any]) -> tuple[pa.Field, pa.Array]:
    """Keys that no column holds. They sort by their codes, or, if all are of one class, by
    pickles.
    """
    keys = list(map(_shallow_key, keys))
    kinds = {type(key): key for key in reversed(keys) if key is not None}
    without = [kind for kind in kinds if not has_order(kind)]
    if not without:
        pickled = [None if key is None else pickled_key(key) for key in keys]
        return pa.field(KEY, pa.binary(), metadata=CODED), array_of(pickled, pa.binary())
    odd = without[0]
    for key in keys:
        if key is not None and type(key) is not odd:
            first, second = sorted((kinds[odd], key), key=lambda each: type(each).__name__)
            raise RecordTypeError(
                f"keys of the types {type(first).__name__} and {type(second).__name__} cannot be "
                f"sorted together, because {odd.__name__} has no order "
                f"(seen: {shown(first)} and {shown(second)}); yield keys of one type"
            )
    pickled = [None if key is None else pickled_key(key) for key in keys]
    return pa.field(KEY, pa.binary(), metadata=PICKLE), array_of(pickled, pa.binary())


def _shallow_key(key: Any) -> Any:
    """As `_plain_key`. Raises RecordTypeError if Python cannot walk through the key."""
    try:
        plain = _plain_key(key)
        code_of(plain)
    except RecursionError:
        raise RecordTypeError(
            f"a key of type {type(key).__name__} is nested too deep, or holds itself (seen: "
            f"{shown(key)}); yield a tuple, text or a number made from it"
        ) from None
    return plain


def _plain_key(key: Any) -> Any:
    """The key as a column would return it: Python's own numbers, instants in UTC, no -0.0."""
    kind = type(key)
    if kind is tuple or kind is list:
        return kind(map(_plain_key, key))
    if _is_numpy(kind):
        return _plain_key(key.item())
    if kind is float:
        return key + 0.0
    if kind is dt.datetime and key.utcoffset() is not None:
        try:
            return key.astimezone(dt.UTC)
        except OverflowError:  # within a day of the years 1 and 9999
            return key
    return key


def _some(keys: list[Any]) -> Any:
    return next((key for key in keys if key is not None), None)
