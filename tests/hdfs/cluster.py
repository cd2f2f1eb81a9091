"""A minimesos with an agent for each DataNode, and `mrmesos submit` over it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrmesos.io.fs.filesystem import open_filesystem
from tests.hdfs.hadoop import DEADLINE, HOSTS, Hdfs, wait_until

ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Cluster:
    """The Mesos of one test; `directory` holds its files. `python_path` is that of its hosts."""

    directory: Path
    hdfs: Hdfs
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    master: str = ""
    python_path: str = str(ROOT)

    def start(self) -> None:
        announced = self.directory / "master"
        self.run(
            *("minimesos", "--port", "0", "--agents", str(len(HOSTS))),
            *("--hostname", "dn{n}.hdfs.test", "--resources", "cpus:1.1;mem:2048"),
            *("--announce", str(announced)),
        )
        wait_until(announced.exists, DEADLINE, lambda: "minimesos did not start")
        self.master = announced.read_text().strip()

    def run(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mrmesos", *arguments],
            cwd=self.directory,
            env={
                **os.environ,
                "TMPDIR": str(self.directory / "tmp"),
                "PYTHONPATH": self.python_path,
                "HADOOP_CONF_DIR": str(self.hdfs.conf_dir),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def start_jobtracker(self) -> dict[str, str]:
        """Start a JobTracker. Returns the variables by which clients find it."""
        token = self.directory / "token"
        more = ("--port", "0", "-D", f"jobtracker.token.file={token}")
        process = self.run("jobtracker", "--master", self.master, *more)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        return {"MRMESOS_JOBTRACKER_URL": url, "MRMESOS_TOKEN": token.read_text().strip()}

    def submit(self, script: Path, source: str, target: str, *more: str) -> subprocess.Popen[str]:
        """A job; paths are of HDFS."""
        return self.run(
            *("submit", str(script), "--master", self.master, "--report", "report.json"),
            *("--input", self.hdfs.uri + source, "--output", self.hdfs.uri + target, *more),
        )

    def finish(self, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
        """Wait until the job has succeeded; the attempts of its report."""
        _, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, errors
        report: dict[str, Any] = json.loads((self.directory / "report.json").read_text())
        return list(report["attempts"])

    def stop(self) -> None:
        for process in reversed(self.started):
            process.terminate()
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def write(uri: str, data: bytes) -> None:
    fs, path = open_filesystem(uri)
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    with fs.open(path, "wb") as file:
        file.write(data)


def parts(uri: str) -> list[bytes]:
    """The part files of an output, in order. It has to be complete."""
    fs, path = open_filesystem(uri)
    names = sorted(name.rpartition("/")[2] for name in fs.ls(path, detail=False))
    assert "_SUCCESS" in names
    assert all(name == "_SUCCESS" or name.startswith("part-") for name in names), names
    found = []
    for name in names:
        if name.startswith("part-"):
            with fs.open(f"{path}/{name}", "rb") as file:
                found.append(file.read())
    return found


def counts(uri: str) -> Counter[str]:
    """The output of a word count."""
    found: Counter[str] = Counter()
    for line in b"".join(parts(uri)).decode().splitlines():
        word, number = line.split("\t")
        found[word] += int(number)
    return found
