from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import datasets, generators

VOCABULARY = 20_000


def text(size: int = 400_000, seed: int = 1) -> bytes:
    return b"".join(generators.zipf_text(size, seed, VOCABULARY))


def test_text_is_lines_of_words_by_zipfs_law() -> None:
    data = text()
    assert 400_000 <= len(data) < 450_000
    assert data.endswith(b"\n")
    # The word of rank r occurs with ln((r + 1) / r) / ln V; that of rank 1 is empty.
    counts = Counter(data.replace(b"\n", b" ").split(b" "))
    total = sum(counts.values())
    assert counts[b""] / total == pytest.approx(0.070, abs=0.01)
    second = max(count for word, count in counts.items() if word)
    assert second / total == pytest.approx(0.041, abs=0.008)
    lengths = Counter(line.count(b" ") + 1 for line in data.split(b"\n")[:-2])
    short = sum(count for length, count in lengths.items() if length < 5)
    assert short < 10  # the last lines of blocks
    assert all(lengths[length] > 200 for length in range(5, 16))
    assert data.decode("utf-8").split() == [word.decode() for word in data.split()]


def test_words_are_distinct_and_common_ones_short() -> None:
    words = generators.words(VOCABULARY).to_pylist()
    assert len(set(words)) == len(words) == VOCABULARY
    assert all(word.endswith(b" ") for word in words)
    assert max(map(len, words[:80])) < min(map(len, words[6481:])) + 6


def test_the_same_seed_the_same_bytes() -> None:
    assert text() == text()
    assert text() != text(seed=2)
    tera = b"".join(generators.tera_lines(1000, 1))
    # The stream is promised to be the same for ever, and with it all data made of whole numbers.
    known = "3483cf6d2231249f91049f8691aef8f4ad1566b3b261b536da03be067372ad79"
    assert hashlib.sha256(tera).hexdigest() == known


def test_blocks_differ_and_join_seamlessly() -> None:
    lines = generators.BLOCK_LINES + 10
    data = b"".join(generators.tera_lines(lines, 1))
    assert len(data) == lines * 100
    rows = data.split(b"\n")[:-1]
    assert {len(row) for row in rows} == {99}
    assert [int(row[10:20]) for row in rows] == list(range(lines))
    keys = {row[:10] for row in rows}
    assert len(keys) == lines
    assert set(b"".join(keys)) == set(range(32, 127))


def test_keys_and_integers() -> None:
    data = b"".join(generators.key_value_lines(50_000, 500, 1))
    pairs = [line.split(b"\t") for line in data.split(b"\n")[:-1]]
    assert len(pairs) == 50_000
    assert {key for key, _ in pairs} == {b"k%07d" % number for number in range(500)}
    numbers = [int(number) for _, number in pairs]
    assert min(numbers) < 0 < 89_000 < max(numbers)


def test_a_line_without_end() -> None:
    data = b"".join(generators.one_long_line(100_000, 1, VOCABULARY))
    assert b"\n" not in data
    assert len(data) == 100_000


def test_numbered_lines() -> None:
    data = b"".join(generators.numbered_lines(12))
    assert data.split() == [b"%07d" % number for number in range(12)]
    assert len(data) == 12 * 8


def test_datasets_are_made_once_and_whole(tmp_path: Path) -> None:
    tiny = datasets.tiny_files(5)
    path = tiny.at(tmp_path)
    assert len(list(path.iterdir())) == 5
    (path / "mark").touch()
    assert (tiny.at(tmp_path) / "mark").exists()

    def fail(path: Path) -> str:
        path.write_bytes(b"half")
        raise OSError("disk full")

    broken = datasets.Dataset("broken", fail)
    with pytest.raises(OSError, match="disk full"):
        broken.at(tmp_path)
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_copies_are_of_one_input(tmp_path: Path) -> None:
    few = datasets.copies(datasets.numbered(3), 2)
    path = few.at(tmp_path)
    part = datasets.numbered(3).path_in(tmp_path).read_bytes()
    assert [file.read_bytes() for file in sorted(path.iterdir())] == [part, part]
    few.remove(tmp_path)
    assert [child.name for child in tmp_path.iterdir()] == ["numbered-3-v1-seed20"]


def test_what_an_input_was_made_from_is_noted(tmp_path: Path) -> None:
    def write(path: Path) -> str:
        path.write_bytes(b"text")
        return "package 1.2"

    path = datasets.Dataset("made", write).at(tmp_path)
    assert datasets.origin_of(path).read_text() == "package 1.2"
    assert not datasets.origin_of(datasets.numbered(1).at(tmp_path)).exists()
