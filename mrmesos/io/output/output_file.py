"""The file under a part file: counted, compressed if asked for, given up without trouble."""

from __future__ import annotations

import io
import lzma
from typing import Any

import pyarrow as pa

from mrmesos.io.fs.filesystem import OutputError, reason

_BUFFER = 1 << 20


class CountedFile(io.RawIOBase):
    """A file that counts the bytes written to it, and may be closed twice."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.bytes = 0
        self.given_up = False

    def writable(self) -> bool:
        """See RawIOBase."""
        return True

    def write(self, data: Any) -> int:
        """See RawIOBase."""
        view = memoryview(data).cast("B")
        if self.given_up:
            return len(view)  # ParquetWriter finishes its file even as it is destroyed
        self.file.write(view)
        self.bytes += len(view)
        return len(view)

    def close(self) -> None:
        """See RawIOBase."""
        if not self.closed:
            super().close()
            self.file.close()


class _Packed(io.RawIOBase):
    """Bytes that a compressor writes to a file."""

    def __init__(self, file: CountedFile, codec: str) -> None:
        self._file = file
        into: Any = file
        self._packer: Any = (
            lzma.LZMAFile(into, "wb")  # noqa: SIM115 -- closed with this one
            if codec == "xz"
            else pa.CompressedOutputStream(pa.PythonFile(into, mode="w"), codec)
        )

    def writable(self) -> bool:
        """See RawIOBase."""
        return True

    def write(self, data: Any) -> int:
        """See RawIOBase."""
        view = memoryview(data).cast("B")
        self._packer.write(view)
        return len(view)

    def close(self) -> None:
        """See RawIOBase."""
        if not self.closed:
            super().close()
            self._packer.close()
            self._file.close()


def compressed(file: CountedFile, compression: str) -> io.BufferedWriter:
    """The file to write plain bytes to; closing it closes `file`."""
    raw = file if compression == "none" else _Packed(file, compression)
    return io.BufferedWriter(raw, _BUFFER)


def unwritable(uri: str, exc: OSError) -> OutputError:
    """The error of a file that takes no more."""
    return OutputError(f"{uri}: cannot be written: {reason(exc)}")


def close_quietly(file: io.IOBase) -> None:
    """Close what is of no use any more."""
    try:
        file.close()
    except (OSError, ValueError):  # the attempt failed already, and its error is the one to show
        return
