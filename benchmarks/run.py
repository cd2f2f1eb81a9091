"""Measures: `python -m benchmarks.run --size small --only wordcount --systems mrmesos,duckdb`.

Each round runs all systems one after another, so a host that becomes slower does so for all of
them. Each run first reads its input once, so that no system reads it from disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.datasets import origin_of
from benchmarks.digest import data_files, digest_in_order, digest_of_lines, hash_of
from benchmarks.goals import compared
from benchmarks.meter import LINGER_SECONDS, Cost
from benchmarks.real_text import NotAvailable
from benchmarks.results import Results, Row, Run, Status, machine_facts, versions
from benchmarks.systems import HERE, OURS, ROOT, System, environment, systems
from benchmarks.workloads import SIZES, Operation, Workload, bytes_in_words, workloads

LONG_RUN_SECONDS = 240.0
"""A system that takes longer than this runs only once; its row shows one run."""
COMPARED = compared()
"""The rows that goals need. Other peers run only once, because nothing follows from their rows."""


@dataclass(slots=True)
class Bench:
    """One measurement of everything: its directories and its time limits."""

    results: Results
    file: Path
    data: Path
    work: Path
    timeout: float

    def measure_all(self, plan: list[tuple[Workload, list[System]]]) -> None:
        """Every workload with its systems; the results file is written after every run."""
        for workload, asked in plan:
            print(f"{workload.name}: {workload.title}", flush=True)
            rows = [(system, Row(workload.name, system.name, system.label)) for system in asked]
            self.results.rows += [row for _, row in rows]
            try:
                check_disk(workload, self.data, self.work)
                source = workload.dataset.at(self.data)
            except NotAvailable as problem:
                for _, row in rows:
                    row.status, row.reason = Status.SKIPPED, str(problem)
                print(f"  skipped: {problem}", flush=True)
                self.results.save(self.file)
                continue
            self.measure(workload, source, rows)
            if workload.disk:
                workload.dataset.remove(self.data)

    def measure(self, workload: Workload, source: Path, rows: list[tuple[System, Row]]) -> None:
        """One workload, round by round."""
        if (origin := origin_of(source)).exists():
            package, _, version = origin.read_text(encoding="utf-8").partition(" ")
            self.results.versions[package] = version
        expected = self.reference(workload, source)
        for number in range(self.results.runs):
            for system, row in rows:
                if row.status is Status.OK and not is_enough(workload, row):
                    self.measure_once(workload, system, row, source, expected)
                    print(f"  {number + 1} {describe(row)}", flush=True)
                self.results.save(self.file)

    def measure_once(
        self, workload: Workload, system: System, row: Row, source: Path, expected: str
    ) -> None:
        """One run, appended to the row, or the reason why there is none."""
        if reason := system.missing(workload):
            row.status, row.reason = Status.SKIPPED, reason
            return
        with tempfile.TemporaryDirectory(dir=self.work) as name:
            scratch = Path(name)
            target = scratch / "output"
            command = system.command(workload, source, target)
            warm_up(source)
            cost = run_measured(command, scratch, self.timeout)
            if cost.timed_out or cost.exit_code != 0:
                row.status = Status.FAILED
                row.reason = why(cost, scratch / "log", self.timeout)
            elif digest(workload, target, scratch) != expected:
                row.status, row.reason = Status.FAILED, "the output differs from the reference"
            row.runs.append(as_run(cost, target))

    def reference(self, workload: Workload, source: Path) -> str:
        """The digest of the right output, from plain Python, kept beside the input.

        For a sort it is the digest of the sorted input lines.
        """
        kept = source.with_name(f"{source.name}.{workload.operation.value}.sha256")
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=self.work) as name:
                scratch = Path(name)
                kept.write_text(self.compute_reference(workload, source, scratch))
        return kept.read_text()

    def compute_reference(self, workload: Workload, source: Path, scratch: Path) -> str:
        """The right output's digest."""
        if workload.operation is Operation.NOTHING:
            return hash_of(())
        if workload.operation is Operation.SORT:
            return digest_of_lines(source, scratch)
        script = HERE / "peers" / "plain_python.py"
        target = scratch / "reference"
        same = workload.operation
        if same in (Operation.STREAMING, Operation.MRJOB):
            same = Operation.WORDCOUNT
        dataset = workload.dataset
        one = dataset.part.at(self.data) if dataset.part else source
        subprocess.run([sys.executable, str(script), same.value, str(one), str(target)], check=True)
        if dataset.copies > 1:
            multiply(target / "part-0", dataset.copies)
        return digest_of_lines(target, scratch)


def multiply(counts: Path, times: int) -> None:
    """Rewrite a file of words and counts with so many times the counts."""
    partial = counts.with_name("_times")
    with counts.open("rb") as lines, partial.open("wb") as output:
        for line in lines:
            word, _, count = line.rpartition(b"\t")
            output.write(b"%s\t%d\n" % (word, times * int(count)))
    partial.rename(counts)


def check_disk(workload: Workload, data: Path, work: Path) -> None:
    """Raise NotAvailable if the workload takes more disk than is free.

    An input that exists, for example after a run that was stopped, needs no more.
    """
    source = workload.dataset.path_in(data)
    made = sum(file.stat().st_size for file in data_files(source)) if source.exists() else 0
    needed, free = workload.disk - made, shutil.disk_usage(work).free
    if free < needed:
        words = f"it needs {bytes_in_words(needed)} of free disk, and {free / 1e9:.1f} GB are free"
        raise NotAvailable(words)


def digest(workload: Workload, target: Path, scratch: Path) -> str:
    """The digest of an output. It includes the order of lines if the workload asks for order."""
    if workload.operation is Operation.SORT:
        return digest_in_order(target)
    if workload.operation is Operation.NOTHING:
        return hash_of(file.read_bytes() for file in data_files(target))
    return digest_of_lines(target, scratch)


