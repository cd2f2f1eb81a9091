"""Typed bytes and raw bytes: round trips, any cut of the stream, and whole jobs."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.local.run_job import run_job
from mrmesos.streaming.frames import BadFrame, FrameCutter, framed
from mrmesos.streaming.spec import StreamIo
from mrmesos.streaming.typed_bytes import BadTypedBytes, decode, encode, end_of, read
from tests.streaming.support import PYTHON, job_class, lines

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
SIMPLE = st.binary() | st.booleans() | INT64 | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | INT64, inner, max_size=4)
    ),
    max_leaves=12,
)
LENGTH = b"\x00\x00\x00"


@given(VALUES)
def test_a_value_comes_back(value: Any) -> None:
    data = encode(value)
    assert decode(data) == value
    assert end_of(data, 0) == len(data)
    for size in range(len(data)):
        assert -end_of(data[:size], 0) > size


@given(st.lists(VALUES, max_size=6))
def test_a_stream_of_values(values: list[Any]) -> None:
    assert list(read(io.BytesIO(b"".join(map(encode, values))))) == values


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x01\xff", -1),
        (b"\x05\x3f\xc0\x00\x00", 1.5),
        (b"\x64" + LENGTH + b"\x02ab", b"ab"),
        (b"\x0a" + LENGTH + b"\x01\x09\x01\x02\xff\x02\x01", {(2,): True}),
    ],
)
def test_what_only_other_programs_write(data: bytes, value: Any) -> None:
    assert decode(data) == value
    assert end_of(data, 0) == len(data)


@pytest.mark.parametrize(
    "data",
    [b"\x0b", b"\xff", b"\x07\xff\xff\xff\xff", b"\x09" * 200, b"\x08" + LENGTH + b"\x01\x30"],
)
def test_what_is_no_typed_bytes(data: bytes) -> None:
    with pytest.raises(BadTypedBytes):
        end_of(data, 0)
    with pytest.raises(BadTypedBytes):
        decode(data)


@given(st.binary(max_size=60))
def test_random_bytes_end_or_are_refused(data: bytes) -> None:
    try:
        end = end_of(data, 0)
    except BadTypedBytes:
        with pytest.raises(BadTypedBytes):
            decode(data)
        return
    if end > 0:
        decode(data[:end])
    else:
        assert -end > len(data)


@given(
    st.sampled_from([StreamIo.RAWBYTES, StreamIo.TYPEDBYTES]),
    st.lists(st.tuples(st.binary(), st.binary()), max_size=8),
    st.integers(1, 40),
)
def test_any_cut_of_the_stream(form: StreamIo, records: list[Any], size: int) -> None:
    keys, values = ([record[at] for record in records] for at in (0, 1))
    batch = pa.record_batch({"key": pa.array(keys, "binary"), "value": pa.array(values, "binary")})
    data = bytes(framed(batch, form, StreamIo.RAWBYTES))
    cutter = FrameCutter(form, final=True)
    found = [
        record
        for at in range(0, len(data), size)
        for made in cutter.add(data[at : at + size])
        for record in made.to_pylist()
    ]
    found += [record for made in cutter.end() for record in made.to_pylist()]
    assert [(record["key"], record["value"]) for record in found] == records


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (StreamIo.RAWBYTES, LENGTH + b"\x01k"),
        (StreamIo.RAWBYTES, b"\x00\x00"),
        (StreamIo.RAWBYTES, b"key\tvalue\n"),
        (StreamIo.RAWBYTES, b"\xff\xff\xff\xff"),
        (StreamIo.TYPEDBYTES, b"key\tvalue\n"),
        (StreamIo.TYPEDBYTES, b"\x01\x01"),
    ],
)
def test_a_stream_that_is_none(form: StreamIo, data: bytes) -> None:
    cutter = FrameCutter(form)
    with pytest.raises(BadFrame, match=form.value):
        [*cutter.add(data), *cutter.end()]


def test_records_of_the_input_are_written_as_hadoop_does() -> None:
    long = b"x" * 300
    batch = pa.record_batch({"key": pa.array([5]), "value": pa.array([long], pa.binary())})
    key = b"\x00\x00\x00\x00\x00\x00\x00\x05"
    raw = bytes(framed(batch, StreamIo.RAWBYTES, None))
    assert raw == LENGTH + b"\x08" + key + b"\x00\x00\x01\x2f" + b"\x8e\x01\x2c" + long
    typed = bytes(framed(batch, StreamIo.TYPEDBYTES, None))
    assert typed == b"\x04" + key + b"\x07\x00\x00\x01\x2c" + long


TYPED_SPLIT = """import sys
from mrmesos.streaming.typed_bytes import encode, read
values = read(sys.stdin.buffer)
for offset, line in zip(values, values):
    for word in line.split():
        sys.stdout.buffer.write(encode(word) + encode([1, offset]))
"""
TYPED_TOTAL = """import sys
from itertools import groupby
from mrmesos.streaming.typed_bytes import encode, read
values = read(sys.stdin.buffer)
for word, group in groupby(zip(values, values), key=lambda pair: pair[0]):
    sys.stdout.buffer.write(encode((word, "n")) + encode(sum(ones for _, (ones, _) in group)))
"""


def test_a_job_of_typed_bytes(tmp_path: Path) -> None:
    for name, text in (("m.py", TYPED_SPLIT), ("r.py", TYPED_TOTAL)):
        (tmp_path / name).write_text(text)
    words = ("-mapper", f"{PYTHON} m.py", "-reducer", f"{PYTHON} r.py", "-io", "typedbytes")
    files = {"m.py": tmp_path / "m.py", "r.py": tmp_path / "r.py"}
    given = ["é b b", "b c\td"] * 50
    found = run_job(job_class(*words), given, splits=2, files=files)
    counts = Counter(word for line in given for word in line.split())
    wanted = [(f'["{word}", "n"]'.encode(), b"%d" % count) for word, count in counts.items()]
    assert sorted(lines(found.records)) == sorted(wanted)


def test_binary_records_of_a_mapper_pass_an_identity() -> None:
    raw = r"""perl -ne 'chomp; print pack("N/a*N/a*", $_, "\0\n")'"""
    words = ("-mapper", raw, "-D", "stream.map.output=rawbytes")
    found = run_job(job_class(*words), ["b", "a"], splits=1, num_reducers=1)
    assert lines(found.records) == [(b"a", b"\0\n"), (b"b", b"\0\n")]
    typed = """perl -ne 'print pack("CN/a*Cc", 7, "k", 2, 1)'"""
    words = ("-mapper", typed, "-D", "stream.map.output=typedbytes")
    assert lines(run_job(job_class(*words), ["x"], splits=1).records) == [(b"k", b"true")]
