"""The descendants of a process with their CPU time and memory, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment: CPU seconds of its own (no children's), resident bytes."""

    pid: int
    parent: int
    started: int
    state: str
    name: str
    cpu: float
    rss: int


def descendants(root: int) -> list[Process]:
    """All processes below `root` now, zombies included, `root` itself not."""
    children: dict[int, list[Process]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 (a Path for each is dear in a sampler)
        if entry.isdigit() and (process := read_process(int(entry))) is not None:
            children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += [process.pid for process in below]
    return found


def machine_busy() -> float:
    """CPU seconds that this machine has spent on anything since it started (proc(5), `stat`).

    On a virtual machine, this includes the time that the host took away ("steal").
    """
    with Path("/proc/stat").open(encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def read_process(pid: int) -> Process | None:
    """The facts of one process (proc(5), `stat`). None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended between listing and reading
        return None
    # The name stands in parentheses and may itself hold spaces and parentheses.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        started=int(fields[19]),
        state=fields[0],
        name=head.partition("(")[2],
        cpu=(int(fields[11]) + int(fields[12])) / TICKS,
        rss=int(fields[21]) * PAGE,
    )
