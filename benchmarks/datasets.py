"""The input data. Each dataset is made once; its file name has all its parameters."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import generators as make
from benchmarks import real_text

SEED = 20
VERSION = 1
"""Part of every file name: raise it when the generators change their output."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An input. `write` makes it at a path: a file, or a directory of files. It returns the name
    and version of what it was made from, if there is such a thing.
    """

    name: str
    write: Callable[[Path], str]
    part: Dataset | None = None
    copies: int = 1
    """It is this many copies of `part`, if it has one."""

    def at(self, directory: Path) -> Path:
        """Its path in `directory`. If it does not exist, it is made, completely or not at all.

        Raises real_text.NotAvailable.
        """
        path = self.path_in(directory)
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + f".partial-{os.getpid()}")
            try:
                if origin := self.write(partial):
                    origin_of(path).write_text(origin, encoding="utf-8")
                partial.rename(path)
            finally:
                if partial.is_dir():
                    shutil.rmtree(partial)
                partial.unlink(missing_ok=True)
        return path

    def remove(self, directory: Path) -> None:
        """Remove it from `directory`, where it exists."""
        path = self.path_in(directory)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)

    def path_in(self, directory: Path) -> Path:
        """Its path in `directory`, whether it exists or not."""
        return directory / f"{self.name}-v{VERSION}-seed{SEED}"


def origin_of(path: Path) -> Path:
    """The file beside an input that names what it was made from. Most inputs have none."""
    return path.with_name(f"{path.name}.origin")


def text(size: int, vocabulary: int = make.VOCABULARY) -> Dataset:
    """Zipf text of about `size` bytes."""
    return in_file(f"text-{size}-{vocabulary}", lambda: make.zipf_text(size, SEED, vocabulary))


def linux_source(size: int) -> Dataset:
    """The source and documentation of Linux, as the distribution has it."""
    return Dataset(f"linux-{size}", lambda path: real_text.write_linux(path, size))


def copies(part: Dataset, number: int) -> Dataset:
    """A directory with copies of an input that is one file."""

    def write(path: Path) -> str:
        source = part.at(path.parent)
        path.mkdir()
        for copy in range(number):
            shutil.copyfile(source, path / f"{copy:03d}")
        return ""

    return Dataset(f"{part.name}-x{number}", write, part, number)


def library_source(size: int) -> Dataset:
    """A part of Python's library again and again: few different words."""

    def write(path: Path) -> str:
        real_text.write_library(path, size)
        return ""

    return Dataset(f"library-{platform.python_version()}-{size}", write)


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

    def write(path: Path) -> str:
        path.mkdir()
        for number in range(files):
            line = f"file {number} says what file {number % 97} says\n"
            (path / f"{number:07d}.txt").write_text(line, encoding="ascii")
        return ""

    return Dataset(f"files-{files}", write)


def in_file(name: str, parts: Callable[[], Iterable[bytes]]) -> Dataset:
    """A dataset of one file."""

    def write(path: Path) -> str:
        with path.open("wb") as file:
            file.writelines(parts())
        return ""

    return Dataset(name, write)
