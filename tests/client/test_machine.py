"""Dividing the resources that Mesos' agent would find on a machine."""

from __future__ import annotations

import os
from pathlib import Path

from mrmesos.client.machine import AgentSize, divide_machine, machine_size


def test_a_machine_is_divided_as_mesos_would_and_evenly() -> None:
    assert divide_machine(1, cpus=4, memory_mb=16384, disk_mb=20480) == AgentSize(4, 15360, 15360)
    assert divide_machine(2, cpus=4, memory_mb=16384, disk_mb=8192) == AgentSize(2, 7680, 2048)
    small = divide_machine(4, cpus=2, memory_mb=1024, disk_mb=100)
    assert small == AgentSize(0.5, 128, 12)
    least = divide_machine(4, cpus=2, memory_mb=1024, disk_mb=100, least_cpus=1)
    assert least == AgentSize(1, 128, 12)
    assert AgentSize(1.5, 10, 20).as_text() == "cpus:1.5;mem:10;disk:20"


def test_this_machine(tmp_path: Path) -> None:
    size = machine_size(1, tmp_path)
    assert size.cpus == len(os.sched_getaffinity(0))
    assert 0 < size.mem * 1024 * 1024 < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
