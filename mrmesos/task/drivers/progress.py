"""Progress of a running attempt. The attempt's thread writes it, the reporter thread reads it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import msgspec

from mrmesos.api.context import Counters

RUN_SUFFIX = ".data"
"""Suffix of files with sorted runs and with fetched segments."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Snapshot(msgspec.Struct, frozen=True):
    """The state of an attempt at one moment.

    `progress` is 0 to 1. `position` fits after "while" ("reading file:///x near offset 12").
    `pulse` changes whenever the attempt reads or writes anything. `task.timeout` watches `pulse`,
    the counters and the status.
    """

    progress: float
    position: str
    pulse: tuple[int, ...]
    counters: Counters = msgspec.field(default_factory=dict)
    status: str = ""
    fetch_failed: tuple[str, ...] = ()
    fetch_answered: tuple[str, ...] = ()
    fetched: bool = False
    """Whether a reduce has fetched all its segments."""


class Watch:
    """Lets another thread watch a running task. The task calls `follow` once with a cheap probe."""

    def __init__(self) -> None:
        self._probe: Callable[[], Snapshot] | None = None

    def follow(self, probe: Callable[[], Snapshot]) -> None:
        """Let `snapshot` call `probe` from now on. The call comes from another thread."""
        self._probe = probe

    def snapshot(self) -> Snapshot | None:
        """The attempt's state now; None before it has begun."""
        return self._probe() if self._probe is not None else None


class ResourceUsage:
    """Measures CPU time and peak memory from its creation until `counters()`."""

    def __init__(self) -> None:
        self._cpu = _cpu_milliseconds()
        _reset_peak_memory()

    def counters(self) -> dict[str, int]:
        """CPU_MILLISECONDS (with reaped child processes) and PHYSICAL_MEMORY_BYTES (peak RSS)."""
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
    """Reset VmHWM to the current RSS (proc(5), clear_refs), because a worker runs many attempts."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # some containers forbid it: then the peak is that of the whole worker


def _peak_memory_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def resident_bytes() -> int:
    """The process's resident memory (RSS) now. A call takes about 10 microseconds."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE


def spilled_bytes(work_dir: Path) -> int:
    """Size of the runs in an attempt's directory. It changes during sorts and merges."""
    total = 0
    with os.scandir(work_dir) as entries:
        for entry in entries:
            if entry.name.endswith(RUN_SUFFIX):
                try:
                    total += entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue  # a merge has removed it meanwhile
    return total
