"""The short ways of mrjob's JSON protocols against the protocols themselves."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrmesos.mrjob.codec import (
    columns,
    fast_read,
    fast_write,
    is_faithful,
    json_texts,
    lines_read,
    load_all,
    reads_each,
)

protocol = pytest.importorskip("mrjob.protocol", reason="mrjob is an optional extra")
STANDARD = protocol.StandardJSONProtocol()

PLAIN = st.one_of(
    st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())
)
PARTS = st.sampled_from(
    [
        *(b'"', b"a", b"\\", b"u00e9", b"\\ud83d", b"1", b"-", b"0", b".", b"e", b"[", b"]", b","),
        *(b" ", b"\t", b"\x01", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", b"true", b"NaN", b"1e400"),
        b"9" * 25,
    ]
)


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@given(PLAIN, PLAIN)
@example("é\ud800\x00\t\n\u2028", 1 << 80)
@example("a", True)
@example(1, 1.0)
def test_lines_are_those_of_the_protocol(key: Any, value: Any) -> None:
    line = STANDARD.write(key, value)
    assert fast_write(STANDARD.write)(key, value) == line
    assert same(fast_read(STANDARD.read)(line), protocol.StandardJSONProtocol().read(line))


@given(st.lists(PARTS, max_size=5), st.lists(PARTS, max_size=5))
def test_bad_lines_are_bad_for_both(key: list[bytes], value: list[bytes]) -> None:
    line = b"".join(key) + b"\t" + b"".join(value)
    try:
        expected = protocol.StandardJSONProtocol().read(line)
    except ValueError:
        with pytest.raises(ValueError):
            fast_read(protocol.StandardJSONProtocol().read)(line)
    else:
        assert same(fast_read(protocol.StandardJSONProtocol().read)(line), expected)


@given(st.lists(PLAIN, max_size=5))
def test_a_column_is_read_at_once(values: list[Any]) -> None:
    column = pa.array([STANDARD.write(None, each).split(b"\t", 1)[1] for each in values])
    found = load_all(column.cast(pa.binary()), STANDARD.read)
    odd = any(isinstance(each, float) and not math.isfinite(each) for each in values)
    assert found is None or same(found, values)
    assert found is not None or odd or any("\\ud" in str(each) for each in column.to_pylist())


TYPED = st.one_of(
    st.lists(st.text(st.characters(codec="utf-8"))), st.lists(st.integers()), st.lists(PLAIN)
)


@given(TYPED, TYPED)
@example(["a", "é", '"', "\x7f", "", "\\"], [1, -(1 << 63), 0, 5, 6, 7])
@example(["\ud800"], [1])
@example(["a"], [1 << 63])
def test_columns_are_what_the_protocol_writes(keys: list[Any], values: list[Any]) -> None:
    pairs = [*zip(keys, values, strict=False)]
    made = columns([key for key, _ in pairs], [value for _, value in pairs], STANDARD.write)
    if made is not None:
        lines = zip(*(column.to_pylist() for column in made), strict=True)
        assert [b"\t".join(line) for line in lines] == [STANDARD.write(*pair) for pair in pairs]
    plain = all(type(key) is str and type(value) is str for key, value in pairs)
    if pairs and plain:
        assert made is not None


@given(st.lists(st.text(alphabet='aé"\\\n\x7f\u2028')), st.integers(0, 3))
def test_a_slice_of_texts_is_written(texts: list[str], start: int) -> None:
    found = json_texts(pa.array(texts, pa.string()).slice(start))
    assert found.to_pylist() == [json.dumps(text).encode() for text in texts[start:]]


@given(st.lists(st.text("aé\t")), st.lists(st.text("aé\ud800")))
def test_text_columns_are_what_the_protocol_writes(keys: list[str], values: list[str]) -> None:
    write = protocol.TextProtocol().write
    pairs = [*zip(keys, values, strict=False)]
    made = columns([key for key, _ in pairs], [value for _, value in pairs], write)
    assert made is not None or not pairs or any("\ud800" in value for _, value in pairs)
    if made is not None:
        lines = zip(*(column.to_pylist() for column in made), strict=True)
        assert [b"\t".join(line) for line in lines] == [write(*pair) for pair in pairs]


LINE = st.lists(st.sampled_from([b"a", b"\t", b"\r", b"\xc3\xa9", b"\xe9", b"\x00"])).map(b"".join)


@given(st.lists(LINE))
@example([b"a\nb", b"c"])
def test_lines_are_read_as_the_protocol_reads_them(lines: list[bytes]) -> None:
    read = protocol.RawValueProtocol().read
    assert [*lines_read(lines, read)] == [read(line.rstrip(b"\r\n")) for line in lines]


@given(st.lists(PLAIN, min_size=1))
@example(["\ud800", 1, math.nan])
@example([1, 2.0, 3])
def test_a_column_is_read_by_the_protocol_if_need_be(values: list[Any]) -> None:
    column = pa.array([STANDARD.write(None, each).split(b"\t", 1)[1] for each in values])
    each = reads_each(STANDARD.read)
    assert each is not None
    assert same(each(column), values)


def test_text_is_written_as_the_protocol_does() -> None:
    write = protocol.TextProtocol().write
    for pair in (("a", "é"), ("", ""), ("a", None), (None, "b")):
        assert fast_write(write)(*pair) == write(*pair)


def test_other_protocols_are_left_alone() -> None:
    for name in ("PickleProtocol", "ReprProtocol", "BytesProtocol", "JSONValueProtocol"):
        other = getattr(protocol, name)()
        assert not is_faithful(other.write)
        assert fast_write(other.write) == other.write
        assert fast_read(other.read) == other.read
        assert load_all(pa.array([b"1"]), other.read) is None
        assert reads_each(other.read) is None
