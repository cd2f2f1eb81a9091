"""Text lines: any bytes, slices and batch sizes give the same lines as a simple reader."""

import bz2
import gzip
import operator
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import TextInput
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.compression.first_bytes import not_text, wide_encoding
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.registry import check_input
from mrmesos.io.input.formats.text import read_text

RAW = TextInput(encoding="")
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def is_text(data: bytes) -> bool:
    """Whether the reader takes these bytes for text in an encoding that contains ASCII."""
    return not (not_text(data) or wide_encoding(data))


# Bytes that make difficult cases: line ends, halves of characters, invalid bytes.
TEXT = (
    st.lists(
        st.sampled_from(
            [
                b"\n",
                b"\r",
                b"\r\n",
                b"a",
                b"bc",
                b"\xc3",
                b"\xa9",
                b"\xe4\xb8",
                b"\xad",
                b"\xff",
                b"\0",
            ]
        )
        | st.binary(max_size=6),
        max_size=40,
    )
    .map(b"".join)
    .filter(is_text)
)


def is_unmarked(data: bytes) -> bool:
    """Whether the text has no byte order mark, which readers of UTF-8 drop."""
    return not data.startswith(b"\xef\xbb\xbf")


on_files = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def reference(data: bytes) -> list[tuple[int, bytes]]:
    lines, offset = [], 0
    while offset < len(data):
        newline = data.find(b"\n", offset)
        end = len(data) if newline < 0 else newline
        line = data[offset:end]
        if newline >= 0 and line.endswith(b"\r"):
            line = line[:-1]
        lines.append((offset, line))
        offset = end + 1
    return lines


def cuts(uri: str, size: int, piece: int) -> list[Split]:
    return [
        Split((FileSlice(uri, start, min(piece, size - start)),), min(piece, size - start))
        for start in range(0, size, piece)
    ]


def records(
    splits: Iterable[Split], fmt: TextInput = RAW, batch_bytes: int = 1 << 20
) -> list[tuple[int, object]]:
    found: list[tuple[int, object]] = []
    for split in splits:
        for item in read_text(split, fmt, batch_bytes=batch_bytes):
            item.batch.validate(full=True)
            assert item.batch.num_rows > 0
            columns = item.batch.to_pydict()
            found += zip(columns["key"], columns["value"], strict=True)
    return found


@on_files
@given(data=TEXT, piece=st.integers(1, 60), batch=st.integers(1, 30))
def test_slices_of_any_size_give_every_line_once(
    tmp_path: Path, data: bytes, piece: int, batch: int
) -> None:
    path = tmp_path / "in"
    path.write_bytes(data)
    splits = cuts(str(path), len(data), piece)
    assert records(splits, batch_bytes=batch) == reference(data)
    # Each line also belongs to the slice that contains its first byte.
    for split in splits:
        start, length = split.slices[0].start, split.slices[0].length
        assert all(start <= key < start + length for key, _ in records([split], RAW, batch))


@on_files
@given(data=TEXT.filter(is_unmarked), piece=st.integers(1, 60), batch=st.integers(1, 30))
def test_text_is_each_line_decoded(tmp_path: Path, data: bytes, piece: int, batch: int) -> None:
    path = tmp_path / "in"
    path.write_bytes(data)
    splits = cuts(str(path), len(data), piece)
    for encoding in ("utf-8", "latin-1", "ascii", "cp1252", "shift_jis", "gb18030"):
        wanted = [(key, line.decode(encoding, "replace")) for key, line in reference(data)]
        assert records(splits, TextInput(encoding), batch) == wanted


