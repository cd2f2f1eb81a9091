"""Text in any encoding: every format, every cut, as if it were UTF-8."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import CsvInput, InputFormat, JsonLinesInput, KeyValueTextInput, TextInput
from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.registry import check_input
from mrmesos.io.input.splits import plan_splits
from tests.io.input.formats.cutting import read, slices, whole

WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp037")
ASCII_INSIDE = ("latin-1", "cp1252", "cp437", "mac-roman", "utf-8", "utf-8-sig")
SEVERAL_BYTES = ("shift_jis", "gb18030")
LINES = ["a\tä1", "", "b\tÿ€"[:3], "c\tz"]


def text_of(encoding: str) -> str:
    body = "".join(f"{line}\n" for line in LINES)
    return body.replace("ÿ", "é") if encoding == "cp437" else body


@pytest.mark.parametrize("encoding", [*WIDE, *ASCII_INSIDE])
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_in_every_encoding(tmp_path: Path, encoding: str, packed: bool) -> None:
    path = tmp_path / "in"
    lines = text_of(encoding).split("\n")[:-1]
    data = text_of(encoding).encode(encoding)
    path.write_bytes(gzip.compress(data) if packed else data)
    splits = whole(path) if packed else slices(path, 3)
    text = TextInput(encoding, "strict")
    assert [value for _, value in read(splits_of(path, text, splits), text)] == lines
    keyed = KeyValueTextInput(encoding=encoding)
    pairs = [(line.partition("\t")[0], line.partition("\t")[2]) for line in lines]
    assert read(splits_of(path, keyed, splits), keyed) == pairs
    table = CsvInput("\t", header=False, names=("k", "v"), quote="", encoding=encoding)
    rows = [{"k": key, "v": value} for key, value in pairs if key]
    found = read(splits_of(path, table, splits), table)
    assert [row for _, row in found] == rows
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(encoding)
    path.write_bytes(gzip.compress(data) if packed else data)
    values = JsonLinesInput(encoding=encoding)
    assert [value for _, value in read(splits_of(path, values, whole(path)), values)] == lines


def splits_of(path: Path, fmt: InputFormat, cut: list[Split]) -> list[Split]:
    """The cut, if planning would cut the file at all."""
    planned = plan_splits([str(path)], fmt, Conf({"split.maxsize": "3"}))
    return cut if len(planned) > 1 else planned


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("big", [False, True])
def test_a_mark_tells_utf_16_and_utf_32_whatever_the_cut(
    tmp_path: Path, encoding: str, big: bool
) -> None:
    path = tmp_path / "in"
    order = f"{encoding}-{'be' if big else 'le'}"
    path.write_bytes(("\ufeff" + "".join(f"{line}\n" for line in LINES)).encode(order))
    for size in (1, 7, 1000):
        assert [value for _, value in read(slices(path, size), TextInput())] == LINES
    keyed = read(slices(path, 5), KeyValueTextInput())
    assert [key for key, _ in keyed] == ["a", "", "b", "c"]
    # Small files that share a batch.
    pieces = tuple(FileSlice(str(path), 0, path.stat().st_size) for _ in range(3))
    assert [value for _, value in read([Split(pieces, 1)], TextInput())] == 3 * LINES
    # Bytes are not decoded, so nothing is known about them.
    assert len(read(whole(path), TextInput(""))) == len(LINES) + (not big)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.lists(st.text("aé€\x9dÿ\"'", max_size=3), min_size=2, max_size=2), min_size=1, max_size=8
    ),
    size=st.integers(1, 40),
    encoding=st.sampled_from(["latin-1", "cp1252", "shift_jis", "utf-8"]),
)
def test_csv_of_any_encoding_and_cut(
    tmp_path: Path, rows: list[list[str]], size: int, encoding: str
) -> None:
    path = tmp_path / "in"
    cells = [[cell.encode(encoding, "ignore").decode(encoding) for cell in row] for row in rows]
    path.write_bytes("".join("|".join(row) + "x\n" for row in cells).encode(encoding))
    fmt = CsvInput("|", header=False, names=("a", "b"), quote="", encoding=encoding)
    found = read(splits_of(path, fmt, slices(path, size)), fmt)
    assert [(row["a"], row["b"]) for _, row in found] == [(a, b + "x") for a, b in cells]
    if encoding in ("latin-1", "cp1252"):
        data = path.read_bytes()
        starts = [at for at in range(len(data)) if not at or data[at - 1 : at] == b"\n"]
        assert [key for key, _ in found] == starts


def test_bytes_that_do_not_decode_have_their_place(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes("ok\n".encode("utf-16-le") + b"\x00\xd8x\x00")
    with pytest.raises(InputError, match="in: the text at offset 6 is not utf-16-le"):
        read(whole(path), TextInput("utf-16-le", "strict"))
    assert read(whole(path), TextInput("utf-16-le"))[1] == (3, "\ufffdx")
    path.write_bytes(b"a,b\nx,\x81\ny,z\n")
    fmt = CsvInput(encoding="cp1252", newlines_in_fields=False)
    with pytest.raises(InputError, match="offset 4"):
        read(whole(path), fmt)
    skipping = CsvInput(encoding="cp1252", on_error="skip")
    assert read(whole(path), skipping) == [(8, {"a": "y", "b": "z"})]


def test_encodings_are_checked() -> None:
    for fmt in (CsvInput(encoding="klingon"), JsonLinesInput(encoding="klingon")):
        with pytest.raises(InputError, match="does not know this encoding"):
            check_input(fmt)
    with pytest.raises(InputError, match="name the encoding"):
        check_input(JsonLinesInput(encoding=""))


@pytest.mark.parametrize("encoding", ["utf-16", "UTF16", "utf-32"])
def test_a_mark_that_is_needed_and_missing_is_told(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "in"
    path.write_bytes("a,b\n1,2\n".encode(f"{encoding}-le".lower().replace("utf16", "utf-16")))
    for fmt in (
        TextInput(encoding),
        CsvInput(encoding=encoding),
        JsonLinesInput(encoding=encoding),
    ):
        with pytest.raises(InputError, match=r"no byte order mark.*encoding='utf-\d\d-le' or '"):
            read(whole(path), fmt)
