"""Custom formats: a class in the job's script, or in an installed package (docs/formats.md).

A RecordReader combines Hadoop's InputFormat and RecordReader; a RecordWriter combines its
OutputFormat and RecordWriter. They run in workers. A JobTracker plans with their class attributes
and never runs their code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, ClassVar

import msgspec

ENTRY_POINTS = "mrmesos.formats"
"""The group of entry points for readers and writers of packages."""


class FileSplit(msgspec.Struct, frozen=True):
    """A file, or a part of one, for a RecordReader. `length` -1 means to the end of the file."""

    uri: str
    start: int
    length: int
    opener: Callable[[int], BinaryIO]

    @property
    def end(self) -> int:
        """Offset (bytes) after the part; a very large number if it goes to the end of the file."""
        return sys.maxsize if self.length < 0 else self.start + self.length

    def open(self, back: int = 0) -> BinaryIO:
        """Open the file for reading bytes, from `back` bytes before `start` to the file's end.

        The file name decides the decompression. `tell()` gives the offset in the file. A reader of
        lines uses `back=1` and drops the first line, because the byte before `start` says whether a
        line begins there.
        """
        return self.opener(max(0, self.start - back))


class RecordReader:
    """A custom input format. Use an instance as the job's `input_format`, or in an Input.

    `splittable` says whether a file may be cut anywhere, so that several maps read it. A record
    then belongs to the part that contains its first byte. `read` must begin with the first record
    that starts at or after `split.start`, and must read the last record to its end, even past
    `split.end`. Compressed files are never cut.
    """

    splittable: ClassVar[bool] = False

    def read(self, split: FileSplit) -> Iterable[Any]:
        """The records in order: `(key, value)` pairs, or RecordBatches with these two columns.

        Keys are text, bytes, numbers or None; values may be any Python object.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read()")


class RecordWriter:
    """A custom output format. Use an instance as the job's `output_format`, or in its `outputs`.

    Every part file gets its own copy of the writer. `extension` is the end of file names, such as
    ".vcf". `compression` is none, gzip, bz2, zstd, lz4 or xz.
    """

    extension: ClassVar[str] = ""
    compression: str = "none"

    def header(self) -> bytes:
        """The first bytes of a file."""
        return b""

    def record(self, key: Any, value: Any) -> bytes:
        """The bytes of one record."""
        raise NotImplementedError(f"{type(self).__name__} has no record()")

    def footer(self) -> bytes:
        """The last bytes of a file."""
        return b""


def installed_format(name: str, **options: Any) -> Any:
    """Make the reader or writer with this name from an installed package, with `options`.

    Packages declare their classes as entry points of the group `mrmesos.formats`. The package must
    be installed on every host where the job runs. Raises LookupError with the known names.
    """
    from importlib.metadata import entry_points

    known = {each.name: each for each in entry_points(group=ENTRY_POINTS)}
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise LookupError(f"no installed package has a format {name!r} (there are: {there})")
    return known[name].load()(**options)