@on_files
@given(data=TEXT, piece=st.integers(1, 60), batch=st.integers(1, 30))
def test_blocks_are_whole_lines_with_their_ends(
    tmp_path: Path, data: bytes, piece: int, batch: int
) -> None:
    path = tmp_path / "in"
    path.write_bytes(data)
    splits = cuts(str(path), len(data), piece)
    found = [
        (key, cast(bytes, block))
        for key, block in records(splits, TextInput("", blocks=True), batch)
    ]
    assert b"".join(block for _, block in found) == data
    ends = np.cumsum([len(block) for _, block in found]).tolist()
    assert [key for key, _ in found] == [0, *ends][: len(found)]
    assert all(block.endswith(b"\n") for _, block in found[:-1])
    for encoding in ("latin-1", "shift_jis"):
        wanted = [(key, block.decode(encoding, "replace")) for key, block in found]
        assert records(splits, TextInput(encoding, blocks=True), batch) == wanted
    marked = 3 * data.startswith(b"\xef\xbb\xbf")  # text in UTF-8 has no byte order mark
    found = [(max(key, marked), block[max(0, marked - key) :]) for key, block in found]
    wanted = [(key, block.decode("utf-8", "replace")) for key, block in found if block]
    assert records(splits, TextInput(blocks=True), batch) == wanted


