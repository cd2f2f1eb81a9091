"""Records of a child process in binary: Hadoop's `-io rawbytes` and `-io typedbytes`.

With rawbytes, a key or value is four bytes of its length (big-endian) and its bytes. With
typedbytes, it is one value of `typed_bytes`. Between mapper and reducer, a record is a pair of
binary columns: the bytes of rawbytes without their length, or unchanged typed bytes. They sort by
these bytes, as Hadoop's BytesWritable and TypedBytesWritable do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.output.render import content, render
from mrmesos.streaming.spec import StreamIo
from mrmesos.streaming.typed_bytes import BadTypedBytes, Code, decode, end_of

_LENGTH = struct.Struct(">i")
_BATCH_BYTES = 1 << 20
_LARGEST = (1 << 31) - 1  # int32 offsets
_NESTED = (bytes([Code.VECTOR]), bytes([Code.LIST]), bytes([Code.MAP]))


class BadFrame(Exception):
    """A command wrote bytes that are no records in the form of its `-io`."""


class FrameCutter:
    """Takes the output of a child, in pieces of any size, and gives columns of keys and values."""

    def __init__(self, form: StreamIo, *, final: bool = False) -> None:
        """With `final`, the records go to the job's output: typed bytes become text."""
        self._form, self._final = form, final
        self._end_of = end_of if form is StreamIo.TYPEDBYTES else _raw_end
        self._rest = bytearray()
        self._wanted = 1
        self._columns: tuple[list[bytes], list[bytes]] = ([], [])
        self._bytes = 0
        self._key: bytes | None = None

    def add(self, data: bytes) -> Iterator[pa.RecordBatch]:
        """Take the next bytes. Raises BadFrame."""
        self._rest += data
        if len(self._rest) >= _LARGEST:
            raise BadFrame(f"a record has over {_LARGEST >> 20} MiB")
        if len(self._rest) < self._wanted:
            return
        at = 0
        while (end := self._cut(at)) > 0:
            self._take(bytes(self._rest[at:end]))
            at = end
        self._wanted = -end - at
        del self._rest[:at]
        if self._form is StreamIo.TYPEDBYTES and self._rest[:1] in _NESTED:
            # Each look begins at the first byte. So the next look comes only when there is twice as
            # much.
            self._wanted = max(self._wanted, 2 * len(self._rest))
        if self._bytes >= _BATCH_BYTES:
            yield self._batch()

    def end(self) -> Iterator[pa.RecordBatch]:
        """The records that are left. Raises BadFrame if the last one is not whole."""
        self._wanted = 0
        yield from self.add(b"")
        if self._rest or self._key is not None:
            raise BadFrame(f"the output of the command ends within a record of {self._form.value}")
        if self._columns[0]:
            yield self._batch()

    def _cut(self, at: int) -> int:
        try:
            return self._end_of(self._rest, at)
        except BadTypedBytes as problem:
            raise BadFrame(f"the command wrote no {self._form.value}: {problem}") from None

    def _take(self, given: bytes) -> None:
        keys, values = self._columns
        if self._form is StreamIo.RAWBYTES:
            given = given[_LENGTH.size :]
        elif self._final:
            given = render(decode(given)) or b""
        if self._key is None:
            self._key = given
            return
        keys.append(self._key)
        values.append(given)
        self._bytes += len(self._key) + len(given)
        self._key = None

    def _batch(self) -> pa.RecordBatch:
        arrays = [pa.array(each, pa.binary()) for each in self._columns]
        self._columns, self._bytes = ([], []), 0
        return pa.RecordBatch.from_arrays(arrays, names=[KEY, VALUE])


def as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Keys and values that are typed bytes, as the text of a part file."""
    arrays = [
        pa.array([render(decode(each)) for each in batch.column(name).to_pylist()], pa.binary())
        for name in (KEY, VALUE)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=[KEY, VALUE])


def _raw_end(data: bytearray, at: int) -> int:
    """Like `end_of`, for four bytes with a length, and as many bytes."""
    if at + _LENGTH.size > len(data):
        return -(at + _LENGTH.size)
    length: int = _LENGTH.unpack_from(data, at)[0]
    if length < 0:
        raise BadTypedBytes(f"a length is {length}")
    end = at + _LENGTH.size + length
    return end if end <= len(data) else -end


def framed(batch: pa.RecordBatch, form: StreamIo, sent: StreamIo | None) -> pa.Buffer | bytes:
    """The records for a child to read.

    `sent` is the form in which the earlier command wrote them. None: they come from the input. Then
    Hadoop has them as Writables: offsets as LongWritable, and bytes of text as Text.
    """
    if not batch.num_rows:
        return b""
    frame = _typed if form is StreamIo.TYPEDBYTES else _raw
    parts = [part for name in (KEY, VALUE) for part in frame(batch.column(name), sent)]
    nothing = pa.scalar(b"", pa.large_binary())
    return content(pc.binary_join_element_wise(*parts, nothing))


def _raw(column: pa.Array, sent: StreamIo | None) -> list[pa.Array]:
    """A length and the bytes of each element, as Hadoop's RawBytesInputWriter writes them."""
    if pa.types.is_integer(column.type):
        return [_numbers(np.full(len(column), 8), ">i4"), _numbers(column.to_numpy(), ">i8")]
    data = column.cast(pa.large_binary())
    if sent in (None, StreamIo.TEXT):  # a Text, with its length as one of Hadoop's numbers
        sizes = pc.binary_length(data).to_pylist()
        lengths = pa.array(map(_vint, sizes), pa.large_binary())
        data = pc.binary_join_element_wise(lengths, data, pa.scalar(b"", pa.large_binary()))
    return [_numbers(pc.binary_length(data).to_numpy(), ">i4"), data]


def _vint(number: int) -> bytes:
    """WritableUtils.writeVInt for a length."""
    if number < 128:
        return bytes([number])
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([256 - 112 - len(data)]) + data


def _typed(column: pa.Array, sent: StreamIo | None) -> list[pa.Array]:
    """Typed bytes of each element."""
    if pa.types.is_integer(column.type):
        return [_code(Code.LONG), _numbers(column.to_numpy(), ">i8")]
    data = column.cast(pa.large_binary())
    if sent is StreamIo.TYPEDBYTES:
        return [data]
    code = Code.BYTES if sent is StreamIo.RAWBYTES else Code.STRING
    return [_code(code), _numbers(pc.binary_length(data).to_numpy(), ">i4"), data]


def _code(code: Code) -> pa.Scalar:
    return pa.scalar(bytes([code]), pa.large_binary())


def _numbers(numbers: np.ndarray, kind: str) -> pa.Array:
    """Each number as its bytes."""
    data = numbers.astype(kind)
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(data.itemsize), len(data), [None, pa.py_buffer(data.tobytes())]
    )
    return fixed.cast(pa.large_binary())
