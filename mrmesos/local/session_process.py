"""Starts and ends the process behind a session (session_host.py), from the user's process.

Thread: any. The pipe to the host closes when the session is garbage, when Python ends, and when the
process ends in any other way. Then the host ends everything. A forked child closes its copies of
the pipes, because the host must not wait for the child's end.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from typing import IO

import msgspec

from mrmesos.local.session_host import HostReply, HostRequest

START_SECONDS = 90.0
STOP_SECONDS = 40.0
REPLY_BYTES_MAX = 1 << 20
_WORDS_BYTES = 4096


class SessionLost(Exception):
    """The session's own cluster did not start, or has ended."""


class HostProcess:
    """The running host. It ends when this object is closed or collected, or Python ends."""

    def __init__(self, request: HostRequest, environment: dict[str, str]) -> None:
        """Start the host. If it cannot serve the session, waits for its end and raises
        SessionLost.
        """
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mrmesos.local.session_host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,  # an interrupt at the terminal is for the user's process
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._errors, self._owner = process, errors, os.getpid()
        self._end = weakref.finalize(self, _end, os.getpid(), process, errors)
        _pipes[id(self)] = [process.stdin.fileno(), process.stdout.fileno()]
        weakref.finalize(self, _pipes.pop, id(self), None)
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(msgspec.json.encode(request) + b"\n")
                process.stdin.flush()
            self.reply = self._read_reply(process.stdout)
        except BaseException:
            self._end()
            raise

    @property
    def pid(self) -> int:
        """The process id, for messages and tests."""
        return self._process.pid

    @property
    def is_ours(self) -> bool:
        """Whether this process has started the host. A forked child has not."""
        return os.getpid() == self._owner

    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The end of its standard error."""
        return _last_words(self._errors)

    def close(self) -> None:
        """End the host and all processes that it has started, and wait for that. A second call does
        nothing.
        """
        self._end()
        _pipes.pop(id(self), None)

    def _read_reply(self, stdout: IO[bytes]) -> HostReply:
        deadline, line = time.monotonic() + START_SECONDS, b""
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([stdout.fileno()], [], [], left)
            part = os.read(stdout.fileno(), 1 << 16) if readable else b""
            if not part or len(line) > REPLY_BYTES_MAX:
                why = self.last_words() or f"it said nothing in {START_SECONDS:g} s"
                raise SessionLost(f"the session's cluster did not start: {why}")
            line += part
        reply = msgspec.json.decode(line, type=HostReply)
        if reply.error:
            raise SessionLost(f"the session cannot start: {reply.error}")
        return reply


_pipes: dict[int, list[int]] = {}
"""Descriptors of the pipes to all hosts of this process."""


def _end(pid: int, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    if os.getpid() != pid:
        return  # a forked child: its parent ends the host
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()
    errors.close()


def _last_words(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - _WORDS_BYTES))
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _forget_in_child() -> None:
    """Take our ends of the pipes away from a forked child. Their numbers stay in use, because
    Python's file objects will close them.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptors in _pipes.values():
        for descriptor in descriptors:
            os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    _pipes.clear()


os.register_at_fork(after_in_child=_forget_in_child)
