"""A child process that reads lines from us and writes lines to us.

One thread serves all three pipes. While we write to the child, we read its output, so nothing can
deadlock. A child may stop reading early. The unread rest is dropped, as in Hadoop.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import selectors
import shlex
import signal
import subprocess
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from mrmesos.streaming.stderr_reader import StderrReader

_PIPE_BYTES = 1 << 20
"""The size of each pipe, if the kernel allows it. A large pipe needs fewer changes between the
processes.
"""
_READ_BYTES = 1 << 20
_LITTLE = 8
"""A turn of reading and writing that moves less than this part of a pipe (1/8) moves little."""
_PAUSE_SECONDS = 0.002
"""The pause after a turn that moved little. Programs write 8 KiB at a time, and a turn for each 8
KiB costs more than copying them. A program that fills its pipe during the pause writes 500 MB a
second.
"""


class ChildFailed(Exception):
    """The command could not be started, or it failed. The message says how."""


class Child:
    """One running command. Its owner calls `write`, then `finish`; or `kill` after an error."""

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        stderr: StderrReader,
    ) -> None:
        """Start the command. Raises ChildFailed."""
        self._command, self._stderr = command, stderr
        argv = [_program(command[0], directory, environment), *command[1:]]
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=directory,
                env=dict(environment),
                bufsize=0,
            )
        except OSError as problem:
            raise ChildFailed(_not_started(command, problem)) from problem
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin: IO[bytes] = process.stdin
        # An attempt may fail anywhere. Its mapper is then dropped without a call.
        self._killer = weakref.finalize(self, _kill, process)
        self._selector = selectors.DefaultSelector()
        for pipe in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(OSError):  # the user's limit of pipe memory may be lower
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._pipe_bytes = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ)
        self._moved = 0  # bytes, in this turn
        self._selector.register(process.stdout, selectors.EVENT_READ)
        self._selector.register(process.stderr, selectors.EVENT_READ)

    @property
    def reads(self) -> bool:
        """Whether the child still reads its stdin."""
        return not self._stdin.closed

    def write(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Write all of the data, and yield the output that the child writes in the meantime."""
        rest = memoryview(data).cast("B")
        if not len(rest) or self._stdin.closed:
            return
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        while len(rest):
            for key, _ in self._selector.select():
                if key.fileobj is not self._stdin:
                    yield from self._read(key)
                    continue
                try:
                    written = os.write(key.fd, rest)
                    rest, self._moved = rest[written:], self._moved + written
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    rest = rest[:0]
                    self._close(self._stdin)
                    break
            if len(rest):
                self._pause()
        if not self._stdin.closed:
            self._selector.unregister(self._stdin)

    def finish(self) -> Iterator[bytes]:
        """End the child's input, and yield the rest of its output. Waits for its end."""
        if not self._stdin.closed:
            self._stdin.close()
        while self._selector.get_map():
            for key, _ in self._selector.select():
                yield from self._read(key)
            if self._selector.get_map():
                self._pause()
        self._selector.close()
        self._process.wait()
        self._killer.detach()

    def check(self, *, failure_is_failure: bool) -> None:
        """Raise ChildFailed if the ended child was killed, or ended with a failure."""
        code = self._process.returncode
        if code < 0:
            how = f"was killed by {_signal_name(-code)}"
        elif code and failure_is_failure:
            how = f"ended with exit code {code}"
        else:
            return
        words = self._stderr.last_words
        problem = ChildFailed(f"`{shlex.join(self._command)}` {how}")
        problem.add_note(f"The end of its stderr:\n{words}" if words else "Its stderr is empty.")
        raise problem

    def kill(self) -> None:
        """End the child at once."""
        self._selector.close()
        self._killer()

    def _pause(self) -> None:
        """End a turn. After a turn that moved little, let the child do more before the next one."""
        moved, self._moved = self._moved, 0
        if moved * _LITTLE < self._pipe_bytes:
            time.sleep(_PAUSE_SECONDS * self._pipe_bytes / _PIPE_BYTES)

    def _read(self, key: selectors.SelectorKey) -> Iterator[bytes]:
        pipe = key.fileobj
        try:
            data = os.read(key.fd, _READ_BYTES)
        except BlockingIOError:
            return
        self._moved += len(data)
        is_stdout = pipe is self._process.stdout
        if not data:
            self._close(pipe)
            if not is_stdout:
                self._stderr.end()
        elif is_stdout:
            yield data
        else:
            self._stderr.add(data)

    def _close(self, pipe: Any) -> None:
        self._selector.unregister(pipe)
        pipe.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()


def _program(name: str, directory: Path, environment: Mapping[str, str]) -> str:
    """The program to start: a file of the job in its directory comes before the PATH (Hadoop)."""
    if name.startswith("/"):
        return name
    for place in (str(directory), *environment.get("PATH", os.defpath).split(os.pathsep)):
        path = Path(place, name)
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    return name


def _not_started(command: Sequence[str], problem: OSError) -> str:
    shown = f"`{shlex.join(command)}` cannot be started: "
    if problem.errno == errno.ENOEXEC:
        return (
            f"{shown}{command[0]} has no #! line; add one, or name its interpreter, for example "
            f"'python3 {command[0]}'"
        )
    if problem.errno == errno.ENOENT:
        return (
            f"{shown}there is no program {command[0]} here, or the interpreter of its #! line "
            "does not exist; send it with -files, or install it on every agent"
        )
    return f"{shown}{problem.strerror}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
