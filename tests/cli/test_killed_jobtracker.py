"""`kill -9` of the JobTracker at random moments: its job still succeeds with the same output."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from mrmesos.client.access import open_client
from mrmesos.client.api_client import RETRY_SECONDS
from mrmesos.conf import Conf
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import JobStatus
from tests.cli.test_end_to_end import DEADLINE, House, wait_until

pytestmark = pytest.mark.slow

SLOW_COUNT = """
import time
from mrmesos.api import Job, Mapper, Reducer

class Tokenize(Mapper):
    def map(self, key, line):
        time.sleep(float(self.context.params["pause"]))
        for word in line.split():
            yield word, 1

class Total(Reducer):
    def setup(self):
        time.sleep(float(self.context.params["pause"]))

    def reduce(self, word, counts):
        yield word, sum(counts)

class SlowCount(Job):
    mapper, reducer = Tokenize, Total
"""
MAPS, REDUCES = 48, 12


class Cluster:
    """A minimesos, and a JobTracker that is started again and again."""

    def __init__(self, house: House) -> None:
        self.house = house
        (house.directory / "slow.py").write_text(SLOW_COUNT)
        for number in range(MAPS):
            text = f"word{number:02d} of the many\n"
            (house.directory / f"in{number:02d}.txt").write_text(text)
        more = ("--agents", "2", "--resources", "cpus:2;mem:4096")
        self.mesos = house.start("minimesos", "--port", "0", "--announce", "master", *more)
        wait_until((house.directory / "master").exists, "minimesos")
        self.master = (house.directory / "master").read_text().strip()
        self.jobtracker: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Start a JobTracker on the journal and wait until it listens."""
        flags = ("--port", "0", "--state-dir", "state", "-D", "tasktracker.cpus=0.05")
        command = [sys.executable, "-m", "mrmesos", "jobtracker", "--master", self.master]
        with (self.house.directory / "jobtracker.log").open("a") as log:
            self.jobtracker = subprocess.Popen(
                [*command, *flags, *more],
                cwd=self.house.directory,
                env=self.house.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.house.started.append(self.jobtracker)
        assert self.jobtracker.stdout is not None
        url = self.jobtracker.stdout.readline().split()[-1]
        assert self.url in ("", url)
        self.url = url
        return self.jobtracker

    def kill(self) -> None:
        assert self.jobtracker is not None
        self.jobtracker.send_signal(signal.SIGKILL)
        self.jobtracker.wait()

    def submit(self, output: str, pause: float, *more: str) -> subprocess.Popen[str]:
        settings = (
            f"pause={pause}",
            f"job.maps={MAPS}",
            f"job.reduces={REDUCES}",
            "map.cpus=0.4",
            "reduce.cpus=0.4",
        )
        flags = [flag for setting in settings for flag in ("-D", setting)]
        files = ("--input", "in??.txt", "--output", output, "--report", f"{output}.json")
        return self.house.start(
            "submit", "slow.py", *files, "--jobtracker", self.url, *flags, *more
        )

    def is_tasktracker(self, process: psutil.Process) -> bool:
        """Whether it is a TaskTracker of this cluster, and not its worker or shell."""
        try:
            ours = str(self.house.directory) in process.environ().get("TMPDIR", "")
            return ours and process.cmdline()[-2:] == ["-m", "mrmesos.tasktracker"]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False

    def wait_for(self, condition: Callable[[JobStatus], bool], what: str) -> None:
        """Wait until the condition holds for any job."""
        client = open_client(self.url, Conf(), retry_seconds=RETRY_SECONDS)
        try:
            wait_until(lambda: any(condition(one) for one in client.statuses()), what)
        finally:
            client.close()

    def parts(self, output: str) -> dict[str, bytes]:
        directory = self.house.directory / output
        return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}

    def check(self, output: str) -> None:
        """Check that no finished task ran again."""
        report = json.loads((self.house.directory / f"{output}.json").read_text())
        assert report["state"] == "SUCCEEDED"
        won = {
            parse_attempt(row["id"]).task_id: row["end"]
            for row in report["attempts"]
            if row["state"] == "SUCCEEDED"
        }
        assert len(won) == report["maps"]["total"] + report["reduces"]["total"]
        for row in report["attempts"]:
            assert row["state"] in ("SUCCEEDED", "KILLED"), row
            assert row["start"] <= won[parse_attempt(row["id"]).task_id], "run again"

    def end(self) -> None:
        self.house.start("job", "list", "--jobtracker", self.url).communicate(timeout=DEADLINE)
        self.mesos.send_signal(signal.SIGTERM)
        self.mesos.communicate(timeout=DEADLINE)


@contextmanager
def running_cluster(directory: Path) -> Iterator[Cluster]:
    """A cluster, and none of its processes afterwards."""
    house = House(directory)
    cluster = Cluster(house)
    try:
        yield cluster
    finally:
        cluster.end()
        for process in house.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        wait_until(house.is_clean, f"the end of {house.processes()}")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


