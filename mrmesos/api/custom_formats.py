"""Formats of one's own: a class in the job's script, or in an installed package (docs/formats.md).

A RecordReader is Hadoop's InputFormat and RecordReader in one; a RecordWriter is its OutputFormat
and RecordWriter. They run in workers. A JobTracker plans with what they say of themselves as data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

ENTRY_POINTS = "mrmesos.formats"
"""The group of entry points in which packages name their readers and writers."""


@dataclass(frozen=True, slots=True)
class FileSplit:
    """A file, or the stretch of one, that a RecordReader reads. `length` -1: to its end."""

    uri: str
    start: int
    length: int
    opener: Callable[[int], BinaryIO]

    @property
    def end(self) -> int:
        """Offset (bytes) behind the stretch; very large where it reaches to the end of the file."""
        return sys.maxsize if self.length < 0 else self.start + self.length

    def open(self, back: int = 0) -> BinaryIO:
        """The file as bytes to its end, decompressed by its name, from `back` bytes before `start`.

        A reader of lines takes `back=1` and drops the first line: whether a line begins at `start`
        is told by the byte before. `tell()` gives the offset in the file.
        """
        return self.opener(max(0, self.start - back))


class RecordReader:
    """An input format of one's own: make one the job's `input_format`, or that of an Input.

    `splittable` says whether a file may be cut anywhere and be read by several maps. A record then
    belongs to the stretch that its first byte lies in: `read` looks for the first record that
    begins at or behind `split.start`, and reads the last one beyond `split.end` to its own end.
    Compressed files are never cut.
    """

    splittable: ClassVar[bool] = False

    def read(self, split: FileSplit) -> Iterable[Any]:
        """The records in order: `(key, value)` pairs, or pyarrow RecordBatches of both columns.

        Keys are text, bytes, numbers or None; values may be any Python object.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read()")


class RecordWriter:
    """An output format of one's own: make one the job's `output_format`, or one of its `outputs`.

    Every part file has a writer of its own, a copy of the job's. `extension` such as ".vcf" ends
    the names of files. `compression` is none, gzip, bz2, zstd, lz4 or xz.
    """

    extension: ClassVar[str] = ""
    compression: str = "none"

    def header(self) -> bytes:
        """What a file begins with."""
        return b""

    def record(self, key: Any, value: Any) -> bytes:
        """The bytes of one record."""
        raise NotImplementedError(f"{type(self).__name__} has no record()")

    def footer(self) -> bytes:
        """What a file ends with."""
        return b""


def installed_format(name: str, **options: Any) -> Any:
    """The reader or writer that an installed package calls `name`, made with `options`.

    A package names its classes as entry points of the group `mrmesos.formats`. It has to be
    installed wherever the job runs. Raises LookupError with the names that there are.
    """
    from importlib.metadata import entry_points

    known = {each.name: each for each in entry_points(group=ENTRY_POINTS)}
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise LookupError(f"no installed package has a format {name!r} (there are: {there})")
    return known[name].load()(**options)
