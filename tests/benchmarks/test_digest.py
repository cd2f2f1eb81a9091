from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.digest import digest_in_order, digest_of_lines


def write(directory: Path, files: dict[str, bytes]) -> Path:
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def test_lines_count_whatever_their_order_and_files(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"part-0": b"b\t2\na\t1\n"})
    two = write(tmp_path / "two", {"p0": b"a\t1", "p1": b"b\t2\n", "_SUCCESS": b"", ".crc": b"x"})
    other = write(tmp_path / "other", {"part-0": b"b\t2\na\t1\na\t1\n"})
    digests = [digest_of_lines(path, tmp_path) for path in (one, two, other)]
    assert digests[0] == digests[1] != digests[2]


def test_bytes_sort_as_bytes(tmp_path: Path) -> None:
    given = write(tmp_path / "given", {"0": "é\nZ\na\n".encode() + b"\xff\n"})
    expected = write(tmp_path / "expected", {"0": "Z\na\né\n".encode(), "1": b"\xff\n"})
    assert digest_of_lines(given, tmp_path) == digest_in_order(expected)


def test_order_counts_where_asked(tmp_path: Path) -> None:
    right = write(tmp_path / "right", {"p0": b"a\n", "p1": b"b\n"})
    wrong = write(tmp_path / "wrong", {"p0": b"b\n", "p1": b"a\n"})
    assert digest_in_order(right) != digest_in_order(wrong)


def test_nothing_and_what_is_missing(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty", {"_SUCCESS": b""})
    assert digest_of_lines(empty, tmp_path) == digest_in_order(empty)
    with pytest.raises(FileNotFoundError):
        digest_of_lines(tmp_path / "absent", tmp_path)
