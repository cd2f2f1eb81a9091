"""Backup attempts with real processes: the slow attempt is killed, and the output is the same."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.test_end_to_end import DEADLINE, House, house, wait_until

__all__ = ["house"]

pytestmark = pytest.mark.slow

JOB = """
import time
from mrmesos.api import Job, Mapper, Reducer

class Pace:
    def pause(self):
        attempt = self.context.facts.attempt_id
        slow = attempt.endswith(self.context.params["slow"] + "_0")
        time.sleep(1.0 if slow else 0.02)

class Tokenize(Mapper, Pace):
    def map(self, key, line):
        self.pause()
        for word in line.split():
            yield word, 1

class Total(Reducer, Pace):
    def reduce(self, word, counts):
        self.pause()
        yield word, sum(counts)

class WordCount(Job):
    mapper, reducer = Tokenize, Total
"""
FILES, LINES = 6, 100
WORDS = [f"word{n} every" for n in range(LINES)]


@pytest.mark.parametrize("slow", ["m_000002", "r_000001"])
def test_a_slow_attempt_gives_way_to_its_backup(house: House, slow: str) -> None:
    directory: Path = house.directory
    (directory / "wc.py").write_text(JOB)
    for number in range(FILES):
        (directory / f"data{number}.txt").write_text("\n".join(WORDS) + "\n")
    mesos = house.start(
        *("minimesos", "--port", "0", "--announce", "master", "--agents", "3"),
        *("--hostname", "agent{n}", "--resources", "cpus:3;mem:6000"),
    )
    wait_until((directory / "master").exists, "minimesos")
    master = (directory / "master").read_text().strip()
    settings = {
        "slow": slow,
        "job.speculative.lag": "1",
        "job.maps": str(FILES),
        "job.reduces": "3",
        "map.memory.mb": "512",
        "reduce.memory.mb": "512",
    }
    options = [word for name, value in settings.items() for word in ("-D", f"{name}={value}")]
    job = house.start(
        *("submit", "wc.py", "--master", master, "--input", "data*.txt", "--output", "out"),
        *("--report", "report.json", *options),
    )
    _, stderr = job.communicate(timeout=DEADLINE)
    assert job.returncode == 0, stderr
    expected = Counter({f"word{n}": FILES for n in range(LINES)}) + Counter(every=FILES * LINES)
    assert house.counts() == expected
    assert sorted(path.name for path in (directory / "out").iterdir()) == [
        "_SUCCESS",
        *(f"part-r-{n:05d}" for n in range(3)),
    ]
    report = json.loads((directory / "report.json").read_text())
    kind = "MAPS" if slow.startswith("m") else "REDUCES"
    assert report["counters"]["job"][f"SPECULATIVE_{kind}"] >= 1
    ends = {row["id"][-10:]: row["state"] for row in report["attempts"]}
    assert ends[f"{slow}_0"] == "KILLED"
    assert ends[f"{slow}_1"] == "SUCCEEDED"
    mesos.send_signal(signal.SIGTERM)
    mesos.communicate(timeout=DEADLINE)
