"""Files as they are: compressed ones by content, padded ones, and those that are no text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from mrmesos.api import (
    CsvInput,
    FixedWidthInput,
    Job,
    JsonLinesInput,
    KeyValueTextInput,
    Mapper,
    TextInput,
    WholeFileInput,
)
from mrmesos.api.formats import InputFormat
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.compression.first_bytes import CODECS, codec_in, not_text
from mrmesos.io.fs.filesystem import InputError
from mrmesos.local.run_job import run_job
from tests.io.compression.packing import KINDS
from tests.io.input.formats.cutting import read

LINES = [f"line {index} of a file" for index in range(500)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()


def _arrow(codec: str) -> Callable[[bytes], bytes]:
    def compress(data: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(data)
        return bytes(sink.getvalue())

    return compress


def _zip(*names: str) -> Callable[[bytes], bytes]:
    def compress(data: bytes) -> bytes:
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, data)
        return sink.getvalue()

    return compress


def _tar(data: bytes) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        info = tarfile.TarInfo("in.txt")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": _arrow("zstd"),
    "lz4": _arrow("lz4"),
    "zip": _zip("in.txt"),
}


class Values(Mapper):
    def map(self, key, value):  # type: ignore[no-untyped-def]
        yield None, value


class Copy(Job):
    mapper = Values


def values(path: Path, splits: int = 1, job: type[Job] = Copy) -> list[object]:
    return [value for _, value in run_job(job, [path], splits=splits).records]


@pytest.mark.parametrize("codec", COMPRESS)
def test_content_tells_the_codec(codec: str) -> None:
    head = COMPRESS[codec](TEXT)[:512]
    assert codec_in(head) == codec
    assert codec_in(TEXT[:512]) is None
    assert codec_in(b"BZh9 is how a line of text may begin\n") is None


@pytest.mark.parametrize("splits", [1, 3, 7])
@pytest.mark.parametrize("codec", COMPRESS)
def test_a_compressed_file_of_any_name_is_read_once(
    tmp_path: Path, codec: str, splits: int
) -> None:
    path = tmp_path / "part-00000"
    path.write_bytes(COMPRESS[codec](TEXT))
    assert values(path, splits) == LINES


@pytest.mark.parametrize("codec", ["gzip", "bz2", "xz"])
def test_several_members(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "two"
    path.write_bytes(2 * COMPRESS[codec](TEXT))
    assert values(path) == 2 * LINES


def test_zeros_behind_a_gzip_file_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "padded.gz"
    path.write_bytes(gzip.compress(TEXT) + bytes(10_240))
    assert values(path) == LINES


def test_junk_behind_a_gzip_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "junk.gz"
    path.write_bytes(gzip.compress(TEXT) + b"junk")
    with pytest.raises(
        InputError, match=r"junk\.gz: cannot be read: bytes after .* from byte \d+ of"
    ):
        values(path)


@pytest.mark.parametrize(
    ("name", "data", "say"),
    [
        ("t", _tar(TEXT), "a tar archive, not text"),
        ("t.tar.gz", gzip.compress(_tar(TEXT)), "a tar archive, not text inside"),
        ("twice.gz", gzip.compress(gzip.compress(TEXT)), "gzip data, not text inside"),
        ("s.snappy", TEXT, "does not begin as snappy data does"),
        ("s.lzo", TEXT, r"files that end in \.lzo are not read"),
        ("o", b"ORC\x0a\x00" + TEXT, r"OrcInput\(\)"),
        ("z", _zip("a", "b")(TEXT), "cannot be read: the zip archive holds 2 files, not one"),
        ("p", b"PAR1\x15" + TEXT, r"ParquetInput\(\)"),
        ("not.gz", TEXT, r"not\.gz: cannot be read"),
    ],
)
def test_what_is_no_text_never_becomes_records(
    tmp_path: Path, name: str, data: bytes, say: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for splits in (1, 4):
        with pytest.raises(InputError, match=say):
            values(path, splits)


def test_the_compression_can_be_said(tmp_path: Path) -> None:
    class Plain(Job):
        mapper = Values
        input_format = TextInput(compression="none")

    class Packed(Job):
        mapper = Values
        input_format = TextInput(compression="gzip")

    path = tmp_path / "in.gz"
    path.write_bytes(TEXT)
    assert values(path, 3, Plain) == LINES
    path = tmp_path / "in.dat"
    path.write_bytes(gzip.compress(TEXT))
    assert values(path, 3, Packed) == LINES
    assert not_text(path.read_bytes()[:512]) == "gzip data"


@pytest.mark.parametrize("splits", [1, 4])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"Hadoop's lz4"}))
def test_no_codec_becomes_records(tmp_path: Path, kind: str, splits: int) -> None:
    """Not as a file without a suffix, and not with another codec's suffix."""
    for name in ("part-00000", "part.gz"):
        path = tmp_path / name
        path.write_bytes(KINDS[kind][1](TEXT) + bytes(700))
        if name == "part.gz" and kind in (
            "deflate",
            "lzma",
            "Hadoop's snappy",
            "zstd with notes",
            "lz4 with notes",
        ):
            continue  # no magic number: there the name is believed, and found wrong
        assert values(path, splits) == LINES


