"""One executor that was started before its launch, so that its imports overlap with other work.

A real agent has none. It changes when an executor starts, and nothing else: it gets the sandbox,
the environment and the files of output of its launch, and is a child of this process like others.
Thread: minimesos' event loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

from mrmesos.minimesos.model.resources import Json


class Process(Protocol):
    """The part of Popen that a container uses."""

    pid: int
    returncode: Any

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""


class Waiting(Process, Protocol):
    """A process that reads its launch from stdin. It ends when stdin ends without one."""

    stdin: BinaryIO


class Reaper(Protocol):
    """A process that runs `reaper.main`."""

    @property
    def stdin(self) -> IO[bytes] | None: ...

    def wait(self) -> int:
        """Wait for its end."""


@dataclass(slots=True)
class Prepared:
    """A waiting executor, which can become the command `shell`, once.

    Its children have MESOS_SANDBOX=`sandbox` in the environment that /proc shows. `message` makes
    the launch from environment and sandbox; the pipe takes at most `most_bytes` at once. Variables
    that begin with one of `free` are read after the launch. All others must be those that the
    process has had from its start.
    """

    process: Waiting
    shell: str
    sandbox: Path
    message: Callable[[dict[str, str], str], bytes]
    most_bytes: int
    free: tuple[str, ...]
    before: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    taken: bool = False

    def take(self, command: Json, environment: dict[str, str], sandbox: Path) -> Process | None:
        """Launch it as this command. None: it does not fit, and an ordinary start is needed."""
        if self.taken or not self._fits(command, environment):
            return None
        try:
            text = self.message(environment, str(sandbox))
            if len(text) > self.most_bytes:
                return None
            self.taken = True
            with self.process.stdin as pipe:
                pipe.write(text)
        except OSError:  # it has died
            return None
        return self.process

    def _fits(self, command: Json, environment: Mapping[str, str]) -> bool:
        if not command.get("shell", True) or command.get("value") != self.shell:
            return False
        try:
            for each in environment.values():
                each.encode()
        except UnicodeEncodeError:  # bytes that are no UTF-8 cannot be handed on
            return False
        names = environment.keys() | self.before.keys()
        return all(
            environment.get(name) == self.before.get(name) or name.startswith(self.free)
            for name in names
        )
