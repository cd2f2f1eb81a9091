"""The text of keys and values in TextOutput, by kernels over whole columns where possible.

The text depends only on the value, never on the encoding of its column. `render` is the definition,
and every kernel here gives the same text.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.batches import fixed_width_rows
from mrmesos.io.columns.decode import decode_column, microseconds
from mrmesos.io.columns.exact import (
    as_lists,
    has_exact,
    is_any_list,
    is_exact,
    is_mixed,
    objects_of,
    rebuilt,
)
from mrmesos.io.columns.schema import is_bytes, is_pickled, is_text, is_tuple
from mrmesos.io.columns.tabular import as_row

_BYTES_AT_ONCE = 256 << 20
_PLAIN_YEARS = (datetime.datetime(1000, 1, 1), datetime.datetime(9999, 1, 1))  # of four digits


def text_lines(batch: pa.RecordBatch, separator: str) -> pa.Buffer | bytes:
    """The batch's columns `key` and `value` as lines, each with its newline.

    If the key or the value is None, neither it nor the separator is written. If both are None,
    there is no line.
    """
    if batch.nbytes > _BYTES_AT_ONCE and batch.num_rows > 1:
        half = batch.num_rows // 2
        parts = (batch.slice(0, half), batch.slice(half))
        return b"".join(text_lines(part, separator) for part in parts)
    for one, other in (("key", "value"), ("value", "key")):
        if pa.types.is_null(batch.schema.field(other).type):
            lines = _lines_of_one_length(batch.column(one), batch.field(one))
            if lines is not None:
                return lines
    keys, values = (rendered(batch.column(name), batch.field(name)) for name in ("key", "value"))
    if keys.null_count or values.null_count:
        some = pc.or_(keys.is_valid(), values.is_valid())
        keys, values = keys.filter(some), values.filter(some)
    if not len(keys):
        return b""
    if keys.null_count or values.null_count:
        both = pc.and_(keys.is_valid(), values.is_valid())
        between = pc.if_else(both, _scalar(separator.encode()), b"")
        keys, values = keys.fill_null(b""), values.fill_null(b"")
        lines = pc.binary_join_element_wise(keys, between, values, _scalar(b""))
    else:
        lines = pc.binary_join_element_wise(keys, values, _scalar(separator.encode()))
    # To join the lines costs a fifth of what two more columns would cost.
    every = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return b"".join((content(pc.binary_join(every, _scalar(b"\n"))), b"\n"))


def _scalar(text: bytes) -> pa.Scalar:
    return pa.scalar(text, pa.large_binary())


def content(texts: pa.Array) -> pa.Buffer:
    """The concatenated values of a large_binary array from a kernel."""
    start, end = np.frombuffer(texts.buffers()[1], np.int64)[[texts.offset, -1]]
    return texts.buffers()[2].slice(int(start), int(end - start))


def _lines_of_one_length(column: pa.Array, field: pa.Field) -> pa.Buffer | None:
    """Text or bytes of one length as lines, in one copy; None for other columns."""
    if is_pickled(field) or not (is_text(column.type) or is_bytes(column.type)):
        return None
    rows = fixed_width_rows(column)
    if rows is None:
        return None
    width = rows.dtype.itemsize
    lines = np.empty(len(rows), np.dtype([("text", f"V{width}"), ("end", "u1")]))
    lines["text"], lines["end"] = rows, ord("\n")
    return pa.py_buffer(lines)


def render(value: Any) -> bytes | None:
    """One key or value as text; None if nothing should be written.

    Text and bytes stay unchanged, booleans become true/false, dates and times ISO 8601, and lists,
    tuples and dicts JSON. All others (numbers, Decimals, any object) are converted with `str`.
    """
    if value is None or isinstance(value, bytes):
        return value
    return _text(value).encode("utf-8", "backslashreplace")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return _json(jsonable(value))
    return str(value)


def jsonable(value: Any) -> Any:
    """`value` in JSON types: numbers, text, booleans and None stay, others become text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, dict):
        return {_json_key(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return jsonable(as_row(value))
    return _text(value)


_json = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make an encoder per call


def _json_key(name: Any) -> str:
    return name if isinstance(name, str) else _text(name)


def rendered(column: pa.Array, field: pa.Field) -> pa.Array:
    """A large_binary array of `render(element)` for each element."""
    kind = column.type
    if is_pickled(field):
        return _each(decode_column(column, field))
    if pa.types.is_dictionary(kind):
        return rendered(column.dictionary_decode(), field)
    if is_bytes(kind):
        return column.cast(pa.large_binary())
    if is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _binary(column)
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.large_binary())
    if pa.types.is_floating(kind):
        return _floats(column.cast(pa.float64()))
    if pa.types.is_timestamp(kind):
        return _timestamps(column)
    if is_exact(kind):
        return _exact(column)
    if pa.types.is_nested(kind):
        if not _is_json(kind):
            return _each(decode_column(readable(column)))
        return pa.array(
            [None if value is None else _json(value).encode() for value in column.to_pylist()],
            pa.large_binary(),
        )
    return _each(decode_column(readable(column)))


def _exact(column: pa.Array) -> pa.Array:
    if not is_mixed(column.type):
        return _each(objects_of(column))
    ints, floats = column.flatten()
    return pc.coalesce(_binary(ints), _floats(floats))


def _binary(column: pa.Array) -> pa.Array:
    return column.cast(pa.large_string()).cast(pa.large_binary())


def _floats(column: pa.Array) -> pa.Array:
    """Floats as Python's `repr`.

    Arrow writes the same shortest digits, but other exponents and no `.0`. So Arrow renders only
    numbers that both write as plain decimals (0.0001 to ten digits).
    """
    numbers = column.fill_null(0.0).to_numpy(zero_copy_only=False)
    sizes = np.abs(numbers)
    plain = ((sizes >= 1e-4) & (sizes < 1e10)) | (sizes == 0)
    texts = column.cast(pa.large_string())
    whole = pa.array(numbers == np.floor(numbers))
    texts = pc.binary_join_element_wise(
        texts, pc.if_else(whole, ".0", "").cast(pa.large_string()), pa.scalar("", pa.large_string())
    )
    odd = pa.array(~plain)
    if not plain.all():
        ours = [repr(number) for number in numbers[~plain].tolist()]
        texts = pc.replace_with_mask(texts, odd, pa.array(ours, pa.large_string()))
    return _binary(texts)


def _each(values: Iterable[Any]) -> pa.Array:
    return pa.array([render(value) for value in values], pa.large_binary())


def _timestamps(column: pa.Array) -> pa.Array:
    kind = column.type
    if kind.unit == "ns":
        return _each(_nanoseconds(column))
    least, most = (pa.scalar(moment).cast(kind) for moment in _PLAIN_YEARS)
    plain = pc.and_(pc.greater_equal(column, least), pc.less(column, most))
    if kind.tz not in (None, "UTC") or not pc.all(plain, min_count=0).as_py():
        return _each(decode_column(column))
    local = column.cast(pa.timestamp("us"))
    texts = pc.replace_substring(local.cast(pa.large_string()), " ", "T", max_replacements=1)
    whole = pc.equal(pc.add(pc.millisecond(local), pc.microsecond(local)), 0)
    texts = pc.if_else(whole, pc.utf8_slice_codeunits(texts, 0, 19), texts)
    if kind.tz is not None:
        nothing = pa.scalar("", pa.large_string())
        texts = pc.binary_join_element_wise(texts, pa.scalar("+00:00", nothing.type), nothing)
    return _binary(texts)


def _nanoseconds(column: pa.Array) -> list[str | None]:
    """The text of `render`, with nine digits for times that do not fit Python's microseconds."""
    whole = decode_column(column)
    coarse = microseconds(column).cast(pa.int64())
    rest = pc.subtract(column.cast(pa.int64()), pc.multiply(coarse, 1000))
    texts: list[str | None] = []
    for moment, nanos in zip(whole, rest.to_pylist(), strict=True):
        if moment is None or not nanos:
            texts.append(None if moment is None else _text(moment))
            continue
        if isinstance(moment, datetime.timedelta):
            text, digits = str(moment), f"{moment.microseconds:06d}{nanos:03d}"
            texts.append(f"{text.partition('.')[0]}.{digits}")
            continue
        text = moment.isoformat(timespec="microseconds")
        end = text.index(".") + 7  # a zone may follow the six digits
        texts.append(f"{text[:end]}{nanos:03d}{text[end:]}")
    return texts


def readable(array: pa.Array) -> pa.Array:
    """The array with nanosecond times as text at any depth, because no Python type holds them."""
    kind = array.type
    if not _has_nanoseconds(kind):
        return array
    if pa.types.is_temporal(kind):
        return pa.array(_nanoseconds(array), pa.string())
    if pa.types.is_dictionary(kind):
        return readable(array.dictionary_decode())
    return rebuilt(as_lists(array) if is_any_list(kind) else array, readable)


def _has_nanoseconds(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_nanoseconds(kind.value_type)
    if pa.types.is_struct(kind) or pa.types.is_map(kind) or is_any_list(kind):
        return any(_has_nanoseconds(kind.field(index).type) for index in range(kind.num_fields))
    return getattr(kind, "unit", None) == "ns"


def _is_json(kind: pa.DataType) -> bool:
    """Whether Python objects of this type need no conversion for JSON."""
    types = pa.types
    if is_any_list(kind):
        return _is_json(kind.value_type)
    if types.is_struct(kind):
        own = not is_tuple(kind) and not has_exact(kind)
        return own and all(_is_json(each.type) for each in kind)
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
        or is_text(kind)
    )
