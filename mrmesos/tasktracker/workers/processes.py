"""Processes and their children, as /proc tells (Linux): memory, trees, killing all of a tree.

Standard library only.
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
"""Environment variable of a worker and all that it starts: "<tracker's pid>.<worker's number>"."""


def become_subreaper() -> bool:
    """Let orphaned descendants become children of this process, so that none gets away."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def children(pid: int) -> list[int]:
    """The live and dead (not yet reaped) children of a process; none where it is gone."""
    found: list[int] = []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return found
    for thread in threads:
        try:
            text = (thread / "children").read_bytes()
        except OSError:
            continue  # the thread, or the process, has ended since
        found += map(int, text.split())
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on; without the process itself."""
    found: list[int] = []
    look = [pid]
    while look and len(found) < _TREE_MAX:
        more = children(look.pop())
        found += more
        look += more
    return found


def memory_bytes(pids: Iterable[int], over: int) -> int:
    """Memory of processes together. The resident sizes count shared pages more than once, so where
    several are above `over` bytes their proportional sizes (slower to get) decide.
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
    """The largest resident size of a process since it began its attempt (see `progress.Usage`,
    which resets it); 0 where it is gone.
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
    """The value of WORKER_MARK in a process' environment; empty where it has none."""
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
    """SIGKILL to one process, which may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_group(pgid: int) -> None:
    """SIGKILL to a process group, which may be gone already."""
    try:
        os.killpg(pgid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_descendants(pid: int) -> None:
    """SIGKILL to everything below a process; in rounds, as they may start more meanwhile."""
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
    """Reap a child if it has ended; whether it has (or is no child of ours)."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