@pytest.mark.parametrize("longest", [2, 900, 30_000])
def test_large_blocks_are_whole_lines(tmp_path: Path, longest: int) -> None:
    sizes = np.random.default_rng(7).integers(0, longest, 600_000 // longest)
    path = tmp_path / "in"
    path.write_bytes(b"".join(b"x" * size + b"\n" for size in sizes.tolist()))
    size = path.stat().st_size
    fmt = TextInput("", max_line_bytes=longest, blocks=True)  # a block may be longer than a line
    found = records(cuts(str(path), size, 70_000), fmt, 20_000)
    texts = [cast(bytes, block) for _, block in found]
    assert b"".join(texts) == path.read_bytes()
    assert all(block.endswith(b"\n") for block in texts)
    assert len(texts) >= size // max(20_000 + longest, 70_000)


@on_files
@given(
    members=st.lists(TEXT, min_size=1, max_size=3).filter(lambda texts: is_text(b"".join(texts))),
    suffix=st.sampled_from(sorted(COMPRESS)),
    batch=st.integers(1, 30),
)
def test_compressed_files_of_several_members(
    tmp_path: Path, members: list[bytes], suffix: str, batch: int
) -> None:
    path = tmp_path / f"in{suffix}"
    path.write_bytes(b"".join(COMPRESS[suffix](member) for member in members))
    split = Split((FileSlice(str(path), 0, -1),), path.stat().st_size)
    assert records([split], batch_bytes=batch) == reference(b"".join(members))


@settings(deadline=None, max_examples=30)
@given(data=TEXT, piece=st.integers(1, 60))
def test_remote_filesystems(data: bytes, piece: int) -> None:
    uri = "memory://text/in"
    fsspec.filesystem("memory").pipe_file("/text/in", data)
    try:
        assert records(cuts(uri, len(data), piece), batch_bytes=7) == reference(data)
    finally:
        fsspec.filesystem("memory").rm("/text", recursive=True)


def test_large_lines_and_chunks(tmp_path: Path) -> None:
    data = b"x" * 3_000_000 + b"\r\n" + b"".join(b"%d\n" % i for i in range(200_000)) + b"\r"
    path = tmp_path / "in"
    path.write_bytes(data)
    wanted = [(key, line.decode()) for key, line in reference(data)]
    assert records(cuts(str(path), len(data), 1 << 21), TextInput()) == wanted
    assert records(cuts(str(path), len(data), 100_000), TextInput(), 1 << 16) == wanted


def test_a_split_of_several_files_keeps_their_batches_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\n2")
    (tmp_path / "b").write_bytes(b"3\n")
    pieces = (FileSlice(str(tmp_path / "a"), 0, 3), FileSlice(str(tmp_path / "b"), 0, -1))
    items = list(read_text(Split(pieces, 5), TextInput()))
    assert [(Path(item.uri).name, item.batch["value"].to_pylist()) for item in items] == [
        ("a", ["1", "2"]),
        ("b", ["3"]),
    ]


Placed = list[tuple[str, int, object]]


def by_file(split: Split, fmt: TextInput, batch: int, *, records: bool) -> tuple[Placed, int]:
    """File, offset and text of every line, and the number of batches."""
    found: Placed = []
    items = list(read_text(split, fmt, batch_bytes=batch, records=records))
    for item in items:
        files = [(0, item.uri), *item.further]
        item.batch.validate(full=True)
        columns = item.batch.to_pydict()
        for row, (key, value) in enumerate(zip(columns["key"], columns["value"], strict=True)):
            uri = next(uri for first, uri in reversed(files) if first <= row)
            found.append((Path(uri).name, key, value))
    return found, len(items)


@on_files
@given(
    files=st.lists(TEXT, max_size=8),
    batch=st.integers(1, 300),
    text=st.booleans(),
    blocks=st.booleans(),
)
def test_files_that_share_batches_are_told_apart(
    tmp_path: Path, files: list[bytes], batch: int, text: bool, blocks: bool
) -> None:
    slices = []
    for number, data in enumerate(files):
        (tmp_path / f"{number}").write_bytes(data)
        slices.append(FileSlice(str(tmp_path / f"{number}"), 0, len(data)))
    split = Split(tuple(slices), sum(map(len, files)))
    fmt = TextInput("utf-8" if text else "", blocks=blocks)
    assert (
        by_file(split, fmt, batch, records=True)[0] == by_file(split, fmt, batch, records=False)[0]
    )


def test_thousands_of_small_files_are_a_few_batches(tmp_path: Path) -> None:
    slices, wanted = [], []
    for number in range(3000):
        data = b"one\ntwo %d" % number
        (tmp_path / f"{number:04d}").write_bytes(data)
        slices.append(FileSlice(str(tmp_path / f"{number:04d}"), 0, len(data)))
        wanted += [(f"{number:04d}", 0, "one"), (f"{number:04d}", 4, f"two {number}")]
    split = Split(tuple(slices), 30_000)
    found, batches = by_file(split, TextInput(), 1 << 20, records=True)
    assert found == wanted
    assert batches == 1
    found, batches = by_file(split, TextInput(blocks=True), 1 << 20, records=True)
    assert found == [(f"{number:04d}", 0, f"one\ntwo {number}") for number in range(3000)]
    assert batches == 1


@pytest.mark.parametrize(
    ("data", "length", "fmt", "says"),
    [
        (
            b"a\nbb\n\xff\n",
            7,
            TextInput(errors="strict"),
            "/bad: the line at offset 5 is not utf-8",
        ),
        (b"a\nbbbbb\nc\n", 10, TextInput(max_line_bytes=4), "/bad: the line at offset 2 is longer"),
        (
            b"a\nbbbbb\nc\n",
            10,
            TextInput(max_line_bytes=4, blocks=True),
            "/bad: the line at offset 2 is longer",
        ),
        (
            b"a\nbb\n\xff\n",
            7,
            TextInput(errors="strict", blocks=True),
            "/bad: the line at offset 5 is not utf-8",
        ),
        (b"a\n", 7, TextInput(), "/bad: ends at byte 2 but had at least 7"),
    ],
)
def test_trouble_in_a_shared_batch_names_file_and_offset(
    tmp_path: Path, data: bytes, length: int, fmt: TextInput, says: str
) -> None:
    (tmp_path / "bad").write_bytes(data)
    (tmp_path / "good").write_bytes(b"x\n")
    good = FileSlice(str(tmp_path / "good"), 0, 2)
    split = Split((good, FileSlice(str(tmp_path / "bad"), 0, length), good), 0)
    with pytest.raises(InputError, match=says):
        list(read_text(split, fmt, records=True))


@pytest.mark.parametrize("batch", [1, 4, 1 << 20])
@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n"])
def test_lines_over_the_limit_name_file_offset_and_setting(
    tmp_path: Path, tail: bytes, batch: int
) -> None:
    path = tmp_path / "in"
    fmt = TextInput(max_line_bytes=5)
    path.write_bytes(b"ok\n12345" + tail)
    whole = [Split((FileSlice(str(path), 0, -1),), 0)]
    assert records(whole, fmt, batch) == [(0, "ok"), (3, "12345")]
    path.write_bytes(b"ok\n123456" + tail)
    with pytest.raises(InputError, match=r"in: the line at offset 3 .* 5 bytes.*max_line_bytes"):
        records(whole, fmt, batch)


@on_files
@given(data=TEXT, batch=st.integers(1, 30), most=st.integers(1, 12))
def test_the_limit_is_met_exactly(tmp_path: Path, data: bytes, batch: int, most: int) -> None:
    path = tmp_path / "in"
    path.write_bytes(data)
    whole = [Split((FileSlice(str(path), 0, len(data)),), len(data))]
    fmt = TextInput("", max_line_bytes=most)
    too_long = [offset for offset, line in reference(data) if len(line) > most]
    if too_long:
        with pytest.raises(InputError, match=f"the line at offset {too_long[0]} is longer"):
            records(whole, fmt, batch)
    else:
        assert records(whole, fmt, batch) == reference(data)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "shift_jis"])
