"""The file of a Writer: counts bytes, compresses, and can be abandoned without errors."""

from __future__ import annotations

import contextlib
import io
import lzma
import posixpath
from typing import Any

import pyarrow as pa

from mrmesos.io.fs.filesystem import OutputError, reason, uri_of

_BUFFER = 1 << 20


class CountedFile(io.RawIOBase):
    """A file that counts the bytes written to it, and may be closed twice."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.bytes = 0
        self.given_up = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self.given_up:
            return len(view)  # the destructor of ParquetWriter still writes
        self.file.write(view)
        self.bytes += len(view)
        return len(view)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.file.close()


def create(fs: Any, path: str) -> tuple[str, CountedFile]:
    """Create a part file and its directory, but no parent directory; returns its URI and the file.

    Raises OutputError with the file.
    """
    uri = uri_of(fs, path)
    try:
        with contextlib.suppress(FileExistsError):
            fs.mkdir(posixpath.dirname(path), create_parents=False)
        return uri, CountedFile(fs.open(path, "wb"))
    except Exception as exc:  # remote drivers raise any type
        raise OutputError(f"{uri}: cannot be created: {reason(exc)}") from exc


class _Packed(io.RawIOBase):
    """A file that compresses the bytes written to it."""

    def __init__(self, file: CountedFile, codec: str) -> None:
        self._file = file
        into: Any = file
        self._packer: Any = (
            lzma.LZMAFile(into, "wb")  # noqa: SIM115 -- closed with this one
            if codec == "xz"
            else pa.CompressedOutputStream(pa.PythonFile(into, mode="w"), codec)
        )

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._packer.write(view)
        return len(view)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._packer.close()
            self._file.close()


def compressed(file: CountedFile, compression: str) -> io.BufferedWriter:
    """A file for uncompressed bytes that writes to `file`; closing it closes `file`."""
    raw = file if compression == "none" else _Packed(file, compression)
    return io.BufferedWriter(raw, _BUFFER)


def unwritable(uri: str, exc: OSError) -> OutputError:
    """The error for a file that cannot be written."""
    return OutputError(f"{uri}: cannot be written: {reason(exc)}")


def close_quietly(file: io.IOBase) -> None:
    """Close a file that is no longer needed, and ignore errors."""
    try:
        file.close()
    except (OSError, ValueError):  # the attempt has already failed with the error to show
        return
