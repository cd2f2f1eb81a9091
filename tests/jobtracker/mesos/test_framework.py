"""Mesos' messages become events, commands become driver calls, and some calls fail."""

from __future__ import annotations

import base64
import logging
import math
import os
import pwd
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core.messages.commands import (
    AcceptInverseOffers,
    AcceptOffers,
    Acknowledge,
    DeclineInverseOffers,
    DeclineOffers,
    KillSlot,
    Reconcile,
    Revive,
    ShutdownTracker,
    SlotLaunch,
    Suppress,
)
from mrmesos.jobtracker.core.messages.events import (
    AgentLost,
    Disconnected,
    EndCause,
    Event,
    InverseOffer,
    InverseOfferRescinded,
    InverseOffersReceived,
    OfferRescinded,
    OffersReceived,
    Registered,
    SlotStatus,
    SlotUpdated,
    TrackerLost,
    Unavailability,
)
from mrmesos.jobtracker.mesos.calls_out import DriverCalls, DriverCommand
from mrmesos.jobtracker.mesos.framework import (
    FrameworkCallbacks,
    framework_info,
    parse_inverse_offer,
    parse_offer,
)
from mrmesos.jobtracker.mesos.link import make_mesos_driver
from mrmesos.jobtracker.mesos.slot_updates import DISCONNECTED, parse_status, slot_updated
from mrmesos.jobtracker.mesos.task_info import TrackerCommand, task_info
from mrmesos.mesos.errors import MesosCallError, MesosUnreachable
from mrmesos.mesos.scheduler_driver import SchedulerDriver
from mrmesos.wire.ids import AgentId, SlotId, TrackerId
from mrmesos.wire.task import Attempt, MapTask
from tests.jobtracker.fakes import FakeDriver, offer_json, wait_until

COMMAND = TrackerCommand("exec true", {})
LAUNCH = SlotLaunch(
    SlotId("slot_1"),
    TrackerId("tracker_1"),
    AgentId("agent-S0"),
    (),
    (),
    Attempt(
        attempt_id="attempt_202611201130_0001_m_000000_0",
        job_id="job_202611201130_0001",
        slot_id="slot_1",
        task=MapTask(Split((FileSlice("file:///x", 0, 1),), 1)),
    ),
)
ACCEPT = AcceptOffers(("o1", "o2"), (LAUNCH,), 5.0)


class Calls:
    """DriverCalls over a fake driver."""

    def __init__(self) -> None:
        self.driver = FakeDriver()
        self.events: queue.Queue[Event] = queue.Queue()
        self.calls = DriverCalls(self.driver, COMMAND, self.events.put)
        self.calls.start()


@pytest.fixture
def desk() -> Iterator[Calls]:
    desk = Calls()
    yield desk
    desk.driver.thaw.set()
    assert desk.calls.stop(10)


def test_every_callback_becomes_its_event() -> None:
    events: list[Event] = []
    failures: list[str] = []
    callbacks = FrameworkCallbacks(events.append, failures.append)
    callbacks.registered("f", {"hostname": "m", "port": 1})
    callbacks.reregistered("f", {})
    callbacks.offers([offer_json(1)])
    callbacks.rescinded("o")
    callbacks.inverse_offers([{"id": {"value": "i"}, "agent_id": {"value": "a"}}])
    callbacks.inverse_offer_rescinded("i")
    callbacks.status_update({"task_id": {"value": "s"}, "state": "TASK_RUNNING"})
    callbacks.executor_lost("a", "t", 256)
    callbacks.agent_lost("a")
    callbacks.framework_message("t", "a", b"x")
    callbacks.disconnected()
    callbacks.error("Framework has been removed")
    assert events == [
        Registered("f"),
        Registered("f"),
        OffersReceived((parse_offer(offer_json(1), "r1"),)),
        OfferRescinded("o"),
        InverseOffersReceived((InverseOffer("i", "a", None),)),
        InverseOfferRescinded("i"),
        slot_updated("s", "", "TASK_RUNNING"),
        TrackerLost("t", "a", 256),
        AgentLost("a"),
        Disconnected(),
    ]
    assert failures == ["Mesos ended this framework: Framework has been removed"]


def test_an_offer_is_taken_over_as_it_stands() -> None:
    source = offer_json(7)
    source["executor_ids"] = [{"value": "tracker_1"}]
    source["attributes"] += [
        {"name": "level", "type": "SCALAR", "scalar": {"value": 3.0}},
        {"name": "ids", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}]}},
        {"name": "tags", "type": "SET", "set": {"item": ["a", "b"]}},
    ]
    offer = parse_offer(source)
    assert offer.offer_id == "offer-7"
    assert offer.resources == tuple(source["resources"])
    assert offer.attributes == {"rack": "r1", "level": "3", "ids": "[1-2]", "tags": "{a,b}"}
    assert offer.executor_ids == ("tracker_1",)
    assert (offer.agent_id, offer.hostname, offer.address) == (
        "agent-S0",
        "host-0.example",
        "127.0.0.1",
    )


