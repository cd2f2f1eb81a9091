"""The processes that were started from one directory: found in /proc, signalled by pidfd.

A process belongs to a directory if its environment names the directory, for example in `TMPDIR` or
`MESOS_SANDBOX`. A pidfd always means the same process, so a reused pid never hits another process.
Linux only.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

_ROLES = {
    "worker": ("-m", "mrmesos.worker"),
    "tasktracker": ("-m", "mrmesos.tasktracker"),
    "jobtracker": ("mrmesos", "jobtracker"),
    "client": ("mrmesos", "submit"),
}


class Process(msgspec.Struct, frozen=True):
    """One process. `role`: worker, tasktracker, jobtracker, client, a given name, or empty."""

    pid: int
    role: str
    command: str

    def __str__(self) -> str:
        return f"{self.role or self.command[:80]} {self.pid}"


def processes_of(
    directory: Path, roles: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> list[Process]:
    """The live processes of a directory, in the order of their pids.

    `roles` defines more roles, each by consecutive words of the command line.
    """
    found = []
    for pid in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        if pid != os.getpid() and _belongs(pid, directory):
            words, name = _command(pid), _name(pid)
            role = name if name in _ROLES else _role(words, {**_ROLES, **roles})
            found.append(Process(pid, role, " ".join(words)))
    return found


def send_signal(process: Process, directory: Path, number: signal.Signals) -> bool:
    """Send a signal to a process of a directory. Returns whether it was still there."""
    with opened(process, directory) as pidfd:
        if pidfd is None:
            return False
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return False
        return True


@contextlib.contextmanager
def opened(process: Process, directory: Path) -> Iterator[int | None]:
    """A pidfd of the process; None if the process is gone."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        # Check again now that the pidfd holds the process: the pid may have been reused before.
        yield pidfd if _belongs(process.pid, directory) else None
    finally:
        os.close(pidfd)


def _belongs(pid: int, directory: Path) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it is gone, or we may not read it
        return False
    mark = os.fsencode(directory)
    return any(
        value == mark or value.startswith(mark + b"/")
        for entry in environment.split(b"\0")
        for value in (entry.partition(b"=")[2],)
    )


def _command(pid: int) -> list[str]:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode("utf-8", "replace") for word in words if word]


def _name(pid: int) -> str:
    """The short name. A fork that runs a program of ours has its parent's command line, but a name
    of its own.
    """
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except OSError:
        return ""


def _role(words: list[str], roles: dict[str, tuple[str, ...]]) -> str:
    for role, wanted in roles.items():
        if any(tuple(words[at : at + len(wanted)]) == wanted for at in range(len(words))):
            return role
    return ""
