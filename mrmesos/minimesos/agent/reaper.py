"""Finding and ending all processes of a sandbox, also when their parent was killed.

Run as a program it is the warden: it learns on stdin which sandboxes have processes, and when
stdin closes, because its parent is gone however that happened, it ends those processes. Only the
standard library, so that it starts in milliseconds.

A process belongs to a sandbox when its environment says MESOS_SANDBOX=<it>, when it descends from
such a process, or when it shares the session of one. So children that left the session are found.
"""

# ruff: noqa: PTH123, PTH208 (pathlib costs start-up time)

import os
import shutil
import signal
import sys
import time

_ENV = b"MESOS_SANDBOX="
PASSES = 200  # a fork that is under way during one pass is seen by a later one
PAUSE = 0.02  # seconds between passes


def _stat(pid: int) -> tuple[int, int, bytes] | None:
    """(parent, session, state) of a process, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[3]), fields[0]


def _sandbox(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except OSError:  # gone, or not ours to read
        return b""
    for entry in environ.split(b"\0"):
        if entry.startswith(_ENV):
            return entry[len(_ENV) :]
    return b""


def processes_of(sandboxes: set[str]) -> set[int]:
    """The living processes (zombies are not) that belong to any of these sandboxes."""
    wanted = {os.fsencode(one) for one in sandboxes}
    own = os.getsid(0)
    stats: dict[int, tuple[int, int, bytes]] = {}
    found: set[int] = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        pid = int(entry)
        stat = _stat(pid)
        if stat is None or stat[2] in (b"Z", b"X") or pid == os.getpid():
            continue
        stats[pid] = stat
        if _sandbox(pid) in wanted:
            found.add(pid)
    grown = True
    while grown:
        sessions = {stats[pid][1] for pid in found} - {own, 0}
        more = {
            pid
            for pid, (parent, session, _) in stats.items()
            if pid not in found and (parent in found or session in sessions)
        }
        found |= more
        grown = bool(more)
    return found


def kill_all(sandboxes: set[str], passes: int = PASSES) -> bool:
    """SIGKILL what belongs to the sandboxes until nothing does; False if that does not help."""
    for _ in range(passes):
        pids = processes_of(sandboxes)
        if not pids:
            return True
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(PAUSE)
    return False


def main() -> None:
    """Lines on stdin: `+SANDBOX` to watch, `-SANDBOX` to forget, `!DIR` to remove at the end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: set[str] = set()
    remove: list[str] = []
    for line in sys.stdin:
        what, path = line[0], line[1:].rstrip("\n")
        if what == "+":
            watched.add(path)
        elif what == "-":
            watched.discard(path)
        elif what == "!":
            remove.append(path)
    if watched:
        time.sleep(PAUSE)  # a fork of the parent that was about to become an executor
        kill_all(watched)
    for path in remove:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
