"""The measured systems: how to start each, its operations, and whether it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from benchmarks import hadoop_peer
from benchmarks.workloads import Operation, Workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS_PYTHON = HERE / ".venv-peers" / "bin" / "python"
OURS = "mrmesos"
COUNTING = (Operation.WORDCOUNT, Operation.WORDCOUNT_TABS)


@dataclass(frozen=True, slots=True)
class System:
    """One row of the tables. `jobs` is what it runs for each operation it knows.

    `python` must be able to import `package`. `program` must be on the PATH. `prepare` makes what
    it needs and returns why that is impossible.
    """

    name: str
    label: str
    python: Path
    jobs: Mapping[Operation, Path | str]
    package: str = ""
    program: str = ""
    ours: bool = field(default=False)
    prepare: Callable[[], str] | None = None

    def missing(self, workload: Workload) -> str:
        """Why it cannot do the workload here. Empty if it can."""
        job = str(self.jobs[workload.operation])
        script = Path(job.partition(":")[0])
        if not script.is_file():
            return f"there is no {os.path.relpath(script, ROOT)}"
        if self.program and shutil.which(self.program) is None:
            return f"{self.program} is not installed"
        if self.prepare is not None:
            return self.prepare()
        return import_problem(self.python, self.package) if self.package else ""

    def command(self, workload: Workload, source: Path | str, target: Path | str) -> list[str]:
        """The command that reads `source` and makes the directory `target`. We take URIs, too."""
        job = str(self.jobs[workload.operation])
        settings = [part for item in workload.settings.items() for part in ("-D", "=".join(item))]
        if job.endswith(".sh") or not self.ours:
            interpreter = "sh" if job.endswith(".sh") else str(self.python)
            command = [interpreter, job, workload.operation.value, str(source), str(target)]
            return [*command, *settings] if self.ours else command
        place = ["--input", str(source), "--output", str(target)]
        return [str(self.python), "-m", "mrmesos", "submit", job, *place, *settings]


@lru_cache(maxsize=64)
def import_problem(python: Path, package: str) -> str:
    """Why `python` cannot import `package`, in one line. Empty if it can."""
    if not python.is_file():
        return "not installed: `make bench-peers` makes the peers' environment"
    command = [str(python), "-c", f"import {package}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"`import {package}` fails: {last:.200}"


def systems() -> list[System]:
    """All of them, ours first."""
    return [*own(), *peers()]


def own() -> list[System]:
    """Our engine five ways. Operations that only one of them shows are not measured twice."""
    python, examples, jobs = Path(sys.executable), ROOT / "examples", HERE / "jobs"
    wordcount, terasort = examples / "wordcount", examples / "terasort" / "terasort.py"
    groupsum = jobs / "groupsum.py"
    return [
        System(
            OURS,
            "mrmesos, a Python class for each record",
            python,
            {
                **dict.fromkeys(COUNTING, wordcount / "wordcount.py"),
                Operation.GROUPSUM: f"{groupsum}:GroupSum",
                Operation.NOTHING: jobs / "empty.py",
            },
            ours=True,
        ),
        System(
            f"{OURS}-sum",
            "mrmesos, a Python mapper and the aggregate `Sum`",
            python,
            {
                **dict.fromkeys(COUNTING, jobs / "wordsum.py"),
                Operation.GROUPSUM: f"{groupsum}:GroupSumAggregate",
            },
            ours=True,
        ),
        System(
            f"{OURS}-vectorised",
            "mrmesos, vectorised",
            python,
            {
                **dict.fromkeys(COUNTING, wordcount / "wordcount_vectorised.py"),
                Operation.SORT: terasort,
                Operation.GROUPSUM: f"{groupsum}:GroupSumVectorised",
            },
            ours=True,
        ),
        System(
            f"{OURS}-streaming",
            "mrmesos streaming, a mapper and a reducer in Python",
            python,
            {Operation.STREAMING: jobs / "streaming.sh"},
            ours=True,
        ),
        System(
            f"{OURS}-mrjob",
            "mrmesos, mrjob's job in its workers",
            python,
            {Operation.MRJOB: jobs / "mrjob.sh"},
            package="mrjob.job",
            ours=True,
        ),
    ]


def peers() -> list[System]:
    """The systems to compare with."""
    scripts = HERE / "peers"
    summing = (Operation.WORDCOUNT, Operation.GROUPSUM)
    every = (*summing, Operation.SORT)
    with_tabs = (*summing, Operation.WORDCOUNT_TABS)
    all_four = (*every, Operation.WORDCOUNT_TABS)

    def peer(
        name: str, label: str, script: str, operations: tuple[Operation, ...], package: str
    ) -> System:
        jobs = dict.fromkeys(operations, scripts / script)
        program = "java" if package.startswith("pyspark") else ""
        return System(name, label, PEERS_PYTHON, jobs, package, program)

    def tool(name: str, label: str, script: str, operations: tuple[Operation, ...]) -> System:
        jobs = dict.fromkeys(operations, scripts / script)
        return System(name, label, Path("/bin/sh"), jobs, program=name.removeprefix("gnu-"))

    return [
        System(
            "python",
            "plain Python, one process",
            Path(sys.executable),
            dict.fromkeys(all_four, scripts / "plain_python.py"),
        ),
        System(
            "loop",
            "the mapper's generator in a plain loop, one process",
            Path(sys.executable),
            dict.fromkeys(with_tabs, scripts / "loop.py"),
        ),
        System(
            "shell",
            "cat, mapper, `sort -S 1G`, reducer in a pipe",
            Path("/bin/sh"),
            {Operation.STREAMING: scripts / "shell.sh"},
        ),
        tool("gnu-sort", "GNU sort, 2 threads", "gnu_sort.sh", (Operation.SORT,)),
        tool("mawk", "mawk", "mawk.sh", summing),
        peer("duckdb", "DuckDB, 2 threads", "duckdb_sql.py", all_four, "duckdb"),
        peer("polars", "Polars, 2 threads", "polars_frames.py", all_four, "polars"),
        System(
            "hadoop",
            "Hadoop MapReduce in Java, 2 maps at once",
            Path("/bin/sh"),
            dict.fromkeys(every, scripts / "hadoop.sh"),
            program="java",
            prepare=hadoop_peer.prepare,
        ),
        peer("dpark", "dpark, 2 processes", "dpark_rdd.py", every, "dpark"),
        peer("dask", "dask.bag, 2 processes", "dask_bag.py", summing, "dask.bag"),
        peer(
            "mrjob",
            "mrjob, local runner",
            "mrjob_local.py",
            (*summing, Operation.MRJOB),
            "mrjob.job",
        ),
        peer("spark-dataframe", "Spark DataFrame", "pyspark_dataframe.py", every, "pyspark.sql"),
        peer("spark-rdd", "PySpark RDD", "pyspark_rdd.py", every, "pyspark.sql"),
    ]


def environment(scratch: Path) -> dict[str, str]:
    """The environment of every measured command. Its temporary files are in `scratch`.

    Python buffers its output, whatever the user's environment says.
    """
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        "TMPDIR": str(scratch),
        "SPARK_LOCAL_DIRS": str(scratch),
        "PYSPARK_PYTHON": str(PEERS_PYTHON),
        "PYTHON": sys.executable,
        "HADOOP_PEER": str(hadoop_peer.PLACE),
    }
