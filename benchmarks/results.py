"""The results file: what was measured, on what machine, with which versions."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from statistics import median

import msgspec

from benchmarks import hadoop_peer
from benchmarks.systems import PEERS_PYTHON, ROOT

PACKAGES = ("duckdb", "polars", "dask", "dpark", "mrjob", "pyspark")


class Status(StrEnum):
    """The outcome of a system on a workload."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


class Run(msgspec.Struct, frozen=True):
    """One measured run: the fields of `meter.Cost` that reports use, and the output's size."""

    cpu: float
    wall: float
    peak_rss: int
    tree_rss: int
    processes: int
    lingered: float
    killed: list[str]
    cpu_lost: bool
    output_bytes: int
    others: float


class Row(msgspec.Struct):
    """A system on a workload. `reason` says why it was skipped, or how it failed."""

    workload: str
    system: str
    label: str
    status: Status = Status.OK
    reason: str = ""
    runs: list[Run] = []

    def median(self, of: Callable[[Run], float]) -> float:
        """The median over the runs; there must be one."""
        return median(of(run) for run in self.runs)


class Results(msgspec.Struct):
    """A whole file. `started` is UTC; `titles` are the workloads' by name, in order."""

    started: str
    size: str
    runs: int
    machine: dict[str, str]
    versions: dict[str, str]
    titles: dict[str, str]
    rows: list[Row] = []

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")
        partial.rename(path)


def load(path: Path) -> Results:
    """A results file. Raises OSError, or msgspec.DecodeError if it is no results file."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def latest(directory: Path) -> Path | None:
    """The newest results file of a directory; names begin with the time."""
    return max(directory.glob("*.json"), default=None)


def machine_facts(cpus: int) -> dict[str, str]:
    """The facts on which the figures depend."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor(),
        "CPUs used": str(cpus),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def processor() -> str:
    """The processor's name as /proc/cpuinfo has it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def versions() -> dict[str, str]:
    """The versions of mrmesos, of Python, and of the packages in the peers' environment."""
    found = {"mrmesos": first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])}
    found["python"] = platform.python_version()
    code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    for package in PACKAGES if PEERS_PYTHON.is_file() else ():
        found[package] = first_line([str(PEERS_PYTHON), "-c", code, package])
    found["sort"] = first_line(["sort", "--version"])
    found["mawk"] = first_line(["mawk", "-W", "version"])
    found["java"] = first_line(["java", "-version"])
    found["hadoop"] = hadoop_peer.VERSION if found["java"] else ""
    return {name: version for name, version in found.items() if version}


def first_line(command: list[str]) -> str:
    """The first line that a command prints. Empty if it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else ""