def run_measured(command: list[str], scratch: Path, timeout: float) -> Cost:
    """The command's cost, measured by a process of its own. Its output is in `scratch`/log."""
    result = scratch / "cost.json"
    meter = [
        *(sys.executable, "-m", "benchmarks.meter", "--result", str(result)),
        *("--log", str(scratch / "log"), "--directory", str(scratch)),
        *("--timeout", str(timeout), "--", *command),
    ]
    with subprocess.Popen(meter, cwd=ROOT, env=environment(scratch)) as process:
        try:
            exit_code = process.wait(timeout + LINGER_SECONDS + 60)
        except BaseException:
            process.terminate()  # it ends all that it started
            raise
    if exit_code != 0:
        raise RuntimeError(f"the meter of {command[0]} ended with exit code {exit_code}")
    return Cost(**json.loads(result.read_text(encoding="utf-8")))


def as_run(cost: Cost, target: Path) -> Run:
    """The part of a cost that the results file keeps."""
    files = data_files(target) if target.exists() else []
    return Run(
        cpu=cost.cpu,
        wall=cost.wall,
        peak_rss=cost.peak_rss,
        tree_rss=cost.tree_rss,
        processes=cost.processes,
        lingered=cost.lingered,
        killed=cost.killed,
        cpu_lost=cost.cpu_lost,
        output_bytes=sum(file.stat().st_size for file in files),
        others=cost.others,
    )


def why(cost: Cost, log: Path, timeout: float) -> str:
    """How a command failed, in one line: its error, or the last line that it printed."""
    if cost.timed_out:
        return f"stopped after {timeout:.0f} s"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    told = [line.strip() for line in lines if line.lstrip().startswith(("error:", "next:"))]
    said = "; ".join(told) if told else (lines or ["it said nothing"])[-1]
    return f"exit code {cost.exit_code}: {said:.400}"


def warm_up(source: Path) -> None:
    """Read the input, so that it is in memory."""
    for file in data_files(source):
        with file.open("rb", buffering=0) as opened:
            while opened.read(1 << 24):
                pass


def is_enough(workload: Workload, row: Row) -> bool:
    """Whether the row has all its runs before the last round."""
    ours = row.system.startswith(OURS)
    once = workload.disk > 0 or not (ours or (row.workload, row.system) in COMPARED)
    return any(once or run.wall > LONG_RUN_SECONDS for run in row.runs)


def describe(row: Row) -> str:
    """The row's last run, for people who watch."""
    if not row.runs:
        return f"{row.system:<20} {row.status.value}: {row.reason}"
    run = row.runs[-1]
    line = (
        f"{row.system:<20} cpu {run.cpu:8.2f} s  wall {run.wall:8.2f} s  "
        f"largest {run.peak_rss / 1e6:7.0f} MB  all {run.tree_rss / 1e6:7.0f} MB  "
        f"others' cpu {run.others:6.2f} s"
    )
    notes = [f"killed {', '.join(run.killed)}"] if run.killed else []
    notes += ["CPU time lost"] if run.cpu_lost else []
    notes += [row.reason] if row.reason else []
    return f"{line}  {'; '.join(notes)}".rstrip()


def plan(size: str, only: list[str], wanted: list[str]) -> list[tuple[Workload, list[System]]]:
    """Which systems run which workloads. Raises ValueError for unknown names."""
    known = workloads(SIZES[size])
    check_names("workload", only, [workload.name for workload in known])
    check_names("system", wanted, [system.name for system in systems()])
    result = []
    for workload in known:
        if not (workload.name in only if only else workload.default):
            continue
        asked = [system for system in systems() if is_wanted(system, wanted or workload.systems)]
        able = [s for s in asked if workload.operation in s.jobs and (s.ours or workload.peers)]
        if able:
            result.append((workload, able))
    return result


def is_wanted(system: System, wanted: Sequence[str]) -> bool:
    """Whether a name selects the system. `mrmesos` means all our own rows."""
    return system.name in wanted or (system.ours and OURS in wanted)


def check_names(kind: str, asked: list[str], known: list[str]) -> None:
    """Raise ValueError at the first that is unknown."""
    for name in asked:
        if name not in known:
            raise ValueError(f"there is no {kind} {name!r}; there are {', '.join(known)}")


def use_cpus(count: int) -> int:
    """Bind this process and its children to this many CPUs. Returns the number of CPUs that it
    got.
    """
    mine = sorted(os.sched_getaffinity(0))[:count]
    os.sched_setaffinity(0, mine)
    return len(mine)


def names(text: str) -> list[str]:
    """The words of a list with commas."""
    return [name for name in text.split(",") if name]


def main() -> int:
    """Measure, and print where the results are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--only", type=names, default=[], help="workloads, with commas")
    parser.add_argument("--systems", type=names, default=[], help="systems, with commas")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cpus", type=int, default=2, help="CPUs that everybody is bound to")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for one run")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where inputs are kept")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="for outputs; emptied")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    try:
        planned = plan(options.size, options.only, options.systems)
    except ValueError as problem:
        parser.error(str(problem))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the work directory is removed
    cpus = use_cpus(options.cpus)
    for directory in (options.work, options.results):
        directory.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    titles = {workload.name: workload.title for workload, _ in planned}
    facts = (machine_facts(cpus), versions(), titles)
    started = now.strftime("%Y-%m-%d %H:%M")
    results = Results(started, options.size, options.runs, *facts)
    file = options.results / f"{now:%Y%m%d-%H%M%S}-{options.size}.json"
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        bench = Bench(results, file, options.data.resolve(), Path(work).resolve(), options.timeout)
        bench.measure_all(planned)
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
