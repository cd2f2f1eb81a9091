from __future__ import annotations

from pathlib import Path

from benchmarks.real_text import choose, is_plain, joined, repeated, write_library


def test_text_has_no_unusual_white_space() -> None:
    assert is_plain(b"int main(void)\n{\n\treturn 0;\n}\n")
    assert is_plain("caf\u00e9\n".encode())
    for odd in ("page\x0cbreak", "a\rb", "no\u00a0break", "a\u3000b", "\x00", "\x7f", "a\x85b"):
        assert not is_plain(odd.encode()), odd
    assert not is_plain(b"latin \xe9\n")
    assert not is_plain(b"\xc3 \xa9")  # bytes of one character, with a space between them


def test_files_are_joined_in_whole_lines() -> None:
    files = [b"one\n", b"", b"\x00", b"two", b"three\nfour\nfive\n"]
    assert b"".join(joined(files, 100)) == b"one\ntwo\nthree\nfour\nfive\n"
    assert b"".join(joined(files, 18)) == b"one\ntwo\nthree\n"
    assert b"".join(repeated(b"a b\n", 10)) == b"a b\na b\n"


def test_the_library_has_few_different_words(tmp_path: Path) -> None:
    write_library(tmp_path / "text", 10_000_000)
    data = (tmp_path / "text").read_bytes()
    assert 9_990_000 < len(data) <= 10_000_000
    assert is_plain(data)
    assert len(set(data.split())) < 100_000


def test_the_package_is_that_of_a_known_version_or_the_newest() -> None:
    assert choose(["linux-source-6.12", "linux-source-6.1", "linux-source"]) == "linux-source-6.1"
    assert choose(["linux-source-5.15.0", "linux-source-6.8.0"]) == "linux-source-6.8.0"
    assert choose(["linux-source"]) == ""
