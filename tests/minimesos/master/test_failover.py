"""Masters elected by a real ZooKeeper: standbys redirect, and one takes over all tasks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from mrmesos.minimesos.http.masters import Masters, Seat
from mrmesos.minimesos.http.server import AgentSpec
from mrmesos.minimesos.master import failover, partition, subscription
from mrmesos.minimesos.master.allocator import Allocator
from mrmesos.minimesos.master.election import parse_zk
from mrmesos.minimesos.master.master import Master
from tests.minimesos.cluster import Cluster, Json, Scheduler, command_task, get_json, wait_for
from tests.minimesos.fakes import FakeStream
from tests.minimesos.master.test_partition import Scene
from tests.zookeeper import zookeeper, zookeeper_process

INFO: Json = {
    "user": "root",
    "name": "test",
    "checkpoint": True,
    "failover_timeout": 60,
    "capabilities": [{"type": "PARTITION_AWARE"}],
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with zookeeper(tmp_path / "zk") as address:
        cluster = Cluster(
            tmp_path / "work",
            AgentSpec(resources="cpus:2;mem:512"),
            zk=f"zk://{address}/mesos",
            standbys=1,
        )
        yield cluster
        cluster.stop()


def seats(cluster: Cluster) -> list[str]:
    """The addresses of all masters with an open port."""
    return [seat.master.address.authority for seat in cluster.mesos.masters._seats]


def seat_of(cluster: Cluster, master: Master) -> Seat:
    return next(seat for seat in cluster.mesos.masters._seats if seat.master is master)


def client_of(seat: Seat) -> KazooClient:
    assert seat.contender is not None
    return seat.contender._client


def expire(seat: Seat) -> None:
    """End a master's session from another connection, with the session's id and password."""
    client = client_of(seat)
    other = KazooClient(
        hosts=client.hosts[0][0] + f":{client.hosts[0][1]}", client_id=client.client_id
    )
    other.start()
    other.stop()
    other.close()


@pytest.mark.slow
def test_a_standby_takes_over_with_all_that_runs(cluster: Cluster) -> None:
    leading, standby = seats(cluster)
    connection = http.client.HTTPConnection(standby, timeout=10)
    connection.request("GET", "/state?x=1")
    answer = connection.getresponse()
    assert answer.status == 307
    port = leading.rpartition(":")[2]
    assert answer.headers["Location"] == f"//localhost:{port}/state?x=1"
    connection.close()
    assert get_json(standby, "/version")["version"]

    info: Json = {"failover_timeout": 60, "capabilities": [{"type": "PARTITION_AWARE"}]}
    scheduler = Scheduler(leading, **info).start()
    offer = scheduler.offers()[0]
    scheduler.accept([offer], [command_task("t1", offer, "sleep 600", cpus=0.5)])
    scheduler.update("t1", "TASK_RUNNING")

    cluster.run(cluster.mesos.kill_master())
    wait_for(lambda: scheduler.closed)
    wait_for(lambda: cluster.mesos.master.address.authority == standby)
    again = Scheduler(standby, scheduler.id, **info)
    again.subscribe()
    again.wait("SUBSCRIBED")
    task = {"task_id": {"value": "t1"}, "agent_id": offer["agent_id"]}

    def known() -> str | None:
        again.call("RECONCILE", reconcile={"tasks": [task]})
        event = again.take("UPDATE", timeout=0.2)
        return event["update"]["status"]["state"] if event else None

    assert wait_for(known) == "TASK_RUNNING", "no other state comes before"
    cpus = {r["name"]: r for o in again.offers() for r in o["resources"]}["cpus"]
    assert cpus["scalar"]["value"] == 1.5
    again.call("KILL", kill=task)
    again.update("t1", "TASK_KILLED")
    again.call("TEARDOWN")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["session expires", "node is removed"])
def test_a_leader_that_is_none_any_more_starts_anew(cluster: Cluster, how: str) -> None:
    first, second = seats(cluster)
    mesos = cluster.mesos
    old = mesos.master
    scheduler = Scheduler(first, **INFO).start()
    offer = scheduler.offers()[0]
    scheduler.accept([offer], [command_task("t1", offer, "sleep 600", cpus=0.5)])
    scheduler.update("t1", "TASK_RUNNING")

    for leads, follows in ((second, first), (first, second)):
        seat = seat_of(cluster, mesos.master)
        was = seat.master
        (expire if how == "session expires" else remove_node)(seat)
        wait_for(lambda: mesos.master.address.authority == leads)  # noqa: B023  (at once)
        wait_for(lambda: seat.master is not was and seat.server is not None)  # noqa: B023
        wait_for(lambda: redirect(follows) == leads)  # noqa: B023
        assert not was.agents
        assert not seat.master.frameworks
        wait_for(lambda: "t1" in tasks(mesos.master))
    assert mesos.master.id != old.id
    wait_for(lambda: scheduler.closed)
    again = Scheduler(first, scheduler.id, **INFO)
    again.subscribe()
    again.wait("SUBSCRIBED")
    again.call("KILL", kill={"task_id": {"value": "t1"}})
    again.update("t1", "TASK_KILLED")
    again.call("TEARDOWN")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["session expires", "node is removed"])
def test_a_standby_that_is_no_candidate_any_more_stands_again(cluster: Cluster, how: str) -> None:
    mesos = cluster.mesos
    (standby,) = [seat for seat in mesos.masters._seats if seat.master is not mesos.master]
    was, contender = standby.master, standby.contender
    (expire if how == "session expires" else remove_node)(standby)
    wait_for(lambda: standby.contender is not contender and not standby.over.is_set())
    assert cluster.run(mesos.kill_master())
    wait_for(lambda: mesos.master is was)
    wait_for(lambda: len(was.agents) == 1)
    assert seats(cluster) == [was.address.authority]


@pytest.mark.slow
def test_masters_that_lose_their_zookeeper_lead_no_more(tmp_path: Path) -> None:
    with zookeeper_process(tmp_path / "zk") as server:
        spec = AgentSpec(resources="cpus:2;mem:512")
        zk = f"zk://{server.address}/mesos"
        cluster = Cluster(tmp_path / "work", spec, zk=zk, standbys=1, zk_session_timeout=1.0)
        mesos = cluster.mesos
        try:
            was = mesos.master
            agent_id = next(iter(was.agents))
            server.kill()
            wait_for(lambda: mesos.masters.server is None)
            assert not cluster.run(mesos.kill_master())
            server.restart()
            wait_for(lambda: mesos.masters.server is not None)
            assert mesos.master is not was
            wait_for(lambda: agent_id in mesos.master.agents)
        finally:
            cluster.stop()


def remove_node(seat: Seat) -> None:
    client = client_of(seat)
    for name in client.get_children("/mesos"):
        data, _ = client.get(f"/mesos/{name}")
        if json.loads(data)["id"] == seat.master.id:
            client.delete(f"/mesos/{name}")


def redirect(address: str) -> str:
    """The address that a master redirects to, or an empty string."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/state")
        location = connection.getresponse().headers.get("Location", "")
    except OSError:
        return ""
    finally:
        connection.close()
    return location.removeprefix("//").partition("/")[0].replace("localhost", "127.0.0.1")


