"""The size of this machine, and the part of each agent when several share it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from mrmesos.machine_memory import machine_memory

MIB = 1 << 20


class AgentSize(msgspec.Struct, frozen=True):
    """The resources of one agent: CPUs, and MiB of memory and disk."""

    cpus: float
    mem: int
    disk: int

    def as_text(self) -> str:
        """Format for Mesos' `--resources`."""
        return f"cpus:{self.cpus:g};mem:{self.mem};disk:{self.disk}"


def divide_machine(
    agents: int, *, cpus: int, memory_mb: int, disk_mb: int, least_cpus: float = 0.0
) -> AgentSize:
    """Divide the resources that Mesos would offer on a machine among `agents`.

    Mesos leaves 1 GB of memory and 5 GB of disk unoffered, or half of each on small machines
    (`src/slave/containerizer/containerizer.cpp`). An agent gets at least `least_cpus`, even if that
    is more than its part.
    """
    memory = memory_mb - 1024 if memory_mb > 2048 else memory_mb // 2
    disk = disk_mb - 5120 if disk_mb > 10240 else disk_mb // 2
    return AgentSize(max(least_cpus, cpus / agents), memory // agents, disk // agents)


def machine_size(agents: int, place: Path, *, least_cpus: float = 0.0) -> AgentSize:
    """An agent's part of this machine. `place` is a path on the disk to use.

    The CPUs are those that this process may use. The memory is limited by the machine and the
    cgroup.
    """
    return divide_machine(
        agents,
        cpus=len(os.sched_getaffinity(0)),
        memory_mb=machine_memory() // MIB,
        disk_mb=shutil.disk_usage(place).total // MIB,
        least_cpus=least_cpus,
    )