def test_a_status_with_and_without_what_mesos_may_leave_out() -> None:
    full = {
        "task_id": {"value": "s"},
        "agent_id": {"value": "a"},
        "state": "TASK_LOST",
        "reason": "REASON_INVALID_OFFERS",
        "message": "m",
        "source": "SOURCE_MASTER",
        "uuid": "dQ==",
    }
    words = "TASK_LOST: REASON_INVALID_OFFERS: m"
    assert parse_status(full) == SlotUpdated(
        "s", "a", SlotStatus.ENDED, EndCause.VOID, words, explained=True, uuid="dQ=="
    )


def test_framework_info() -> None:
    info = framework_info(Conf({"mesos.role": "mr", "mesos.principal": "p"}), "http://h:1")
    assert info["user"] == pwd.getpwuid(os.geteuid()).pw_name
    assert (info["roles"], info["principal"], info["webui_url"]) == (["mr"], "p", "http://h:1")
    assert info["failover_timeout"] == 10.0
    assert "role" not in info, "a MULTI_ROLE framework must not set it"
    capabilities = [one["type"] for one in info["capabilities"]]
    assert capabilities == ["MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE"]
    plain = framework_info(Conf(), "")
    assert "principal" not in plain
    assert plain["roles"] == ["*"]
    assert plain["name"] == "mrmesos"
    assert framework_info(Conf({"mesos.framework.name": "etl"}), "")["name"] == "etl"
    assert plain["checkpoint"] is False
    assert framework_info(Conf({"mesos.checkpoint": "true"}), "")["checkpoint"] is True


def test_gpus_are_asked_for_only_where_wanted() -> None:
    info = framework_info(Conf({"mesos.gpus.max": "2", "mesos.role": "a, b/c,a"}), "")
    assert {"type": "GPU_RESOURCES"} in info["capabilities"]
    assert info["roles"] == ["a", "b/c"]


@pytest.mark.parametrize("role", ["", " , ", "a b", "-a", "a/../b", "a//b", "a/*", "..", "a/"])
def test_names_that_are_no_roles(role: str) -> None:
    with pytest.raises(ConfError, match="role"):
        framework_info(Conf({"mesos.role": role}), "")


def test_an_offer_says_its_role_and_when_its_agent_goes_away() -> None:
    source = offer_json(1)
    source["allocation_info"] = {"role": "etl"}
    start, long = 1_795_178_434_930_967_040, 3_600_000_000_000
    source["unavailability"] = {
        "start": {"nanoseconds": start},
        "duration": {"nanoseconds": long},
    }
    offer = parse_offer(source)
    assert offer.role == "etl"
    assert offer.unavailability == Unavailability(start / 1e9, start / 1e9 + 3600)
    del source["unavailability"]["duration"]
    forever = parse_offer(source).unavailability
    assert forever == Unavailability(start / 1e9, math.inf)
    assert parse_offer(offer_json(1)).unavailability is None
    inverse = {"id": {"value": "i"}, "unavailability": source["unavailability"]}
    assert parse_inverse_offer(inverse) == InverseOffer("i", "", forever)


def test_commands_become_calls_in_order(desk: Calls) -> None:
    for command in (
        ACCEPT,
        DeclineOffers(("o3",), 300.0),
        Acknowledge(SlotId("s"), AgentId("a"), "dQ=="),
        KillSlot(SlotId("s"), AgentId("a")),
        ShutdownTracker(TrackerId("t"), AgentId("a")),
        Reconcile((("s", "a"), ("s2", ""))),
        Reconcile(()),
        Suppress(),
        Revive(),
        Suppress(("etl",)),
        AcceptInverseOffers(("i1",), 60.0),
        DeclineInverseOffers(("i2",), 5.0),
    ):
        desk.calls.submit(command)
    wait_until(lambda: len(desk.driver.calls) == 12)
    operations = [{"type": "LAUNCH", "launch": {"task_infos": [task_info(LAUNCH, COMMAND)]}}]
    status = {"task_id": {"value": "s"}, "agent_id": {"value": "a"}, "uuid": "dQ=="}
    assert desk.driver.calls == [
        ("accept", (["o1", "o2"], operations, {"refuse_seconds": 5.0})),
        ("decline", (["o3"], {"refuse_seconds": 300.0})),
        ("acknowledge", (status,)),
        ("kill", ("s", "a")),
        ("shutdown", ("t", "a")),
        ("reconcile", ({"s": "a", "s2": None},)),
        ("reconcile", ({},)),
        ("suppress", ()),
        ("revive", ()),
        ("suppress", ("etl",)),
        ("accept inverse", (["i1"], {"refuse_seconds": 60.0})),
        ("decline inverse", (["i2"], {"refuse_seconds": 5.0})),
    ]
    assert desk.events.empty()