@pytest.mark.parametrize("codec", CODECS)
def test_every_text_format_takes_compression(tmp_path: Path, codec: str) -> None:
    pack = _zip("in") if codec == "zip" else KINDS[codec][1]
    path = tmp_path / "packed"
    path.write_bytes(pack(b"ab\ncd\n"))
    split = Split((FileSlice(str(path), 0, -1),), 1)
    expected: list[tuple[InputFormat, object]] = [
        (TextInput(compression=codec), ["ab", "cd"]),
        (KeyValueTextInput(compression=codec), ["", ""]),
        (CsvInput(compression=codec, header=False, names=("a",)), [{"a": "ab"}, {"a": "cd"}]),
        (FixedWidthInput(3, compression=codec), [b"ab\n", b"cd\n"]),
        (WholeFileInput(compression=codec), [b"ab\ncd\n"]),
        (WholeFileInput("utf-8", compression=codec), ["ab\ncd\n"]),
    ]
    for fmt, wanted in expected:
        assert [value for _, value in read([split], fmt)] == wanted
    path.write_bytes(pack(b"1\n2\n"))
    assert read([split], JsonLinesInput(compression=codec)) == [(0, 1), (2, 2)]


def test_binary_files_are_known_by_magic_numbers_only(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(gzip.compress(bytes(range(200))))
    splits = [Split((FileSlice(str(path), start, 40),), 40) for start in (0, 40, 80)]
    assert [key for key, _ in read(splits, FixedWidthInput(50))] == [0, 50, 100, 150]
    assert len(read(splits, WholeFileInput())[0][1]) == path.stat().st_size
    path.write_bytes((5).to_bytes(4, "big") * 30)  # as Hadoop's blocks of snappy may begin
    assert len(read(splits, FixedWidthInput(40))) == 3


def test_snappy_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "part-00000"
    path.write_bytes(KINDS["snappy"][1](TEXT))
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(InputError, match=r"part-00000: cannot be read: .*'mrmesos\[snappy\]'"):
        values(path)


@pytest.mark.parametrize("padding", [0, 1, 100_000])
def test_zip_has_the_same_rule(tmp_path: Path, padding: int) -> None:
    packed = _zip("in.txt")(TEXT)
    path = tmp_path / "in.zip"
    path.write_bytes(packed + bytes(padding))
    assert values(path) == LINES
    path.write_bytes(packed + bytes(padding) + b"junk")
    with pytest.raises(
        InputError, match=rf"bytes after .* byte {len(packed)} of|many other bytes follow it"
    ):
        values(path)
    path.write_bytes(packed + packed)
    with pytest.raises(InputError, match=rf"{len(packed)} bytes come before the zip archive"):
        values(path)
    path.write_bytes(packed[:-30])
    with pytest.raises(InputError, match="it was cut off"):
        values(path)
    path.write_bytes(packed.replace(packed[60:90], bytes(30)))
    with pytest.raises(InputError, match="damaged, cut off or encrypted"):
        values(path)


def test_what_macos_puts_into_a_zip_file_is_not_a_file(tmp_path: Path) -> None:
    path = tmp_path / "in.zip"
    path.write_bytes(_zip("dir/in.txt", "__MACOSX/dir/._in.txt")(TEXT))
    assert values(path) == LINES


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path: Path, packed: bool) -> None:
    class Json(Job):
        mapper = Values
        input_format = JsonLinesInput()

    class Csv(Job):
        mapper = Values
        input_format = CsvInput(header=False, names=("a", "b"))

    class Keys(Job):
        mapper = Mapper
        input_format = KeyValueTextInput()

    def file(text: str) -> Path:
        path = tmp_path / "marked"
        data = b"\xef\xbb\xbf" + text.encode()
        path.write_bytes(gzip.compress(data) if packed else data)
        return path

    assert values(file('{"a": 1}\n{"a": 2}\n'), 2, Json) == [{"a": 1}, {"a": 2}]
    assert values(file("1,x\n2,y\n"), 1, Csv) == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]
    assert values(file("one\ntwo\n"), 2) == ["one", "two"]
    assert run_job(Keys, [file("k\tv\n")]).records == [("k", "v")]
    assert values(file("")) == []
