"""Files as they are: compressed ones by content, padded ones, and those that are no text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from mrmesos.api import CsvInput, Job, JsonLinesInput, KeyValueTextInput, Mapper, TextInput
from mrmesos.io.fs.compression import codec_in, not_text
from mrmesos.io.fs.filesystem import InputError
from mrmesos.local.run_job import run_job

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
    with pytest.raises(InputError, match=r"junk\.gz: cannot be read at offset \d+"):
        values(path)


@pytest.mark.parametrize(
    ("name", "data", "say"),
    [
        ("t", _tar(TEXT), "a tar archive, not text"),
        ("t.tar.gz", gzip.compress(_tar(TEXT)), "a tar archive, not text inside"),
        ("twice.gz", gzip.compress(gzip.compress(TEXT)), "gzip data, not text inside"),
        ("s", b"\xff\x06\x00\x00sNaPpY" + TEXT, "snappy data, not text"),
        ("s.snappy", TEXT, r"files that end in \.snappy are not read"),
        ("z", _zip("a", "b")(TEXT), "holds 2 files, not one"),
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
