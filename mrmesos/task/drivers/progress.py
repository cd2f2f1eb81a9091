"""How far a running attempt is: written by its own thread, read by the worker's reporter thread."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mrmesos.api.context import Counters

RUN_SUFFIX = ".data"
"""How the names of files end that hold sorted runs, fetched ones included."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An attempt at one moment.

    `progress` is 0 to 1. `position` fits after "while" ("reading file:///x near offset 12").
    `pulse` changes whenever the attempt reads or writes anything: that is what `task.timeout`
    watches, together with counters and status.
    """

    progress: float
    position: str
    pulse: tuple[int, ...]
    counters: Counters = field(default_factory=dict)
    status: str = ""
    fetch_failed: tuple[str, ...] = ()
    fetch_answered: tuple[str, ...] = ()
    fetched: bool = False
    """A reduce has all its segments."""


class Watch:
    """Where a running task can be watched. The task calls `follow` once with a cheap probe."""

    def __init__(self) -> None:
        self._probe: Callable[[], Snapshot] | None = None

    def follow(self, probe: Callable[[], Snapshot]) -> None:
        """From now on `snapshot` asks `probe`, from another thread."""
        self._probe = probe

    def snapshot(self) -> Snapshot | None:
        """The attempt now; None before it has begun."""
        return self._probe() if self._probe is not None else None


class ResourceUsage:
    """CPU time and peak memory between its making and `counters()`."""

    def __init__(self) -> None:
        self._cpu = _cpu_milliseconds()
        _reset_peak_memory()

    def counters(self) -> dict[str, int]:
        """CPU_MILLISECONDS (with waited-for children) and PHYSICAL_MEMORY_BYTES (peak RSS)."""
        return {
            "CPU_MILLISECONDS": _cpu_milliseconds() - self._cpu,
            "PHYSICAL_MEMORY_BYTES": _peak_memory_bytes(),
        }


def _cpu_milliseconds() -> int:
    seconds = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        seconds += used.ru_utime + used.ru_stime
    return round(seconds * 1000)


def _reset_peak_memory() -> None:
    """Set VmHWM back to what is resident now (proc(5), clear_refs): workers run many attempts."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # some containers forbid it; the peak is then the worker's, not the attempt's


def _peak_memory_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def resident_bytes() -> int:
    """What of this process is in memory now; takes some 10 microseconds."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE


def spilled_bytes(work_dir: Path) -> int:
    """Size of the runs in an attempt's directory: it changes while they are sorted and merged."""
    total = 0
    with os.scandir(work_dir) as entries:
        for entry in entries:
            if entry.name.endswith(RUN_SUFFIX):
                try:
                    total += entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue  # merged and removed meanwhile
    return total
