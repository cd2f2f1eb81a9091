"""Runs a program of ours in a fork of this process, which has imported most of what it needs.

A new interpreter would import it again: 650 of the 900 million instructions of minimesos' imports,
and 930 of the 1,060 million of a TaskTracker's. The child is an ordinary process, except that it
shows its parent's command line and, in /proc, its parent's environment. Its short name (`ps -o
comm`, `top`) says what it is. Thread: main. No other thread may run: the child would lack it, but
would keep its locks.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mrmesos.garbage import set_apart

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals for which our programs have handlers."""


def may_fork() -> bool:
    """Whether this process has one thread, by the kernel's count, and prints to its own stdout."""
    if sys.stdout is not sys.__stdout__:
        return False
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:  # no Linux
        return False


def our_command(arguments: Sequence[str]) -> Callable[[], object]:
    """A function for Forked that runs `mrmesos ARGUMENTS`."""
    return partial(_run_command, arguments)


def _run_command(arguments: Sequence[str]) -> None:
    sys.argv = ["mrmesos", *arguments]
    importlib.import_module("mrmesos.__main__").main()


class Forked:
    """A program in its own session. It has the interface of Popen."""

    def __init__(
        self,
        run: Callable[[], object],
        *,
        name: str,
        output: int,
        keep: Sequence[int],
        environment: Mapping[str, str],
    ) -> None:
        """`run` ends the process. If it returns or raises, the exit code is 1.

        `output`: descriptor for stdout and stderr. `keep`: others that the child gets, too.
        """
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # otherwise both would write it
        set_apart()  # a look at shared objects would copy their memory
        reads, writes = os.pipe()
        with _put_off(HANDLED) as before:
            try:
                self.pid = os.fork()
            except OSError:
                os.close(reads)
                os.close(writes)
                raise
            if not self.pid:
                _become(run, name, reads, output, keep, environment, before)
            os.close(reads)
            self.stdin: BinaryIO = os.fdopen(writes, "wb")
            self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        """Wait for its end, and return the exit code."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


@contextlib.contextmanager
def _put_off(signals: Iterable[int]) -> Iterator[set[int | signal.Signals]]:
    """Within it, these signals wait. Python drops what their handlers raise in callbacks of a fork,
    such as logging's. Gives the signals that waited before.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _become(
    run: Callable[[], object],
    name: str,
    stdin: int,
    output: int,
    keep: Sequence[int],
    environment: Mapping[str, str],
    mask: Iterable[int],
) -> None:
    """Be the child: never returns."""
    try:
        _forget_handlers()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.setsid()
        Path("/proc/self/comm").write_text(name, encoding="ascii")
        for fd, target in ((stdin, 0), (output, 1), (output, 2)):
            os.dup2(fd, target)
        for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208
            if int(entry) > 2 and int(entry) not in keep:
                _close(int(entry))
        atexit._clear()  # the parent cleans up its own things
        os.environ.clear()
        os.environ.update(environment)
        run()
    except BaseException:  # noqa: BLE001 -- no error may continue with the parent's work
        traceback.print_exc()
    finally:
        os._exit(1)


def _forget_handlers() -> None:
    """Give signals that the parent handles their default action, as exec does."""
    signal.set_wakeup_fd(-1)  # its number may become that of another file
    for number in HANDLED:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _close(fd: int) -> None:
    with contextlib.suppress(OSError):  # it was the descriptor of the listing itself
        os.close(fd)
