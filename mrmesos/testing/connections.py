"""Cut a TCP connection of another process, as a network that fails would: both ends see its end.

The socket is duplicated with pidfd_getfd(2) (Linux 5.6, for who may trace the process) and shut
down; its owner keeps a descriptor of a connection that is over.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path

from mrmesos.testing.processes import Process, opened

_PIDFD_GETFD = 438  # the same number on all architectures
_ESTABLISHED = "01"
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Connection:
    """A descriptor of a process, and the ports of its two ends."""

    descriptor: int
    local: int
    remote: int


def connections_of(process: Process) -> list[Connection]:
    """The established TCP connections over IPv4; none where the process has gone."""
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
    """Cut one connection of a process of that directory; None where there was none to cut.

    Raises PermissionError where the process may not be traced.
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
    except OSError:  # over already, or another file by now
        return None
    return chosen
