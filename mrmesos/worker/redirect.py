"""Redirects file descriptors 1 and 2 to an attempt's files, also for C code and subprocesses."""

from __future__ import annotations

import io
import logging
import os
import sys
from types import TracebackType
from typing import Self, TextIO

logger = logging.getLogger(__name__)


class Redirected:
    """Inside the `with` block, all output of this process and its children goes to the two files.

    User code may replace or close `sys.stdout`, so both streams are restored afterwards.
    """

    def __init__(self, stdout_path: str, stderr_path: str) -> None:
        self._paths = {1: stdout_path, 2: stderr_path}
        self._saved: dict[int, int] = {}

    def __enter__(self) -> Self:
        sys.stdout, sys.stderr = _usable(sys.stdout, 1), _usable(sys.stderr, 2)
        _flush()
        for fd, path in self._paths.items():
            self._saved[fd] = os.dup(fd)
            into = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.dup2(into, fd)
            os.close(into)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        _flush()
        for fd, saved in self._saved.items():
            os.dup2(saved, fd)
            os.close(saved)
        sys.stdout, sys.stderr = _usable(sys.__stdout__, 1), _usable(sys.__stderr__, 2)


def _usable(stream: TextIO | None, fd: int) -> TextIO:
    """The stream, or a new one for `fd` if user code has closed it.

    It is flushed at every line, so that all output is in the file when user code crashes.
    """
    if isinstance(stream, io.TextIOWrapper) and not stream.closed:
        stream.reconfigure(line_buffering=True)
        return stream
    return open(fd, "w", buffering=1, closefd=False, errors="backslashreplace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError, AttributeError) as exc:
            # The disk is full, or user code has closed or replaced the stream.
            logger.warning("could not flush printed output: %r", exc)
