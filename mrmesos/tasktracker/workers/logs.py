"""Log files of user code: limits their size, and reads their tails for reports."""

from __future__ import annotations

import os
from pathlib import Path

FAILED_TAIL_BYTES, SUCCEEDED_TAIL_BYTES = 4096, 1024
_NOTE = b"[mrmesos: earlier output was cut off: task.userlog.limit.kb]\n"
# User code may put anything at a path: never follow a link, never wait for a FIFO.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def create(path: Path) -> None:
    """Create an empty file. Raises OSError."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))


def bound(path: Path, limit: int) -> None:
    """If a file is over `limit` bytes, keep about the last half of that, from a line's start.

    Writers append (O_APPEND) and may go on; output that they write at this moment may be lost. A
    file that cannot be opened is left alone.
    """
    try:
        if path.lstat().st_size <= limit:
            return
        fd = os.open(path, _WRITE)
    except OSError:
        return
    try:
        kept = _end(fd, limit // 2)
        newline = kept.find(b"\n") + 1
        os.ftruncate(fd, 0)
        os.write(fd, _NOTE + kept[newline:])
    finally:
        os.close(fd)


def tail(path: Path, limit: int) -> bytes:
    """The last `limit` bytes of a file; empty if it cannot be read."""
    try:
        fd = os.open(path, _READ)
    except OSError:
        return b""
    try:
        return _end(fd, limit)
    except OSError:
        return b""
    finally:
        os.close(fd)


def piece(path: Path, offset: int, limit: int) -> tuple[int, bytes]:
    """At most `limit` bytes from `offset` on, and the offset of the first.

    If the file has become shorter than `offset` (see `bound`), they are its last bytes. Empty if it
    cannot be read.
    """
    try:
        fd = os.open(path, _READ)
    except OSError:
        return offset, b""
    try:
        size = os.fstat(fd).st_size
        start = offset if offset <= size else max(0, size - limit)
        return start, os.pread(fd, limit, start)
    except OSError:
        return offset, b""
    finally:
        os.close(fd)


def _end(fd: int, limit: int) -> bytes:
    size = os.fstat(fd).st_size
    return os.pread(fd, limit, max(0, size - limit))


def tails(stderr: Path, stdout: Path, limit: int) -> str:
    """The tails of stderr and stdout, stderr first, together at most `limit` bytes."""
    parts = []
    for name, path in (("stderr", stderr), ("stdout", stdout)):
        end = tail(path, limit)
        limit -= len(end)
        if end.strip():
            parts.append(f"[{name}]\n{end.decode('utf-8', 'replace')}")
    return "\n".join(part.rstrip("\n") for part in parts)
