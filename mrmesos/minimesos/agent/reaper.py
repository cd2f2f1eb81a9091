"""Finds and kills all processes of a sandbox, even after their parent was killed.

It is a fork of minimesos or a program. On stdin it reads which sandboxes have processes. Stdin
closes when the parent ends, even by SIGKILL; the reaper then kills those processes. It imports only
the standard library, so that the program starts in milliseconds.

A process belongs to a sandbox if its environment has MESOS_SANDBOX=<sandbox>, if it descends from
such a process, or if it is in the session of one. So children that left the session are found.
"""

# ruff: noqa: PTH110, PTH123, PTH208 (pathlib costs start-up time)

import os
import signal
import sys
import time

_ENV = b"MESOS_SANDBOX="
PASSES = 200  # a later pass finds a process that was just forking
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
    """The live processes, without zombies, that belong to any of these sandboxes."""
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
    """Send SIGKILL until the sandboxes have no process; False if some remain."""
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
    for line in sys.stdin.buffer:
        what, path = line[:1].decode(), os.fsdecode(line[1:].rstrip(b"\n"))
        if what == "+":
            watched.add(path)
        elif what == "-":
            watched.discard(path)
        elif what == "!":
            remove.append(path)
    if watched:
        time.sleep(PAUSE)  # the parent may have forked and not yet called exec
        kill_all(watched)
    remove = [path for path in remove if os.path.exists(path)]
    if remove:
        import shutil  # takes time, and after an ordinary end nothing is left

        for path in remove:
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
