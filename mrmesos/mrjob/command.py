"""A shell command as a mapper, combiner or reducer, or as a filter of lines before it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from mrmesos.mrjob.lines import LineSplitter
from mrmesos.mrjob.place import TaskPlace
from mrmesos.streaming.child import Child

_AT_ONCE = 1 << 20


class Command:
    """One run of a command. The exit code of a filter is ignored: grep exits with 1 if it finds
    nothing.
    """

    def __init__(self, command: str, place: TaskPlace, *, is_filter: bool) -> None:
        self._is_filter = is_filter
        words = ("/bin/sh", "-c", command)
        self._child = Child(words, place.path, dict(os.environ), place.stderr())
        self._lines = LineSplitter()

    def add(self, lines: list[bytes]) -> Iterator[bytes]:
        """Write lines to the command. Yields lines that it has written."""
        data = b"\n".join(lines) + b"\n" if lines else b""
        for written in self._child.write(data):
            yield from self._lines.add(written)

    def end(self) -> Iterator[bytes]:
        """The rest of its lines, after it has read all input. Raises ChildFailed."""
        for written in self._child.finish():
            yield from self._lines.add(written)
        yield from self._lines.end()
        self._child.check(failure_is_failure=not self._is_filter)

    def kill(self) -> None:
        """End the command at once."""
        self._child.kill()


def piped(
    lines: Iterable[bytes], command: str, place: TaskPlace, *, is_filter: bool
) -> Iterator[bytes]:
    """The lines that a command writes for these input lines. Raises ChildFailed."""
    run = Command(command, place, is_filter=is_filter)
    try:
        held: list[bytes] = []
        size = 0
        for line in lines:
            held.append(line)
            size += len(line) + 1
            if size >= _AT_ONCE:
                yield from run.add(held)
                held, size = [], 0
        yield from run.add(held)
        yield from run.end()
    except BaseException:
        run.kill()
        raise
