"""The cluster that pages speak of: a small Mesos with two agents, and a JobTracker on it.

Pages call them `mesos.example` and `jobtracker.example`. Starting them takes some seconds, so all
pages of a run share one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECONDS = 100


@dataclass(frozen=True, slots=True)
class PageCluster:
    """The addresses of the two."""

    master: str
    jobtracker: str
    home: Path

    def hosts(self) -> dict[str, str]:
        """The addresses that replace the URLs in pages."""
        return {
            "http://jobtracker.example:5055": self.jobtracker,
            "http://mesos.example:5050": self.master,
        }

    def environ(self) -> dict[str, str]:
        """The variables that lead a reader's commands to it. A job has one map, so fewer workers
        have to start.
        """
        token = str(self.home / ".mrmesos" / "token")
        return {
            "MRMESOS_JOBTRACKER_URL": self.jobtracker,
            "MRMESOS_TOKEN_FILE": token,
            "MRMESOS_JOB_MAPS": "1",
        }


@contextmanager
def page_cluster(place: Path, environ: Mapping[str, str]) -> Iterator[PageCluster]:
    """Start both, and end them afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        log = (place / f"{words[0]}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mrmesos", *words],
                cwd=place,
                env=dict(environ),
                stdout=subprocess.PIPE,
                stderr=log,
            )
        started.append(process)
        return process

    try:
        announce = place / "master"
        resources = "cpus:2;mem:4096;ports:[31000-32000]"
        start(
            *("minimesos", "--port", "0", "--agents", "2", "--resources", resources),
            *("--hostname", "localhost", "--announce", str(announce)),
        )
        wait_until(announce.exists)
        master = announce.read_text().strip()
        service = start(
            *("jobtracker", "--master", master, "--port", "0"),
            *("--state-dir", str(place / "state"), "-D", "trackers.minimum=1"),
        )
        assert service.stdout is not None
        yield PageCluster(master, service.stdout.readline().decode().split()[-1], place)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(SECONDS)


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for something that takes some seconds."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def page_environ(home: Path) -> dict[str, str]:
    """The environment of a reader whose `mrmesos` and `python` are those of the tests."""
    private = ("MRMESOS_", "XDG_", "AWS_", "HADOOP_")
    environ = {name: text for name, text in os.environ.items() if not name.startswith(private)}
    environ |= {"HOME": str(home), "COLUMNS": "200"}
    environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return environ
