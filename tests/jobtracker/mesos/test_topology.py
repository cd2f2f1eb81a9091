"""Racks from Hadoop's table and script, and from what Mesos says about agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core.messages.events import Event, OffersReceived
from mrmesos.jobtracker.mesos.framework import FrameworkCallbacks
from mrmesos.jobtracker.mesos.topology import Topology
from tests.jobtracker.fakes import offer_json

RACK = {"name": "rack", "type": "TEXT", "text": {"value": "/r1"}}
ZONE = {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "b"}}}


def offer(hostname: str = "host1", ip: str = "10.0.0.1", **more: Any) -> dict[str, Any]:
    url = {"scheme": "http", "address": {"hostname": hostname, "ip": ip, "port": 5051}}
    return {"hostname": hostname, "url": url, **more}


def test_mesos_says_it_by_attribute_or_else_by_fault_domain() -> None:
    topology = Topology()
    assert topology.rack_of(offer()) == ""
    assert topology.rack_of(offer(domain=ZONE)) == "/eu/b"
    assert topology.rack_of(offer(domain=ZONE, attributes=[RACK])) == "/r1"


def test_the_table_knows_better_by_name_or_address(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("# all hosts\nhost1   /t1\n10.0.0.2\t/t2  # by address\nhost3 /default-rack\n")
    topology = Topology.of(Conf({"net.topology.table.file.name": str(table)}))
    assert topology.rack_of(offer(attributes=[RACK])) == "/t1"
    assert topology.rack_of(offer("host2", "10.0.0.2", attributes=[RACK])) == "/t2"
    assert topology.rack_of(offer("host3", "10.0.0.3", attributes=[RACK])) == ""
    assert topology.rack_of(offer("host4", "10.0.0.4", attributes=[RACK])) == "/r1"


def test_a_table_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("host1 /a\nhost2\n")
    with pytest.raises(ConfError, match="line 2"):
        Topology.of(Conf({"net.topology.table.file.name": str(table)}))
    with pytest.raises(ConfError, match="absent"):
        Topology.of(Conf({"net.topology.table.file.name": str(tmp_path / "absent")}))


def script(path: Path, text: str) -> Topology:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return Topology.of(Conf({"net.topology.script.file.name": str(path)}))


def test_the_script_is_asked_once_for_each_host(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    topology = script(tmp_path / "racks", f'for h; do echo "/of-$h"; echo "$h" >> {calls}; done\n')
    hosts = [f"host{i}" for i in range(250)]
    topology.learn(hosts)
    topology.learn(hosts)
    assert topology.rack_of(offer("host249")) == "/of-host249"
    assert calls.read_text().split() == hosts


def test_a_script_that_fails_leaves_what_mesos_says(tmp_path: Path) -> None:
    for text in ("exit 1\n", "echo /one\n"):
        topology = script(tmp_path / "racks", text)
        topology.learn(["host1", "host2"])
        assert topology.rack_of(offer(attributes=[RACK])) == "/r1"


def test_offers_come_with_their_racks(tmp_path: Path) -> None:
    events: list[Event] = []
    topology = script(tmp_path / "racks", "for h; do echo /of-$h; done\n")
    callbacks = FrameworkCallbacks(events.append, pytest.fail, topology)
    made = offer_json()
    callbacks.offers([made])
    (event,) = events
    assert isinstance(event, OffersReceived)
    assert event.offers[0].rack == f"/of-{made['hostname']}"