def test_calls_that_may_be_repeated_are(desk: Calls) -> None:
    desk.driver.answers["revive"] = [MesosUnreachable("1"), MesosUnreachable("2"), True]
    desk.calls.submit(Revive())
    desk.calls.submit(Suppress())
    wait_until(lambda: desk.driver.named("suppress") == [()])
    assert len(desk.driver.named("revive")) == 3


def test_a_refused_call_does_not_stop_those_after_it(desk: Calls) -> None:
    desk.driver.answers["kill"] = [MesosCallError(403, "no")]
    desk.calls.submit(KillSlot(SlotId("s"), AgentId("a")))
    desk.calls.submit(Revive())
    wait_until(lambda: desk.driver.named("revive") == [()])
    assert len(desk.driver.named("kill")) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (False, "REASON_MASTER_DISCONNECTED"),
        (MesosCallError(400, "bad"), "REASON_INVALID_OFFERS"),
    ],
)
def test_a_launch_that_was_not_made_is_lost(
    desk: Calls, answer: bool | MesosCallError, reason: str
) -> None:
    desk.driver.answers["accept"] = [answer]
    desk.calls.submit(ACCEPT)
    lost = desk.events.get(timeout=10)
    assert isinstance(lost, SlotUpdated)
    assert (lost.slot_id, lost.agent_id, lost.status) == ("slot_1", "agent-S0", SlotStatus.ENDED)
    assert (lost.cause, lost.uuid) == (EndCause.VOID, "")
    assert lost.words.startswith(f"TASK_DROPPED: {reason}")
    assert lost.from_master == (reason != DISCONNECTED)


def test_a_launch_without_an_answer_is_never_repeated_but_asked_about(desk: Calls) -> None:
    desk.driver.answers["accept"] = [MesosUnreachable("no answer")]
    desk.driver.answers["reconcile"] = [MesosUnreachable("still none"), True]
    desk.calls.submit(ACCEPT)
    wait_until(lambda: len(desk.driver.named("reconcile")) == 2)
    assert desk.driver.named("reconcile")[1] == ({"slot_1": "agent-S0"},)
    assert len(desk.driver.named("accept")) == 1
    assert desk.events.empty()


CALLS: tuple[tuple[str, DriverCommand], ...] = (
    ("accept", ACCEPT),
    ("decline", DeclineOffers(("o1",), 5.0)),
    ("accept inverse", AcceptInverseOffers(("o1",), 5.0)),
    ("decline inverse", DeclineInverseOffers(("o1",), 5.0)),
    ("acknowledge", Acknowledge(SlotId("slot_1"), AgentId("agent-S0"), "dXVpZA==")),
    ("kill", KillSlot(SlotId("slot_1"), AgentId("agent-S0"))),
    ("shutdown", ShutdownTracker(TrackerId("tracker_1"), AgentId("agent-S0"))),
    ("reconcile", Reconcile(())),
    ("revive", Revive()),
    ("suppress", Suppress()),
)


@pytest.mark.parametrize(("name", "command"), CALLS)
def test_stopping_gives_up_what_gets_no_answer_and_calls_it_no_error(
    name: str, command: DriverCommand, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Calls()
    desk.driver.answers[name] = [MesosUnreachable("frozen")] * 1000
    desk.driver.answers["reconcile"] = [MesosUnreachable("frozen")] * 1000
    desk.calls.submit(command)
    wait_until(lambda: len(desk.driver.named(name)) >= 1)
    assert desk.calls.stop(10)
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
    assert [one.getMessage() for one in caplog.records if one.exc_info] == []


def test_the_principals_secret_is_read_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("word\n")
    secret.chmod(0o600)
    conf = Conf({"mesos.principal": "me", "mesos.secret.file": str(secret)})
    callbacks = FrameworkCallbacks(lambda _: None, lambda _: None)
    driver = make_mesos_driver(callbacks, framework_info(conf, ""), conf, "127.0.0.1:1")
    assert isinstance(driver, SchedulerDriver)
    shown = base64.b64encode(b"me:word").decode()
    assert f"Authorization: Basic {shown}\r\n" in driver.gen_request().decode()
    assert driver.framework["principal"] == "me"
