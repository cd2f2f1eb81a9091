"""Several JobTrackers with a real ZooKeeper: jobs survive the end of the leader."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mrmesos.election.finder import NoLeader, find_leader
from mrmesos.election.place import Place
from tests.cli.test_end_to_end import DEADLINE, House, wait_until
from tests.cli.test_killed_jobtracker import MAPS, Cluster
from tests.zookeeper import zookeeper

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(slots=True)
class Candidate:
    process: subprocess.Popen[str]
    log: Path

    def says(self, words: str) -> bool:
        return words in self.log.read_text()

    def leads(self) -> str:
        """Wait until it leads; returns its URL."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "listens on" in line, self.log.read_text()
        return line.split()[-1]


class Candidates:
    """JobTrackers over one minimesos, with one state directory."""

    def __init__(self, house: House, zk: str) -> None:
        self.cluster = Cluster(house)
        self.cluster.url = self.zk = zk
        self._started = 0

    def start(self, master: str = "") -> Candidate:
        self._started += 1
        log = self.cluster.house.directory / f"jobtracker-{self._started}.log"
        words = ("--port", "0", "--state-dir", "state", "--zk", self.zk)
        settings = {
            "tasktracker.cpus": "0.05",
            "jobtracker.zk.session.seconds": "2",
            "jobtracker.master.away.seconds": "2",
        }
        flags = [word for name, text in settings.items() for word in ("-D", f"{name}={text}")]
        command = (sys.executable, "-m", "mrmesos", "jobtracker", *words, *flags)
        with log.open("w") as file:
            process = subprocess.Popen(
                [*command, "--master", master or self.cluster.master],
                cwd=self.cluster.house.directory,
                env=self.cluster.house.environment,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self.cluster.house.started.append(process)
        return Candidate(process, log)

    def start_standby(self) -> Candidate:
        standby = self.start()
        wait_until(lambda: standby.says("standing by"), "a standby")
        return standby

    def leader(self) -> str:
        try:
            return find_leader(Place.parse(self.zk))
        except NoLeader:
            return ""

    def finish(self, job: subprocess.Popen[str], output: str) -> None:
        _, stderr = job.communicate(timeout=3 * DEADLINE)
        assert job.returncode == 0, stderr
        assert self.cluster.parts(output) == self.cluster.parts("calm")
        self.cluster.check(output)


@pytest.fixture
def candidates(tmp_path: Path) -> Iterator[Candidates]:
    (tmp_path / "house").mkdir()
    house = House(tmp_path / "house")
    with zookeeper(tmp_path / "zk") as address:
        candidates = Candidates(house, f"zk://{address}/mrmesos")
        try:
            yield candidates
        finally:
            candidates.cluster.end()
            for process in house.started:
                if process.poll() is None:
                    process.kill()
                process.communicate()
            wait_until(house.is_clean, f"the end of {house.processes()}")


def test_the_standby_finishes_the_jobs_of_a_killed_leader(candidates: Candidates) -> None:
    first = candidates.start()
    url = first.leads()
    second = candidates.start_standby()
    assert candidates.leader() == url
    calm = candidates.cluster.submit("calm", 0.1)
    candidates.finish(calm, "calm")

    job = candidates.cluster.submit("out", 1.0)
    candidates.cluster.wait_for(lambda job: job.maps.succeeded in range(8, MAPS), "some maps")
    first.process.kill()
    assert second.leads() != url
    candidates.finish(job, "out")
    assert candidates.leader() not in ("", url)


def test_a_leader_that_was_stopped_comes_back_as_a_standby(candidates: Candidates) -> None:
    """Its successor starts while it is stopped. It must not change anything afterwards."""
    first = candidates.start()
    url = first.leads()
    second = candidates.start_standby()
    candidates.finish(candidates.cluster.submit("calm", 0.1), "calm")
    job = candidates.cluster.submit("out", 1.0)
    candidates.cluster.wait_for(lambda job: job.maps.succeeded in range(8, MAPS), "some maps")
    first.process.send_signal(signal.SIGSTOP)
    assert second.leads() != url
    first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: first.says("does not lead any more"), "that it notices")
    wait_until(lambda: first.says("standing by"), "a standby")
    second.process.send_signal(signal.SIGTERM)
    first.leads()
    assert second.process.wait(DEADLINE) == 0
    candidates.finish(job, "out")


class Forwarder:
    """A proxy of the master that can be cut: it closes all connections and accepts none."""

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("http://").rpartition(":")
        self._target = host, int(port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        for end in (self._server, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                there = socket.create_connection(self._target)
                self._ends += [client, there]
                for a, b in ((client, there), (there, client)):
                    threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def test_a_leader_without_a_master_gives_way_to_who_has_one(candidates: Candidates) -> None:
    way = Forwarder(candidates.cluster.master)
    try:
        first = candidates.start(way.url)
        url = first.leads()
        candidates.finish(candidates.cluster.submit("calm", 0.1), "calm")
        job = candidates.cluster.submit("out", 1.0)
        candidates.cluster.wait_for(lambda job: job.maps.succeeded in range(8, MAPS), "some maps")
        way.cut()
        wait_until(lambda: first.says("next try in"), "that it notices")
        second = candidates.start_standby()
        assert second.leads() != url
        assert first.says("a standby can reach one")
        candidates.finish(job, "out")
        wait_until(lambda: first.says("standing by"), "that it stands by although it is cut off")
    finally:
        way.cut()


def test_a_standby_is_ended_by_a_signal_and_needs_the_shared_directory(
    candidates: Candidates,
) -> None:
    first = candidates.start()
    first.leads()
    second = candidates.start_standby()
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(DEADLINE) == 0
    more = ("--port", "0", "--zk", candidates.zk, "--master", candidates.cluster.master)
    other = candidates.cluster.house.start("jobtracker", *more, "--state-dir", "other")
    _, stderr = other.communicate(timeout=DEADLINE)
    assert other.returncode == 2
    assert "share another state directory" in stderr
    none = candidates.cluster.house.start("jobtracker", *more)
    _, stderr = none.communicate(timeout=DEADLINE)
    assert none.returncode == 2
    assert "--state-dir" in stderr
    assert first.process.poll() is None