@pytest.mark.timeout(900)
def test_killed_ten_times_it_finishes_the_job(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(20261120)
    cluster.start()
    begin = time.monotonic()
    undisturbed = cluster.submit("calm", 3.0)
    _, stderr = undisturbed.communicate(timeout=4 * DEADLINE)
    assert undisturbed.returncode == 0, stderr
    calm = time.monotonic() - begin

    begin = time.monotonic()
    job = cluster.submit("out", 3.0)
    wait_until((cluster.house.directory / "out" / "_temporary").exists, "the job's start")
    for moment in sorted(rng.uniform(0.0, 0.9) for _ in range(10)):
        time.sleep(max(0.0, begin + moment * calm - time.monotonic()))  # vary the moment
        cluster.kill()
        cluster.start()
    _, stderr = job.communicate(timeout=4 * DEADLINE)
    assert job.returncode == 0, stderr
    disturbed = time.monotonic() - begin
    with capsys.disabled():
        print(f"\n60 tasks: {calm:.1f} s; JobTracker killed 10 times: {disturbed:.1f} s")
    assert cluster.parts("out") == cluster.parts("calm")
    cluster.check("out")


@pytest.mark.timeout(300)
def test_away_for_too_long_it_goes_on_as_a_new_framework(cluster: Cluster) -> None:
    cluster.start("-D", "mesos.failover.timeout=1")
    job = cluster.submit("out", 1.0)
    cluster.wait_for(lambda status: status.reduces.succeeded > 2, "some reduces' ends")
    cluster.kill()
    wait_until(
        lambda: not any("mrmesos.tasktracker" in line for line in cluster.house.processes()),
        "the TaskTrackers to be ended by Mesos",
    )
    cluster.start("-D", "mesos.failover.timeout=1")
    _, stderr = job.communicate(timeout=2 * DEADLINE)
    assert job.returncode == 0, stderr
    assert "go on in a new one" in (cluster.house.directory / "jobtracker.log").read_text()
    report = json.loads((cluster.house.directory / "out.json").read_text())
    # The output of reduces is on the shared filesystem; that of maps is lost with TaskTrackers.
    won = [row["id"] for row in report["attempts"] if row["state"] == "SUCCEEDED"]
    reduces = [name for name in won if "_r_" in name]
    assert len(reduces) == REDUCES
    assert any(parse_attempt(name).number < 1000 for name in reduces), "all reduces ran again"
    words = b"".join(cluster.parts("out").values()).split()
    assert words.count(b"of") == 1
    assert len(words) == 2 * (MAPS + 3)


@pytest.mark.timeout(300)
def test_tasktrackers_give_up_one_that_stays_away(cluster: Cluster) -> None:
    """Their map output is lost with them. The output of reduces is on the shared filesystem."""
    patience = ("-D", "tasktracker.expiry.seconds=10")
    cluster.start(*patience)
    job = cluster.submit("out", 1.0)
    cluster.wait_for(lambda status: status.reduces.succeeded > 2, "some reduces' ends")
    cluster.kill()
    wait_until(
        lambda: not any("mrmesos.tasktracker" in line for line in cluster.house.processes()),
        "the end of the TaskTrackers",
    )
    cluster.start(*patience)
    _, stderr = job.communicate(timeout=2 * DEADLINE)
    assert job.returncode == 0, stderr
    assert "go on in a new one" not in (cluster.house.directory / "jobtracker.log").read_text()
    report = json.loads((cluster.house.directory / "out.json").read_text())
    won = [row["id"] for row in report["attempts"] if row["state"] == "SUCCEEDED"]
    reduces = [name for name in won if "_r_" in name]
    assert len(reduces) == REDUCES
    assert any(parse_attempt(name).number < 1000 for name in reduces), "all reduces ran again"
    words = b"".join(cluster.parts("out").values()).split()
    assert words.count(b"of") == 1
    assert len(words) == 2 * (MAPS + 3)


def test_a_stopped_one_leaves_its_jobs_to_the_next(cluster: Cluster) -> None:
    first = cluster.start()
    job = cluster.submit("out", 0.5)
    wait_until(lambda: bool(list((cluster.house.directory / "out").rglob("attempt_*"))), "attempts")
    first.send_signal(signal.SIGTERM)
    assert first.wait(DEADLINE) == 0
    assert (cluster.house.directory / "out" / "_temporary").exists()
    cluster.start()
    _, stderr = job.communicate(timeout=DEADLINE)
    assert job.returncode == 0, stderr
    cluster.check("out")


@pytest.mark.timeout(300)
def test_a_tasktracker_killed_while_reduces_fetch_costs_its_own_maps_only(
    cluster: Cluster,
) -> None:
    cluster.start()
    job = cluster.submit("out", 1.0)
    cluster.wait_for(lambda job: job.maps.total == job.maps.succeeded > 0, "the end of all maps")
    victim = next(p for p in psutil.process_iter() if cluster.is_tasktracker(p))
    victim.kill()
    _, stderr = job.communicate(timeout=2 * DEADLINE)
    assert job.returncode == 0, stderr
    report = json.loads((cluster.house.directory / "out.json").read_text())
    rows = [row for row in report["attempts"] if row["kind"] == "map"]
    first = {parse_attempt(row["id"]).index: row["agent"] for row in reversed(rows)}
    again = [parse_attempt(row["id"]) for row in rows if not row["id"].endswith("_0")]
    assert len({first[name.index] for name in again}) <= 1, "maps of both trackers ran again"
    assert len({name.index for name in again}) == len(again), "a map ran again twice"
    words = b"".join(cluster.parts("out").values()).split()
    assert len(words) == 2 * (MAPS + 3)
