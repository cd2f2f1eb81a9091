"""Two damaged segments of two reduces on two agents, with real processes: the job once hung."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from mrmesos.io.shuffle.index import INDEX_FILE, OUTPUT_FILE, MapOutputIndex
from tests.cli.test_end_to_end import DEADLINE, House, house, wait_until

__all__ = ["house"]

pytestmark = pytest.mark.slow

JOB = """
import time
from pathlib import Path
from mrmesos.api import Job, Mapper, Reducer

class Tokenize(Mapper):
    def setup(self):
        gate = Path(self.context.params["gate"])
        while "m_000003" in self.context.facts.attempt_id and not gate.exists():
            time.sleep(0.1)
            self.context.set_status(str(time.time()))

    def map(self, key, line):
        for word in line.split():
            yield word, 1

class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)

class WordCount(Job):
    mapper, reducer = Tokenize, Total
"""
MAPS, LINES = 4, 200


def test_each_map_runs_again_that_one_reduce_alone_cannot_fetch(house: House) -> None:
    directory: Path = house.directory
    (directory / "wc.py").write_text(JOB)
    for number in range(MAPS):
        text = "".join(f"word{n} every\n" for n in range(LINES))
        (directory / f"data{number}.txt").write_text(text)
    mesos = house.start(
        *("minimesos", "--port", "0", "--announce", "master", "--agents", "2"),
        *("--hostname", "agent{n}", "--resources", "cpus:1;mem:6000"),
        *("--work-dir", "mesos"),
    )
    wait_until((directory / "master").exists, "minimesos")
    master = (directory / "master").read_text().strip()
    settings = {
        "gate": str(directory / "gate"),
        "job.maps": str(MAPS),
        "job.reduces": "2",
        "job.reduce.slowstart.completedmaps": "1.0",
        "map.speculative": "false",
        "map.memory.mb": "512",
        "reduce.memory.mb": "512",
    }
    options = [word for name, value in settings.items() for word in ("-D", f"{name}={value}")]
    job = house.start(
        *("submit", "wc.py", "--master", master, "--input", "data*.txt", "--output", "out"),
        *("--report", "report.json", *options),
    )
    damaged = {
        f"m_{number:06d}_0": number for number in range(2)
    }  # partition 0 of map 0, partition 1 of map 1
    found = dict[str, Path]()

    def written() -> bool:
        for index in directory.rglob(INDEX_FILE):
            name = next((name for name in damaged if name in str(index)), "")
            if name and (index.parent / OUTPUT_FILE).exists():
                found[name] = index
        return len(found) == len(damaged)

    wait_until(written, "the first maps")
    wait_until(
        lambda: len({path.parent for path in directory.rglob(INDEX_FILE)}) >= MAPS - 1,
        "all maps but the slow one",
    )
    for name, index in found.items():
        segment = MapOutputIndex.read(index).segments[damaged[name]]
        assert segment.length > 0
        with (index.parent / OUTPUT_FILE).open("r+b") as file:
            file.seek(segment.offset + segment.length // 2)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 1]))
    (directory / "gate").touch()
    _, stderr = job.communicate(timeout=DEADLINE)
    assert job.returncode == 0, stderr
    expected = Counter({f"word{n}": MAPS for n in range(LINES)}) + Counter(every=MAPS * LINES)
    assert house.counts() == expected
    report = json.loads((directory / "report.json").read_text())
    assert report["counters"]["job"]["LAUNCHED_MAPS"] == MAPS + len(damaged)
    assert "FAILED_REDUCES" not in report["counters"]["job"]
    mesos.send_signal(signal.SIGTERM)
    mesos.communicate(timeout=DEADLINE)
