"""Lines cut into keys and values, against Python's own `split`."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from mrmesos.streaming.lines import LineCutter, cut_lines, joined_lines, value_lines

LINES = st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"\t")))
SEPARATORS = st.sampled_from([b"\t", b",", b"::", b"\t\t"])


def expected(line: bytes, separator: bytes, fields: int) -> tuple[bytes, bytes]:
    parts = line.split(separator)
    if not fields:
        return b"", separator.join(parts)
    if len(parts) <= fields:
        return line, b""
    return separator.join(parts[:fields]), separator.join(parts[fields:])


@given(LINES, SEPARATORS, st.integers(1, 3), st.booleans(), st.integers(1, 9))
@example([b"a\tb\tc", b"", b"\t", b"\r", b"\0\t\xff"], b"\t", 2, True, 3)
def test_lines_are_cut_as_python_cuts_them(
    given_lines: list[bytes], separator: bytes, fields: int, closed: bool, piece: int
) -> None:
    data = b"\n".join(given_lines) + (b"\n" if closed and given_lines else b"")
    wanted = data.split(b"\n")
    if wanted[-1] == b"":
        wanted.pop()
    cutter = LineCutter(partial(cut_lines, separator=separator, fields=fields))
    batches = [b for at in range(0, len(data), piece) for b in cutter.add(data[at : at + piece])]
    batches += cutter.end()
    got = [
        (key, value)
        for batch in batches
        for key, value in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
    assert got == [expected(line, separator, fields) for line in wanted]


def test_a_long_line_comes_in_many_pieces() -> None:
    cutter = LineCutter(partial(cut_lines, separator=b"\t", fields=1))
    pieces = [b"k\t", *([b"x" * 100_000] * 30), b"\nnext"]
    batches = [batch for piece in pieces for batch in cutter.add(piece)] + list(cutter.end())
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [(row["key"], len(row["value"])) for row in rows] == [(b"k", 3_000_000), (b"next", 0)]


def test_a_last_line_without_a_separator_stays_as_it_is() -> None:
    assert cut_lines(b"a\nb\tc\nd\t\n", b"\t", 1, final=True).to_pylist() == [
        {"key": b"a", "value": None},
        {"key": b"b", "value": b"c"},
        {"key": b"d", "value": b""},
    ]


def test_lines_for_a_child() -> None:
    keys, values = pa.array([b"a", b"", b"\xff"]), pa.array([b"1", b"2", b""])
    batch = pa.RecordBatch.from_arrays([keys, values], names=["key", "value"])
    assert b"".join(map(bytes, joined_lines(batch, "\t"))) == b"a\t1\n\t2\n\xff\t\n"
    assert bytes(value_lines(values)) == b"1\n2\n\n"
