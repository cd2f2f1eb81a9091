"""What this machine has to offer, and an agent's part of it when several share it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class AgentSize:
    """What one agent offers: CPUs, and MiB of memory and disk."""

    cpus: float
    mem: int
    disk: int

    def as_text(self) -> str:
        """In Mesos' syntax of `--resources`."""
        return f"cpus:{self.cpus:g};mem:{self.mem};disk:{self.disk}"


def divide_machine(
    agents: int, *, cpus: int, memory_mb: int, disk_mb: int, least_cpus: float = 0.0
) -> AgentSize:
    """An agent's part of a machine, which as a whole offers what Mesos would.

    That is all memory but 1 GB and all disk but 5 GB, or half of each where that is more
    (src/slave/containerizer/containerizer.cpp). An agent has at least `least_cpus`, were it more
    than its part.
    """
    memory = memory_mb - 1024 if memory_mb > 2048 else memory_mb // 2
    disk = disk_mb - 5120 if disk_mb > 10240 else disk_mb // 2
    return AgentSize(max(least_cpus, cpus / agents), memory // agents, disk // agents)


def machine_size(agents: int, place: Path, *, least_cpus: float = 0.0) -> AgentSize:
    """An agent's part of this machine, with the disk that holds `place`.

    CPUs are those that this process may use; memory is the machine's or its control group's.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = Path(limit).read_text(encoding="ascii").strip() if Path(limit).is_file() else ""
        if text.isdigit():
            memory = min(memory, int(text))
    return divide_machine(
        agents,
        cpus=len(os.sched_getaffinity(0)),
        memory_mb=memory // MIB,
        disk_mb=shutil.disk_usage(place).total // MIB,
        least_cpus=least_cpus,
    )
