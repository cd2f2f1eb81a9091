"""Splitting whole text columns into words for vectorised mappers, without an object per word."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    _Bytes = npt.NDArray[np.uint8]
    _Mask = npt.NDArray[np.bool_]

_JOINED_MAX = 1 << 30  # bytes of text and offsets; joined texts stay below a kernel's 2 GiB

# Non-ASCII white space of `str.isspace` in UTF-8: the possible last bytes, by the first bytes.
_WIDE_SPACES: dict[bytes, tuple[int, ...]] = {
    b"\xc2": (0x85, 0xA0),
    b"\xe1\x9a": (0x80,),
    b"\xe2\x80": (*range(0x80, 0x8B), 0xA8, 0xA9, 0xAF),
    b"\xe2\x81": (0x9F,),
    b"\xe3\x80": (0x80,),
}


def words(column: pa.Array) -> pa.Array:
    """The words of all texts of a column in one array; None has no words.

    Words are separated as by `str.split` in a text column, and as by `bytes.split` in a bytes
    column. A word costs about 25 ns.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    kind = pa.string() if is_text else pa.binary()
    column = column.drop_null().cast(kind)
    if not len(column):
        return column
    if column.nbytes >= _JOINED_MAX and len(column) > 1:
        half = len(column) // 2
        return pa.concat_arrays([words(column.slice(0, half)), words(column.slice(half))])
    # A newline between texts keeps their words apart.
    if len(column) > 1:
        every = pa.ListArray.from_arrays(pa.array([0, len(column)], pa.int32()), column)
        column = pc.binary_join(every, pa.scalar(b"\n").cast(kind))
    first, end = np.frombuffer(column.buffers()[1], np.int32, 2, column.offset * 4).tolist()
    if first == end:
        return column.slice(0, 0)
    data = np.frombuffer(column.buffers()[2], np.uint8, end - first, first)
    space = _white_space(data, is_text)
    edges = np.empty(len(data) + 1, np.bool_)  # true where a word begins or ends
    edges[0], edges[-1] = not space[0], not space[-1]
    np.not_equal(space[1:], space[:-1], out=edges[1:-1])
    found = np.flatnonzero(edges)
    # The pieces alternate: word, white space, word. Arrow takes the words in one pass.
    bounds = np.empty(len(found) + 1, np.int32)
    bounds[:-1], bounds[-1] = found, len(data)
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    pieces = pa.Array.from_buffers(kind, len(found), buffers)
    return pieces.take(pa.array(np.arange(0, len(found), 2, dtype=np.int32)))


def _white_space(data: _Bytes, is_text: bool) -> _Mask:
    """A mask of the bytes that are white space."""
    import numpy as np

    # Unsigned bytes wrap around, so one comparison checks both ends of a range.
    last = 27 if is_text else 31  # of the control characters that are no white space
    if int(np.min(data)) >= 9 and int(np.min(data - np.uint8(14))) > last - 14:
        space: _Mask = data <= 32
    else:
        space = (data - np.uint8(9) <= 4) | (data - np.uint8(last + 1) <= 31 - last) | (data == 32)
    if is_text and int(np.max(data)) >= 0xC2:
        for lead, lasts in _WIDE_SPACES.items():
            if lead[0] in data:
                _mark(space, data, lead, lasts)
    return space


def _mark(space: _Mask, data: _Bytes, lead: bytes, lasts: tuple[int, ...]) -> None:
    """Mark the UTF-8 characters that begin with `lead` and end with one of the bytes `lasts`."""
    import numpy as np

    size = len(lead) + 1
    places = np.flatnonzero(data[: len(data) - size + 1] == lead[0])
    for index, byte in enumerate(lead[1:], 1):
        places = places[data[places + index] == byte]
    places = places[np.isin(data[places + size - 1], lasts)]
    for index in range(size):
        space[places + index] = True
