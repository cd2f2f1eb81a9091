"""`python -m benchmarks.hdfs --size full`: what HDFS costs a job, beside local files.

Starts a NameNode and one DataNode on this machine (tests/hdfs/hadoop.py fetches them), and copies
the inputs into HDFS. Each round runs a job from and to local files, and from and to HDFS, in turn.
Prints medians: CPU of the job's own processes, wall time, and beside them CPU of the two JVMs.
Every output is checked.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import read_process
from benchmarks.results import Results
from benchmarks.run import Bench, digest, names, run_measured, use_cpus, warm_up, why
from benchmarks.systems import HERE, System, own
from benchmarks.workloads import SIZES, Operation, Size, Workload, workloads
from mrmesos.io.fs.filesystem import open_filesystem
from tests.hdfs.hadoop import Hdfs, NoHadoop, running_hdfs

BLOCK_SIZE = 128 << 20
PIECE = 1 << 20
WORKS = (
    ("wordcount-vectorised", Operation.WORDCOUNT, "mrmesos-vectorised"),
    ("wordcount", Operation.WORDCOUNT, "mrmesos"),
    ("sort", Operation.SORT, "mrmesos-vectorised"),
)
"""Name, operation, and which of our systems runs it."""


@dataclass(frozen=True, slots=True)
class Spent:
    """One run: CPU seconds of the job's processes, its wall time, CPU seconds of the daemons."""

    cpu: float
    wall: float
    daemons: float = 0.0


@dataclass(slots=True)
class Pairs:
    """All runs of one work."""

    work: str
    local: list[Spent] = field(default_factory=list)
    hdfs: list[Spent] = field(default_factory=list)

    def row(self) -> str:
        """A row of the table: medians."""
        here, there = _median(self.local), _median(self.hdfs)
        return (
            f"| {self.work} | {here.cpu:.2f} | {here.wall:.2f} | {there.cpu:.2f} | "
            f"{there.wall:.2f} | {there.cpu / here.cpu:.2f} | {there.wall / here.wall:.2f} | "
            f"{there.daemons:.2f} | {len(self.hdfs)} |"
        )


HEAD = (
    "| work | local: CPU s | wall s | HDFS: CPU s | wall s | CPU, HDFS to local | wall, HDFS to "
    "local | daemons' CPU s | runs |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def _median(runs: list[Spent]) -> Spent:
    middle = statistics.median
    return Spent(
        middle(run.cpu for run in runs),
        middle(run.wall for run in runs),
        middle(run.daemons for run in runs),
    )


@dataclass(slots=True)
class Comparison:
    """A running HDFS, and where inputs and outputs are."""

    hdfs: Hdfs
    data: Path
    work: Path
    timeout: float

    def compare(self, name: str, workload: Workload, system: System, rounds: int) -> Pairs:
        """Both ways in turn. Raises RuntimeError if a job fails or its output is wrong."""
        source = workload.dataset.at(self.data)
        remote = f"{self.hdfs.uri}/{source.name}"
        _put(source, remote)
        bench = Bench(Results("", "", 0, {}, {}, {}), self.work, self.data, self.work, self.timeout)
        expected = bench.reference(workload, source)
        pairs = Pairs(name)

        def here() -> None:
            warm_up(source)
            pairs.local.append(self._local(workload, system, source, expected))

        def there() -> None:
            pairs.hdfs.append(self._remote(workload, system, remote, expected))

        for number in range(rounds):
            ways: list[Callable[[], None]] = [here, there]
            for way in ways if number % 2 == 0 else reversed(ways):
                way()
            print(f"{name}: local {pairs.local[-1]}  HDFS {pairs.hdfs[-1]}", flush=True)
        return pairs

    def _local(self, workload: Workload, system: System, source: Path, expected: str) -> Spent:
        with tempfile.TemporaryDirectory(dir=self.work) as name:
            scratch = Path(name)
            target = scratch / "output"
            spent = self._run(system.command(workload, source, target), scratch)
            _check(workload, target, scratch, expected)
        return spent

    def _remote(self, workload: Workload, system: System, source: str, expected: str) -> Spent:
        target = f"{self.hdfs.uri}/output"
        fs, path = open_filesystem(target)
        with tempfile.TemporaryDirectory(dir=self.work) as name:
            scratch = Path(name)
            try:
                spent = self._run(system.command(workload, source, target), scratch)
                _get(target, scratch / "output")
            finally:
                if fs.exists(path):
                    fs.rm(path, recursive=True)
            _check(workload, scratch / "output", scratch, expected)
        return spent

    def _run(self, command: list[str], scratch: Path) -> Spent:
        before = self._daemons()
        cost = run_measured(command, scratch, self.timeout)
        if cost.timed_out or cost.exit_code:
            raise RuntimeError(why(cost, scratch / "log", self.timeout))
        return Spent(cost.cpu, cost.wall, self._daemons() - before)

    def _daemons(self) -> float:
        found = [read_process(process.pid) for process in self.hdfs.processes.values()]
        return sum(each.cpu for each in found if each is not None)


def _put(source: Path, uri: str) -> None:
    fs, path = open_filesystem(uri)
    if not fs.exists(path):
        with source.open("rb") as file, fs.open(path, "wb") as target:
            shutil.copyfileobj(file, target, PIECE)


def _get(uri: str, target: Path) -> None:
    """Copy the files of a directory."""
    fs, path = open_filesystem(uri)
    target.mkdir()
    for name in fs.ls(path, detail=False):
        with fs.open(name, "rb") as file, (target / Path(name).name).open("wb") as copy:
            shutil.copyfileobj(file, copy, PIECE)


def _check(workload: Workload, target: Path, scratch: Path, expected: str) -> None:
    if digest(workload, target, scratch) != expected:
        raise RuntimeError(f"{workload.name}: the output differs from the reference")


def chosen(size: Size, only: list[str]) -> list[tuple[str, Workload, System]]:
    """The works with these names, or all."""
    systems = {system.name: system for system in own()}
    found = {workload.name: workload for workload in workloads(size)}
    return [
        (name, found[operation.value], systems[system])
        for name, operation, system in WORKS
        if not only or name in only
    ]


def main() -> int:
    """Parse arguments, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument(
        "--only", type=names, default=[], help=", ".join(name for name, *_ in WORKS)
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpus", type=int, default=2, help="CPUs that everybody is bound to")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for one run")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where inputs are kept")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="for outputs and blocks")
    options = parser.parse_args()
    works = chosen(SIZES[options.size], options.only)
    if not works:
        parser.error(f"--only takes {', '.join(name for name, *_ in WORKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that HDFS is stopped
    use_cpus(options.cpus)
    options.work.mkdir(parents=True, exist_ok=True)
    # The agent of a local job has this name, so maps run where their block is.
    host = os.uname().nodename
    shape = {"hosts": (host,), "block_size": BLOCK_SIZE, "replication": 1, "java": ()}
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        work = Path(name).resolve()
        (work / "hdfs").mkdir()
        try:
            with running_hdfs(work / "hdfs", **shape) as hdfs:
                os.environ["HADOOP_CONF_DIR"] = str(hdfs.conf_dir)
                comparison = Comparison(hdfs, options.data.resolve(), work, options.timeout)
                rows = [comparison.compare(*each, options.rounds).row() for each in works]
        except NoHadoop as reason:
            parser.error(str(reason))
    print("\n".join((HEAD, *rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
