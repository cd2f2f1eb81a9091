"""Makes the input data: deterministic from a seed, written in blocks, as fast as a disk.

Random numbers are the raw stream of numpy's PCG64, which numpy promises never to change. Each block
has its own stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

VOCABULARY = 11_000_000
"""Size of the vocabulary. With Zipf's exponent 1, a gigabyte of text uses about 9 million words."""
BLOCK_TOKENS = 2_000_000
BLOCK_LINES = 250_000
LINE_TOKENS = (5, 15)
TERA_LINE = 100
_SYLLABLES = "".join(a + b for a in "bcdfghklmnprstvz" for b in "aeiou").encode()
_ENDINGS = ["", "", "", "", ",", ";", ".", "()", "(", ");", ":", "_t", "->x", "é", "[0]", "=1"]


def zipf_text(size: int, seed: int, vocabulary: int = VOCABULARY) -> Iterator[bytes]:
    """About `size` bytes of lines of 5 to 15 words, like source code and its documentation.

    In a vocabulary of V words, the word of rank r has the probability 1 / (r ln V) (Zipf's law,
    exponent 1). Common words are short. The most common word is empty, so some words are separated
    by two spaces.
    """
    known = words(vocabulary)
    written = 0
    block = 0
    while written < size:
        tokens = min(BLOCK_TOKENS, max(20, (size - written) // 6))
        stream = raw(seed, block)
        ranks = np.exp(uniform(stream, tokens) * np.log(vocabulary)).astype(np.int64)
        text = known.take(pa.array(ranks))
        ends = np.cumsum(line_lengths(stream, tokens))
        ends = np.append(ends[ends < tokens], tokens)
        # The space after a line's last word becomes a newline.
        offsets = np.frombuffer(text.buffers()[1], np.int64)[: tokens + 1]
        data = np.frombuffer(text.buffers()[2], np.uint8)[: offsets[-1]].copy()
        data[offsets[ends] - 1] = ord("\n")
        yield data.tobytes()
        written += len(data)
        block += 1


def line_lengths(stream: np.random.PCG64, tokens: int) -> Integers:
    """Numbers of words of lines, enough for `tokens` words."""
    low, high = LINE_TOKENS
    drawn = uniform(stream, tokens // low + 1) * (high - low + 1)
    return low + drawn.astype(np.int64)


@lru_cache(maxsize=1)
def words(vocabulary: int) -> Any:
    """That many words by rank as a `large_binary` array, each with a space behind it."""
    ranks = np.arange(vocabulary, dtype=np.int64)
    table = np.frombuffer(_SYLLABLES, np.uint8).reshape(-1, 2)
    parts = []
    first, count, length = 0, len(table), 1
    while first < vocabulary:
        group = ranks[first : first + count] - first
        letters = np.empty((len(group), length, 2), np.uint8)
        for place in range(length):
            letters[:, place] = table[group % len(table)]
            group = group // len(table)
        parts.append(fixed_width(letters.reshape(len(letters), -1)))
        first, count, length = first + count, count * len(table), length + 1
    stems = pa.concat_arrays(parts)
    endings = pa.array([f"{ending} ".encode() for ending in _ENDINGS], pa.large_binary())
    # Fibonacci hashing: the ending of a word is fixed and unrelated to its rank.
    chosen = endings.take(pa.array((ranks * 2654435769 >> 16) % len(_ENDINGS)))
    known = pc.binary_join_element_wise(stems, chosen, pa.scalar(b"", pa.large_binary()))
    empty = pa.array([b" "], pa.large_binary())
    return pa.concat_arrays([known.slice(0, 1), empty, known.slice(2)])


def tera_lines(lines: int, seed: int) -> Iterator[bytes]:
    """Lines of 100 bytes as TeraGen's: 10 random printable bytes, the row's number, filler."""
    for block, first in enumerate(range(0, lines, BLOCK_LINES)):
        count = min(BLOCK_LINES, lines - first)
        stream = raw(seed, block)
        rows = np.empty((count, TERA_LINE), np.uint8)
        rows[:, :10] = printable(stream, count * 10).reshape(count, 10)
        rows[:, 10:20] = decimal_digits(np.arange(first, first + count), 10)
        filler = ord("A") + (uniform(stream, count * 8) * 26).astype(np.uint8)
        rows[:, 20:] = np.repeat(filler.reshape(count, 8), 10, axis=1)
        rows[:, 99] = ord("\n")
        yield rows.tobytes()


def key_value_lines(lines: int, keys: int, seed: int) -> Iterator[bytes]:
    """Lines `k<7 digits> TAB <integer>`: keys evenly drawn from `keys`, integers -9,999 to 90,000.

    About 15 bytes a line.
    """
    values = pa.array([f"\t{number}\n".encode() for number in range(-9_999, 90_001)])
    for block, first in enumerate(range(0, lines, BLOCK_LINES)):
        count = min(BLOCK_LINES, lines - first)
        stream = raw(seed, block)
        number = (uniform(stream, count) * keys).astype(np.int64)
        name = np.full((count, 8), ord("k"), np.uint8)
        name[:, 1:] = decimal_digits(number, 7)
        value = values.take(pa.array((uniform(stream, count) * len(values)).astype(np.int64)))
        stems = fixed_width(name).cast(pa.binary())
        joined = pc.binary_join_element_wise(stems, value, pa.scalar(b"", pa.binary()))
        yield data_of(joined)


def one_long_line(size: int, seed: int, vocabulary: int = VOCABULARY) -> Iterator[bytes]:
    """At most `size` bytes of words in a single line that no newline ends."""
    left = size
    for block in zipf_text(size, seed, vocabulary):
        yield block.replace(b"\n", b" ")[:left]
        left -= len(block)


def numbered_lines(lines: int) -> Iterator[bytes]:
    """`lines` lines of 8 bytes: as many splits of one line each can be cut from them."""
    for first in range(0, lines, BLOCK_LINES):
        digits = decimal_digits(np.arange(first, min(lines, first + BLOCK_LINES)), 7)
        yield np.insert(digits, 7, ord("\n"), axis=1).tobytes()


def raw(seed: int, block: int) -> np.random.PCG64:
    """The stream of random bits of one block."""
    return np.random.PCG64(np.random.SeedSequence([seed, block]))


def uniform(stream: np.random.PCG64, count: int) -> Floats:
    """Numbers in [0, 1)."""
    bits: npt.NDArray[np.uint64] = stream.random_raw(count)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def printable(stream: np.random.PCG64, count: int) -> Bytes:
    """Bytes from space to tilde."""
    bits: npt.NDArray[np.uint64] = stream.random_raw(count // 4 + 1)
    return (32 + (bits.view(np.uint16)[:count].astype(np.uint32) * 95 >> 16)).astype(np.uint8)


def decimal_digits(numbers: Integers, width: int) -> Bytes:
    """The last `width` decimal digits of each number as ASCII, a row each."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (48 + numbers[:, None] // powers % 10).astype(np.uint8)


def fixed_width(rows: Bytes) -> Any:
    """A `large_binary` array of the rows."""
    count, width = rows.shape
    offsets = np.arange(count + 1, dtype=np.int64) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows))]
    return pa.Array.from_buffers(pa.large_binary(), count, buffers)


def data_of(strings: Any) -> bytes:
    """The bytes of a `binary` array's values, one after another."""
    offsets = np.frombuffer(strings.buffers()[1], np.int32)[: len(strings) + 1]
    data: bytes = strings.buffers()[2].slice(0, int(offsets[-1])).to_pybytes()
    return data
