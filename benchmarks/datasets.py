"""The input data. Each dataset is made once; its file name has all its parameters."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import generators as make

SEED = 20
VERSION = 1
"""Part of every file name: raise it when the generators change their output."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An input. `write` makes it at a path: a file, or a directory of files."""

    name: str
    write: Callable[[Path], None]

    def at(self, directory: Path) -> Path:
        """Its path in `directory`. If it does not exist, it is made, completely or not at all."""
        path = directory / f"{self.name}-v{VERSION}-seed{SEED}"
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + f".partial-{os.getpid()}")
            try:
                self.write(partial)
                partial.rename(path)
            finally:
                if partial.is_dir():
                    shutil.rmtree(partial)
                partial.unlink(missing_ok=True)
        return path


def text(size: int, vocabulary: int = make.VOCABULARY) -> Dataset:
    """Zipf text of about `size` bytes."""
    return in_file(f"text-{size}-{vocabulary}", lambda: make.zipf_text(size, SEED, vocabulary))


def tera(lines: int) -> Dataset:
    """Lines of 100 bytes with a random key."""
    return in_file(f"tera-{lines}", lambda: make.tera_lines(lines, SEED))


def key_values(lines: int, keys: int) -> Dataset:
    """Lines of key, tab, integer."""
    return in_file(f"pairs-{lines}-{keys}", lambda: make.key_value_lines(lines, keys, SEED))


def long_line(size: int, vocabulary: int = make.VOCABULARY) -> Dataset:
    """One line without an end."""
    return in_file(f"line-{size}", lambda: make.one_long_line(size, SEED, vocabulary))


def numbered(lines: int) -> Dataset:
    """Lines of eight bytes."""
    return in_file(f"numbered-{lines}", lambda: make.numbered_lines(lines))


def tiny_files(files: int) -> Dataset:
    """A directory of files of one short line each."""

    def write(path: Path) -> None:
        path.mkdir()
        for number in range(files):
            line = f"file {number} says what file {number % 97} says\n"
            (path / f"{number:07d}.txt").write_text(line, encoding="ascii")

    return Dataset(f"files-{files}", write)


def in_file(name: str, parts: Callable[[], Iterable[bytes]]) -> Dataset:
    """A dataset of one file."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.writelines(parts())

    return Dataset(name, write)
