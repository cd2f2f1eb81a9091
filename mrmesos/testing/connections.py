"""Cuts a TCP connection of another process, like a network failure. Both ends see it end.

It duplicates the socket with pidfd_getfd(2) (Linux 5.6, needs permission to trace the process) and
shuts it down. The owner keeps the descriptor of the ended connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import socket
from pathlib import Path

import msgspec

from mrmesos.testing.processes import Process, opened

_PIDFD_GETFD = 438  # the same number on all architectures
_ESTABLISHED = "01"
_libc = ctypes.CDLL(None, use_errno=True)


class Connection(msgspec.Struct, frozen=True):
    """A connection: the descriptor in its process, and the ports of both ends."""

    descriptor: int
    local: int
    remote: int


def connections_of(process: Process) -> list[Connection]:
    """The established IPv4 TCP connections of a process; empty if the process is gone."""
    ports: dict[str, tuple[int, int]] = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, *_, inode = line.split()[:10]
            if state == _ESTABLISHED:
                ends = int(local.partition(":")[2], 16), int(remote.partition(":")[2], 16)
                ports[f"socket:[{inode}]"] = ends
    found = []
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                if (ends_of := ports.get(str(entry.readlink()))) is not None:
                    found.append(Connection(int(entry.name), *ends_of))
    return sorted(found, key=lambda one: one.descriptor)


def cut(process: Process, directory: Path, rng: random.Random) -> Connection | None:
    """Cut one connection of a process of that directory; None if it has none.

    Raises PermissionError if we may not trace the process.
    """
    candidates = connections_of(process)
    if not candidates:
        return None
    chosen = rng.choice(candidates)
    with opened(process, directory) as pidfd:
        if pidfd is None:
            return None
        descriptor = _libc.syscall(_PIDFD_GETFD, pidfd, chosen.descriptor, 0)
        if descriptor < 0:
            error = ctypes.get_errno()
            if error == 1:
                raise PermissionError(error, os.strerror(error))
            return None
    try:
        with socket.socket(fileno=descriptor) as ours:
            ours.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has already ended, or the descriptor is another file by now
        return None
    return chosen
