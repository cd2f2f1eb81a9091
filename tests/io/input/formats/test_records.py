"""Records with a delimiter of their own: any bytes, any cut, as one simple split gives them."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import TextInput
from mrmesos.io.compression.first_bytes import not_text, wide_encoding
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.registry import check_input
from tests.io.input.formats.cutting import read, slices, whole

PIECES = st.lists(st.sampled_from([b"\n", b"a", b"ab", b"\r\n", b"\xff", b"xyz"]), max_size=50)


def reference(data: bytes, delimiter: bytes) -> list[tuple[int, bytes]]:
    records, offset = [], 0
    while offset < len(data):
        found = data.find(delimiter, offset)
        end = len(data) if found < 0 else found
        records.append((offset, data[offset:end]))
        offset = end + len(delimiter)
    return records


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=PIECES.map(b"".join).filter(lambda data: not (not_text(data) or wide_encoding(data))),
    delimiter=st.sampled_from([b"\n\n", b"a", b"aba", b"\r\n\r\n", b"||", b"\n\n\n"])
    | st.lists(st.sampled_from([b"\n", b"a", b"ab"]), min_size=1, max_size=4).map(b"".join),
    size=st.integers(1, 40),
    batch=st.integers(1, 30),
)
def test_any_cut_gives_the_records_of_the_whole_file(
    tmp_path: Path, data: bytes, delimiter: bytes, size: int, batch: int
) -> None:
    path = tmp_path / "in"
    path.write_bytes(data)
    fmt = TextInput("", delimiter=delimiter)
    assert read(slices(path, size), fmt, batch_bytes=batch) == reference(data, delimiter)
    text = TextInput(delimiter=delimiter)
    wanted = [(at, record.decode(errors="replace")) for at, record in reference(data, delimiter)]
    assert read(slices(path, size), text, batch_bytes=batch) == wanted
    for split in slices(path, size):
        start = split.slices[0].start
        assert all(start <= at < start + split.length for at, _ in read([split], fmt))


def test_a_run_of_delimiters_is_followed_back(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"x" + 10_001 * b"\n" + b"y")
    fmt = TextInput("", delimiter=b"\n\n")
    assert read(slices(path, 4000), fmt) == reference(path.read_bytes(), b"\n\n")


def test_long_records_have_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"ok||" + b"z" * 50 + b"||")
    assert read(whole(path), TextInput(max_line_bytes=50, delimiter=b"||"))[1][0] == 4
    fmt = TextInput(max_line_bytes=49, delimiter=b"||")
    for batch in (1, 1 << 20):
        with pytest.raises(InputError, match="the line at offset 4 is longer than 49"):
            read(whole(path), fmt, batch_bytes=batch)


def test_with_encodings_compression_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(gzip.compress("\ufeffä|ö".encode()))
    assert read(whole(path), TextInput(delimiter=b"|")) == [(3, "ä"), (6, "ö")]
    path.write_bytes("ä|ö|".encode("utf-16"))
    assert read(slices(path, 3), TextInput(delimiter=b"|")) == [(0, "ä"), (3, "ö")]
    path.write_bytes("ä|ö|".encode("latin-1"))
    assert read(slices(path, 1), TextInput("latin-1", delimiter=b"|")) == [(0, "ä"), (2, "ö")]
    path.write_bytes(b"ok|\xff|")
    with pytest.raises(InputError, match="offset 3 is not utf-8"):
        read(whole(path), TextInput("utf-8", "strict", delimiter=b"|"))


def test_a_delimiter_is_bytes_and_travels() -> None:
    with pytest.raises(InputError, match="write at most"):
        check_input(TextInput(delimiter="||"))  # type: ignore[arg-type]
    fmt = TextInput(delimiter=b"\x00\xff\n")
    assert msgspec.json.decode(msgspec.json.encode(fmt), type=TextInput) == fmt
