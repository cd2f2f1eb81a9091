"""Reads a child's stderr: counters and status for the engine, and other lines for the log.

Lines `reporter:counter:GROUP,NAME,AMOUNT` and `reporter:status:TEXT` are for the engine, as in
Hadoop Streaming. All other lines go to the log of the attempt.
"""

from __future__ import annotations

from collections.abc import Callable

from mrmesos.api.context import Context

_LONGEST_LINE = 64 << 10
"""A longer line (bytes) is not kept whole. It cannot be a line for the engine."""
_LAST_WORDS = 4 << 10


class StderrReader:
    """Takes the bytes of a child's stderr. `log` gets the lines that are not for the engine.

    Without a `prefix`, `log` gets all lines.
    """

    def __init__(
        self, context: Context, log: Callable[[bytes], object], prefix: str = "reporter:"
    ) -> None:
        self._context, self._log = context, log
        self._prefix = prefix.encode()
        self._rest = b""
        self._within = False  # the beginning of this line is already in the log
        self._last = b""

    @property
    def last_words(self) -> str:
        """The last text that went to the log, for an error's message."""
        return self._last.decode("utf-8", "backslashreplace").strip()

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        words = []
        for line in lines:
            if self._within or not self._told(line):
                words.append(line + b"\n")
            self._within = False
        if len(self._rest) > _LONGEST_LINE:
            words.append(self._rest)
            self._rest, self._within = b"", True
        self._say(b"".join(words))

    def end(self) -> None:
        """The child has closed its stderr."""
        if self._rest and (self._within or not self._told(self._rest)):
            self._say(self._rest)
        self._rest = b""

    def _say(self, words: bytes) -> None:
        if words:
            self._last = (self._last + words)[-_LAST_WORDS:]
            self._log(words)

    def _told(self, line: bytes) -> bool:
        """Whether the line was for the engine, and valid."""
        if not self._prefix or not line.startswith(self._prefix):
            return False
        what, _, text = line[len(self._prefix) :].decode("utf-8", "replace").strip().partition(":")
        if what == "status":
            self._context.set_status(text)
            return True
        parts = text.rsplit(",", 1)
        group, comma, name = parts[0].partition(",")
        if what != "counter" or len(parts) != 2 or not comma:
            return False
        try:
            amount = int(parts[1])
        except ValueError:
            return False
        self._context.count(group.strip(), name.strip(), amount)
        return True
