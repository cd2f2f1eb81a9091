"""Process trees from /proc (Linux): lists them, measures their memory, kills them.

This module imports only the standard library.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_KILL_ROUNDS = 5
_TREE_MAX = 100_000

WORKER_MARK = "MRMESOS_WORKER"
"""Environment variable of a worker and its children: "<tracker's pid>.<worker's number>"."""


def become_subreaper() -> bool:
    """Make orphaned descendants children of this process, so that none is lost."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def children(pid: int) -> list[int]:
    """The children of a process, including zombies; empty if the process is gone."""
    found: list[int] = []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return found
    for thread in threads:
        try:
            text = (thread / "children").read_bytes()
        except OSError:
            continue  # the thread or the process has ended meanwhile
        found += map(int, text.split())
    return found


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on, without the process itself."""
    found: list[int] = []
    look = [pid]
    while look and len(found) < _TREE_MAX:
        more = children(look.pop())
        found += more
        look += more
    return found


def memory_bytes(pids: Iterable[int], over: int) -> int:
    """Memory of several processes together.

    Resident sizes count shared pages several times. So if their sum is above `over` bytes, the
    proportional sizes decide. These are slower to read.
    """
    listed = list(pids)
    resident = sum(_resident(pid) for pid in listed)
    if resident <= over or len(listed) == 1:
        return resident
    return sum(_proportional(pid) for pid in listed)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        return _resident(pid)
    for line in text.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) << 10
    return _resident(pid)


def peak_bytes(pid: int) -> int:
    """The largest resident size of a process during its attempt; 0 if it is gone.

    `progress.ResourceUsage` resets it at the attempt's start.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def mark_of(pid: int) -> str:
    """The value of WORKER_MARK in a process's environment; empty if it is not set."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    wanted = WORKER_MARK.encode() + b"="
    for entry in environment.split(b"\0"):
        if entry.startswith(wanted):
            return entry[len(wanted) :].decode("ascii", "replace")
    return ""


def kill(pid: int) -> None:
    """Send SIGKILL to one process. It may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_group(pgid: int) -> None:
    """Send SIGKILL to a process group. It may be gone already."""
    try:
        os.killpg(pgid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_descendants(pid: int) -> None:
    """Send SIGKILL to all descendants of a process, in rounds, because they may start more."""
    for _ in range(_KILL_ROUNDS):
        below = [each for each in descendants(pid) if not _is_zombie(each)]
        if not below:
            return
        for each in below:
            kill(each)


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat.rpartition(b")")[2].split()[0] in (b"Z", b"X")


def reap(pid: int) -> bool:
    """Reap a child if it has ended. True if it has ended or is not our child."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