def tasks(master: Master) -> set[str]:
    return {name for framework in list(master.frameworks.values()) for name in framework.tasks}


@pytest.mark.parametrize("how", ["restarting", "out of sight", "lost", "gone"])
def test_an_agent_that_is_away_when_another_master_takes_over(tmp_path: Path, how: str) -> None:
    cluster = Cluster(tmp_path, AgentSpec(resources="cpus:1;mem:128"))
    mesos = cluster.mesos
    scheduler = Scheduler(cluster.address, **INFO).start()
    offer = scheduler.offers()[0]
    agent_id = offer["agent_id"]["value"]
    scheduler.accept([offer], [command_task("t1", offer, "sleep 600")])
    scheduler.update("t1", "TASK_RUNNING")
    stream = FakeStream()

    async def take_over() -> Master:
        master = mesos._new_master()
        mesos._led_by(master)
        info = {"framework_info": {**INFO, "id": {"value": scheduler.id}}}
        assert subscription.subscribe(master, info, stream) is not None
        return master

    async def mark_gone(master: Master) -> None:
        assert partition.lost(master, agent_id, by_operator=True)

    try:
        away = how == "out of sight"
        cluster.run((mesos.cut_off if away else mesos.stop_agent)(agent_id))
        master = cluster.run(take_over())
        assert (agent_id in master.recovered, agent_id in master.unreachable) == (not away, away)
        if how in ("lost", "gone"):
            if how == "gone":
                cluster.run(mark_gone(master))
                cluster.run(mesos.start_agent(agent_id))
            else:
                cluster.run(mesos.lose_agent(agent_id))
            assert stream.last("FAILURE") == {"agent_id": {"value": agent_id}}
            wait_for(lambda: not mesos.containers._live)
            assert agent_id not in master.agents
            return
        cluster.run((mesos.restore if away else mesos.start_agent)(agent_id))
        wait_for(lambda: agent_id in master.agents)
        (task,) = master.frameworks[str(scheduler.id)].tasks.values()
        assert task.state == "TASK_RUNNING"
        told = [e["update"]["status"] for e in stream.events if e["type"] == "UPDATE"]
        reasons = ["REASON_AGENT_REREGISTERED"] if away else []
        assert [status["reason"] for status in told] == reasons
        cluster.run(mesos.lose_agent(agent_id))
        assert stream.last("UPDATE")["status"]["state"] == "TASK_LOST"
    finally:
        cluster.stop()


def test_an_agent_that_does_not_come_to_a_new_master_is_given_up() -> None:
    scene = Scene()
    partition.down(scene.master, "S0")
    master = Master(scene.clock, Allocator(1.0))
    failover.recover(master, scene.master)
    master.start()
    stream = FakeStream()
    assert subscription.subscribe(master, {"framework_info": INFO}, stream) is not None
    scene.clock.advance(599)
    assert "FAILURE" not in stream.kinds()
    scene.clock.advance(3)
    assert stream.last("FAILURE") == {"agent_id": {"value": "S0"}}
    assert master.unreachable["S0"].inherited


def test_several_masters_without_a_zookeeper_are_refused() -> None:
    with pytest.raises(ValueError, match="ZooKeeper"):
        Masters(lambda: Scene().master, 1, "", lambda _: None)


def test_names_of_zookeepers() -> None:
    assert parse_zk("zk://a:1,b:2/mesos/x") == ("a:1,b:2", "/mesos/x")
    for bad in ("a:1/mesos", "zk://a:1", "zk:///x", "zk://a:1/"):
        with pytest.raises(ValueError, match="zk://"):
            parse_zk(bad)