def test_strict_names_file_and_offset(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"fine\nalso fine\nnot \x81\xff fine\n")
    with pytest.raises(InputError, match=r"in: the line at offset 15 is not"):
        records(cuts(str(path), 27, 27), TextInput(encoding, errors="strict"))


def test_halves_of_a_character_on_two_lines_are_not_one(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"\xc3\n\xa9\n")
    assert records(cuts(str(path), 4, 4), TextInput()) == [(0, "\ufffd"), (2, "\ufffd")]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    gz = tmp_path / "cut.gz"
    gz.write_bytes(gzip.compress(b"line\n" * 1000)[:-6])
    with pytest.raises(
        InputError,
        match=r"cut\.gz: cannot be read: gzip .* at byte \d+ .* file ends within this member",
    ):
        records([Split((FileSlice(str(gz), 0, -1),), 1)])
    with pytest.raises(InputError, match=r"gone: cannot be read: No such file"):
        records(cuts(str(tmp_path / "gone"), 3, 3))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    holder = os.open(pipe, os.O_RDWR)  # otherwise opening the pipe would wait for a writer
    with pytest.raises(InputError, match=r"pipe: cannot be read: Illegal seek"):
        records(cuts(str(pipe), 3, 3))
    os.close(holder)
    with pytest.raises(InputError, match=r"directory"):
        records(cuts(str(tmp_path), 3, 3))


def test_a_file_that_became_shorter_is_an_error_not_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"a\nb\n")
    for start, length in ((0, 9), (3, 3), (6, 2)):
        with pytest.raises(InputError, match=r"in: ends at byte \d but had at least \d when"):
            records([Split((FileSlice(str(path), start, length),), length)])


@pytest.mark.parametrize(
    ("fmt", "says"),
    [
        (TextInput("klingon"), "does not know"),
        (TextInput(errors="ignore"), "strict"),
        (TextInput(max_line_bytes=1 << 40), "max_line_bytes"),
        (TextInput(max_line_bytes=0), "max_line_bytes"),
        (TextInput(blocks=True, delimiter=b";"), "leave out one"),
    ],
)
def test_formats_that_cannot_work_are_refused(fmt: TextInput, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_input(fmt)


@given(st.integers(1, 5), st.lists(st.sampled_from([b"\n", b"\r\n"]), max_size=9), st.booleans())
def test_lines_of_one_length_as_bytes(width: int, ends: list[bytes], closed: bool) -> None:
    lines = [bytes([65 + row]) * width for row in range(len(ends))]
    data = b"".join(map(operator.add, lines, ends)) + (b"" if closed else b"z" * width)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "f"
        path.write_bytes(data)
        split = Split((FileSlice(str(path), 0, len(data)),), len(data))
        batches = [given.batch for given in read_text(split, TextInput(encoding=""))]
    found = [line for batch in batches for line in batch.column("value").to_pylist()]
    assert found == lines + ([] if closed else [b"z" * width])
