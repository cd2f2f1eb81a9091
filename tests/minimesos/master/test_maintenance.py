"""Maintenance schedules: unavailability of offers, and inverse offers (Mesos' own document)."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mrmesos.minimesos.http.server import AgentSpec
from mrmesos.minimesos.master import maintenance, partition, subscription
from mrmesos.minimesos.master.allocator import Allocator
from mrmesos.minimesos.master.maintenance import BadSchedule
from mrmesos.minimesos.master.master import Master
from mrmesos.minimesos.model.resources import Json, parse
from tests.minimesos.cluster import Cluster, Scheduler, get_json
from tests.minimesos.fakes import FakeAgent, FakeClock, FakeStream

AWAY: Json = {"start": {"nanoseconds": 2_000 * 10**9}, "duration": {"nanoseconds": 60 * 10**9}}


def window(*hosts: str, away: Json = AWAY) -> Json:
    machines = [{"hostname": host, "ip": "127.0.0.1"} for host in hosts]
    return {"machine_ids": machines, "unavailability": away}


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.master = Master(self.clock, Allocator(1.0, rng=random.Random(1)))
        self.master.start()
        for number in range(2):
            self.master.add_agent(
                f"S{number}",
                FakeAgent(),
                hostname=f"h{number}",
                ip="127.0.0.1",
                port=5051 + number,
                resources=parse("cpus:4;mem:1024"),
                attributes=[],
            )
        self.stream = FakeStream()
        info = {"user": "u", "name": "n", "failover_timeout": 60}
        framework = subscription.subscribe(self.master, {"framework_info": info}, self.stream)
        assert framework is not None
        self.framework = framework

    def post(self, *windows: Json) -> None:
        self.stream.events.clear()
        maintenance.post(self.master, {"windows": list(windows)})

    def answer(self, kind: str, offer_id: str, refuse: float) -> None:
        body = {
            "inverse_offer_ids": [{"value": offer_id}],
            "filters": {"refuse_seconds": refuse},
        }
        self.master.call(self.framework, kind, {kind.lower(): body})

    def asked(self) -> list[Json]:
        events = [e for e in self.stream.events if e["type"] == "INVERSE_OFFERS"]
        return [one for e in events for one in e["inverse_offers"]["inverse_offers"]]


def test_a_schedule_is_told_to_those_it_concerns() -> None:
    scene = Scene()
    scene.post(window("H0"))
    assert scene.stream.kinds() == ["RESCIND", "OFFERS", "INVERSE_OFFERS"]
    (offer,) = scene.stream.last("OFFERS")["offers"]
    assert (offer["agent_id"]["value"], offer["unavailability"]) == ("S0", AWAY)
    (asked,) = scene.asked()
    assert (asked["agent_id"]["value"], asked["unavailability"]) == ("S0", AWAY)
    assert asked["framework_id"]["value"] == scene.framework.id
    scene.clock.advance(10)
    assert len(scene.asked()) == 1, "there is no second inverse offer before the answer"


def test_answers_are_kept_for_the_operator_and_filter_further_asking() -> None:
    scene = Scene()
    scene.post(window("h0", "h1"))
    first, second = (one["id"]["value"] for one in scene.asked())
    scene.answer("ACCEPT_INVERSE_OFFERS", first, 100.0)
    scene.answer("DECLINE_INVERSE_OFFERS", second, 5.0)
    scene.answer("DECLINE_INVERSE_OFFERS", "of nobody", 5.0)
    statuses = {
        machine["id"]["hostname"]: [one["status"] for one in machine["statuses"]]
        for machine in maintenance.status_json(scene.master)["draining_machines"]
    }
    assert sorted(statuses.values()) == [["ACCEPT"], ["DECLINE"]]
    scene.clock.advance(4)
    assert len(scene.asked()) == 2
    scene.clock.advance(3)
    assert len(scene.asked()) == 3, "a declined inverse offer is sent again"


def test_another_schedule_voids_what_was_said_of_the_first() -> None:
    scene = Scene()
    scene.post(window("h0"))
    later = {**AWAY, "start": {"nanoseconds": 3_000 * 10**9}}
    scene.post(window("h0", away=later))
    assert "RESCIND_INVERSE_OFFER" in scene.stream.kinds()
    assert scene.asked()[-1]["unavailability"] == later
    scene.answer("ACCEPT_INVERSE_OFFERS", scene.asked()[-1]["id"]["value"], 3600.0)
    scene.post()
    assert scene.stream.kinds() == ["RESCIND", "OFFERS"]
    assert "unavailability" not in scene.stream.last("OFFERS")["offers"][0]
    assert maintenance.status_json(scene.master) == {"draining_machines": []}


def test_an_agent_or_framework_that_is_away_is_asked_nothing() -> None:
    scene = Scene()
    scene.post(window("h0"))
    partition.lost(scene.master, "S0")
    assert "RESCIND_INVERSE_OFFER" in scene.stream.kinds()
    scene.post(window("h1"))
    subscription.disconnected(scene.master, scene.framework.id, scene.stream)
    assert not scene.master.maintenance.outstanding
    scene.clock.advance(3)
    assert len(scene.asked()) == 1


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ([{"machine_ids": [], "unavailability": AWAY}], "is empty"),
        ([window("h0"), window("H0")], "more than once"),
        (
            [window("h0", away={"start": {"nanoseconds": 1}, "duration": {"nanoseconds": -1}})],
            "neg",
        ),
        ([{"machine_ids": [{}], "unavailability": AWAY}], "are empty"),
        ([{"machine_ids": [{"ip": "x"}], "unavailability": AWAY}], "Failed to parse IP"),
        ([{"machine_ids": [{"hostname": "h"}]}], "unavailability"),
        ("x", "Expected"),
    ],
)
def test_schedules_that_are_refused(windows: Any, words: str) -> None:
    scene = Scene()
    with pytest.raises(BadSchedule, match=words):
        maintenance.post(scene.master, {"windows": windows})
    assert maintenance.schedule_json(scene.master) == {"windows": []}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, AgentSpec("host-0"))
    yield cluster
    cluster.stop()


def post(address: str, body: str, content_type: str = "application/json") -> int:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("POST", "/maintenance/schedule", body, {"Content-Type": content_type})
        return connection.getresponse().status
    finally:
        connection.close()


def test_over_http(cluster: Cluster) -> None:
    scheduler = Scheduler(cluster.address).start()
    assert scheduler.offers()
    body = {"windows": [window("host-0")]}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert post(cluster.address, json.dumps(body), kind) == 415
    assert post(cluster.address, json.dumps(body)) == 200
    assert get_json(cluster.address, "/master/maintenance/schedule") == body
    inverse = scheduler.wait("INVERSE_OFFERS")["inverse_offers"][0]
    answer = {"inverse_offer_ids": [inverse["id"]]}
    assert scheduler.call("ACCEPT_INVERSE_OFFERS", accept_inverse_offers=answer)[0] == 202
    status = get_json(cluster.address, "/maintenance/status")["draining_machines"][0]
    assert status["id"] == {"hostname": "host-0", "ip": "127.0.0.1"}
    assert [one["status"] for one in status["statuses"]] == ["ACCEPT"]
    assert post(cluster.address, "nonsense") == 400
    assert post(cluster.address, '{"windows": [{}]}') == 400
    scheduler.drop()
