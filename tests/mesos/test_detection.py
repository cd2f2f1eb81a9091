"""The leader in ZooKeeper: detection, callbacks and log lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kazoo.client
import msgspec
import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NoNodeError

from mrmesos.mesos.detection import LeaderDetector, read_master
from mrmesos.mesos.errors import MesosUnreachable
from mrmesos.mesos.scheduler_driver import SchedulerDriver
from tests.mesos.recorder import FRAMEWORK, Recorder, Start
from tests.mesos.scripted import Server, wait_for
from tests.zookeeper import ZooKeeper, zookeeper_process

URL = "zk://127.0.0.1:1/mesos"


def master_info(port: int) -> bytes:
    return json.dumps({"id": "m", "address": {"ip": "127.0.0.1", "port": port}}).encode()


class Nodes:
    """The data that a client of ZooKeeper reads."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.problem: Exception | None = None

    def retry(self, call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)

    def get(self, path: str) -> tuple[bytes, None]:
        if self.problem is not None:
            raise self.problem
        try:
            return self.data[path.removeprefix("/mesos/")], None
        except KeyError:
            raise NoNodeError from None


class Scene:
    def __init__(self) -> None:
        self.told: list[str | None] = []
        self.detector = LeaderDetector(URL, self.told.append)
        self.nodes = Nodes()
        self.detector._zk = self.nodes

    def see(self, **data: bytes) -> None:
        self.nodes.data = {name.replace("json_", "json."): text for name, text in data.items()}
        self.detector._seen(list(self.nodes.data))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO)
    mine = "mrmesos.mesos.detection"
    return lambda: [one.getMessage() for one in caplog.records if one.name == mine]


def test_the_lowest_leads_and_each_change_is_said_once(said: Callable[[], list[str]]) -> None:
    scene = Scene()
    scene.see()
    scene.see(log_replicas=b"")
    scene.see(json_info_2=master_info(2), json_info_1=master_info(1), info_0=b"protobuf")
    scene.see(json_info_3=master_info(3), json_info_1=master_info(1))
    scene.see(json_info_3=master_info(3))
    scene.see()
    assert scene.told == [None, None, "127.0.0.1:1", "127.0.0.1:3", None]
    waiting = f"no Mesos master leads at {URL}; waiting"
    leads = [f"the Mesos master at 127.0.0.1:{port} leads" for port in (1, 3)]
    assert said() == [waiting, *leads, waiting]


def test_a_leader_that_goes_while_it_is_looked_at(
    said: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    scene.detector._seen(["json.info_1"])
    assert scene.told == [None]
    scene.see(json_info_1=b"[]", json_info_2=b"\xff", json_info_3=master_info(3))
    assert scene.told == [None, "127.0.0.1:3"]
    scene.nodes.problem = ConnectionLoss()
    scene.detector._seen(["json.info_4"])
    assert scene.told == [None, "127.0.0.1:3"], "it may lead still"
    assert len(said()) == 5
    assert not any(record.exc_info for record in caplog.records)


def test_an_unreachable_zookeeper_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrmesos.mesos.detection.CONNECT_SECONDS", 0.3)
    driver = SchedulerDriver(Recorder(), FRAMEWORK, URL)
    with pytest.raises(MesosUnreachable, match=r"zk://127\.0\.0\.1:1/mesos"):
        driver.start()
    assert driver.join(10)


@pytest.fixture
def zk(tmp_path: Path) -> Iterator[ZooKeeper]:
    with zookeeper_process(tmp_path / "zk") as server:
        yield server


@pytest.mark.slow
def test_a_driver_follows_the_election(
    server: Server, running: Start, zk: ZooKeeper, said: Callable[[], list[str]]
) -> None:
    url = f"zk://{zk.address}/mesos"
    level = kazoo.client.log.level
    masters = KazooClient(hosts=zk.address)
    masters.start()
    try:
        masters.ensure_path("/mesos")
        heard = Recorder()
        driver = SchedulerDriver(heard, FRAMEWORK, url)
        running(driver)
        wait_for(lambda: said() == [f"no Mesos master leads at {url}; waiting"])
        node = masters.create("/mesos/json.info_", master_info(server.port), sequence=True)
        wait_for(lambda: heard.of("registered"))
        masters.delete(node)
        wait_for(lambda: heard.of("disconnected"))
        zk.kill()
        wait_for(lambda: "is away" in said()[-1])
        zk.restart()
        wait_for(lambda: "is back" in said()[-1])
        masters.retry(masters.create, node, master_info(server.port))
        wait_for(lambda: heard.of("reregistered"))
        driver.stop(failover=True)
        assert driver.join(10)
        assert len([line for line in said() if "leads" in line]) == 4
        assert kazoo.client.log.level == level, "of others' clients"
        elsewhere = SchedulerDriver(heard, FRAMEWORK, f"zk://{zk.address}/typo")
        with pytest.raises(MesosUnreachable, match="no such path"):
            elsewhere.start()
        assert elsewhere.join(10)
    finally:
        masters.stop()
        masters.close()


@pytest.mark.parametrize(
    "node",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"address": {"ip": "1.2.3.4"}}',
        b'{"address": {"ip": "1.2.3.4", "port": 0}}',
        b'{"address": {"ip": "1.2.3.4", "port": 1180591620717411303424}}',
        b'{"address": {"ip": "1.2.3.4\\n", "port": 5050}}',
        b'{"address": {"ip": "x/y", "port": 5050}}',
        b"[" * 100_000,
    ],
    ids=range(10),
)
def test_a_node_that_is_no_masters(node: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        read_master(node)


def test_a_masters_node() -> None:
    assert read_master(b'{"address": {"ip": "1.2.3.4", "port": 5050, "x": 1}}') == "1.2.3.4:5050"
