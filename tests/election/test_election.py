"""Election with a real ZooKeeper: one candidate leads, all notice its end, and all find it."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kazoo.client import KazooState

from mrmesos.election.candidate import Candidate, ElectionError
from mrmesos.election.finder import NoLeader, find_leader
from mrmesos.election.place import Place
from tests.zookeeper import ZooKeeper, zookeeper_process

pytestmark = pytest.mark.slow
DEADLINE = 30.0
SESSION = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    with zookeeper_process(tmp_path_factory.mktemp("zk") / "server") as server:
        yield server


@pytest.fixture
def place(server: ZooKeeper, request: pytest.FixtureRequest) -> Place:
    return Place.parse(f"zk://{server.address}/{request.node.name}")


class Standing:
    """A candidate, and the thread that waits for its election."""

    def __init__(self, place: Place, directory: str = "d", able: bool = True) -> None:
        self.asleep = 0.0
        self.able = able
        self.elected, self.deposed = threading.Event(), threading.Event()
        self.why = ""
        self.candidate = Candidate(place, SESSION, self._depose, self._clock, lambda: self.able)
        self.candidate.stand(directory)
        threading.Thread(target=self._wait, daemon=True).start()

    def _clock(self) -> float:
        return time.monotonic() + self.asleep

    def _wait(self) -> None:
        self.candidate.wait()
        self.elected.set()

    def _depose(self, why: str) -> None:
        self.why = why
        self.deposed.set()


@contextmanager
def standing(place: Place, able: bool = True) -> Iterator[Standing]:
    one = Standing(place, able=able)
    try:
        yield one
    finally:
        one.candidate.withdraw()


def test_one_leads_and_another_follows(place: Place) -> None:
    with standing(place) as first:
        assert first.elected.wait(DEADLINE)
        with pytest.raises(NoLeader, match="does not listen yet"):
            find_leader(place)
        first.candidate.publish("http://h1:1")
        assert find_leader(place) == "http://h1:1"
        with standing(place) as second:
            assert first.candidate.leads()
            assert not second.candidate.leads()
            with pytest.raises(ElectionError, match="another"):
                second.candidate.publish("http://h2:1")
            assert not second.elected.is_set()
            first.candidate.withdraw()
            assert second.elected.wait(DEADLINE)
            second.candidate.publish("https://h2:1")
            assert find_leader(place) == "https://h2:1"
        assert not first.deposed.is_set(), "who goes by itself was not deposed"
    with pytest.raises(NoLeader, match="no JobTracker leads"):
        find_leader(place)


def test_a_leader_gives_way_to_those_only_that_could_do_its_work(place: Place) -> None:
    with standing(place) as first:
        assert first.elected.wait(DEADLINE)
        assert not first.candidate.others_stand()
        with standing(place, able=False) as cut_off:
            assert not first.candidate.others_stand()
            with standing(place) as second:
                _until(first.candidate.others_stand)
                first.candidate.give_way("no master")
                assert first.deposed.is_set()
                assert first.why == "no master"
                assert second.elected.wait(DEADLINE)
                assert not second.candidate.others_stand()
                assert not cut_off.elected.is_set()
            assert cut_off.elected.wait(DEADLINE), "where nobody can, somebody leads all the same"


def test_who_is_cut_off_lets_others_go_first(place: Place) -> None:
    """Even if it asks first: a leader that gave way becomes a candidate again at once."""
    with standing(place) as leader:
        assert leader.elected.wait(DEADLINE)
        with standing(place) as second, standing(place, able=False) as cut_off:
            _until(_shown(second))
            assert not cut_off.candidate._goes_first()
            assert second.candidate._goes_first()
            cut_off.able = True
            assert cut_off.candidate._goes_first()


def _shown(one: Standing) -> Callable[[], bool]:
    return lambda: bool(one.candidate._shown)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_all_candidates_share_a_directory(place: Place) -> None:
    with standing(place), pytest.raises(ElectionError, match="another state directory"):
        Standing(place, "elsewhere")


def test_only_candidates_may_write_where_there_is_a_password(place: Place) -> None:
    from kazoo.client import KazooClient
    from kazoo.exceptions import NoAuthError

    hosts, path = place.hosts, place.path
    with standing(Place(hosts, path, "user:secret")) as first:
        assert first.elected.wait(DEADLINE)
        first.candidate.publish("http://h1:1")
        assert find_leader(place) == "http://h1:1"
        stranger = KazooClient(hosts)
        stranger.start(DEADLINE)
        try:
            with pytest.raises(NoAuthError):
                stranger.set(f"{path}/leader", b"http://stranger")
            with pytest.raises(NoAuthError):
                stranger.create(f"{path}/other")
        finally:
            stranger.stop()
            stranger.close()


def test_a_leader_that_zookeeper_is_silent_to_steps_down(tmp_path: Path) -> None:
    with zookeeper_process(tmp_path / "zk") as server:
        place = Place.parse(f"zk://{server.address}/x")
        with standing(place) as first:
            assert first.elected.wait(DEADLINE)
            server.process.send_signal(signal.SIGSTOP)
            try:
                assert first.deposed.wait(DEADLINE)
                assert "away" in first.why
                assert not first.candidate.leads()
                begin = time.monotonic()
                with pytest.raises(NoLeader, match="does not answer"):
                    find_leader(place, 0.5)
                assert time.monotonic() - begin < DEADLINE
            finally:
                server.process.send_signal(signal.SIGCONT)


def test_a_connection_that_breaks_costs_no_leadership(place: Place) -> None:
    with standing(place) as first:
        assert first.elected.wait(DEADLINE)
        client = first.candidate._client
        broken, back = threading.Event(), threading.Event()

        def changed(state: str) -> None:
            if state == KazooState.SUSPENDED:
                broken.set()
            elif state == KazooState.CONNECTED and broken.is_set():
                back.set()

        client.add_listener(changed)
        client._connection._socket.shutdown(socket.SHUT_RDWR)
        assert back.wait(DEADLINE)
        assert first.candidate.leads()
        assert not first.deposed.is_set()
        assert first.candidate._timer is None


def test_a_leader_that_was_stopped_steps_down_by_its_clock(place: Place) -> None:
    with standing(place) as first:
        assert first.elected.wait(DEADLINE)
        assert first.candidate.leads()
        first.asleep = SESSION
        assert first.deposed.wait(DEADLINE)
        assert "stopped for" in first.why


def test_a_standby_outlives_zookeeper(tmp_path: Path) -> None:
    with zookeeper_process(tmp_path / "zk") as server:
        place = Place.parse(f"zk://{server.address}/x")
        with standing(place) as first, standing(place) as second:
            assert first.elected.wait(DEADLINE)
            server.kill()
            assert first.deposed.wait(DEADLINE)
            first.candidate.withdraw()
            server.restart()
            assert second.elected.wait(DEADLINE)
            assert not second.deposed.is_set()


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(NoLeader, match="does not answer"):
        find_leader(Place.parse("zk://127.0.0.1:1/x"), 0.5)
