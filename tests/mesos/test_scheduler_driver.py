"""`SchedulerDriver` against a scripted master: events, calls and arguments."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable

import pytest

from mrmesos.mesos.addresses import parse_master
from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.errors import MesosCallError, MesosUnreachable
from mrmesos.mesos.event_loop import Backoff
from tests.mesos.recorder import FRAMEWORK, Recorder, Start, make, offers
from tests.mesos.scripted import Request, Server, wait_for


def test_a_conversation(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard, principal="me", secret="word", suppressed_roles=["mr"])
    assert not driver.connected
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert heard.heard[0] == ("registered", "fw-1", "1.12.0-rc1")
    first = server.subscriptions[0]
    assert first.path == "/api/v1/scheduler"
    assert first.body == {
        "type": "SUBSCRIBE",
        "subscribe": {"framework_info": FRAMEWORK, "suppressed_roles": ["mr"]},
    }
    assert first.headers["authorization"] == "Basic " + base64.b64encode(b"me:word").decode()
    stream = server.stream()
    update: Json = {
        "task_id": {"value": "t1"},
        "agent_id": {"value": "a1"},
        "state": "TASK_RUNNING",
        "uuid": "dXVpZA==",
    }
    stream.event(
        {"type": "HEARTBEAT"},
        offers("o1", "o2"),
        {"type": "RESCIND", "rescind": {"offer_id": {"value": "o2"}}},
        {"type": "UPDATE", "update": {"status": update}},
        {
            "type": "MESSAGE",
            "message": {
                "executor_id": {"value": "e1"},
                "agent_id": {"value": "a1"},
                "data": base64.b64encode(b"\0hi").decode(),
            },
        },
        {"type": "FAILURE", "failure": {"agent_id": {"value": "a1"}}},
    )
    wait_for(lambda: heard.of("agent_lost"))
    assert heard.heard[1:] == [
        ("heartbeat",),
        ("offers", ["o1", "o2"]),
        ("rescinded", "o2"),
        ("status", "t1", "TASK_RUNNING"),
        ("message", "e1", "a1", b"\0hi"),
        ("agent_lost", "a1"),
    ]
    assert driver.acceptOffers(["o1"], [{"type": "LAUNCH"}], {"refuse_seconds": 1.0})
    assert driver.launchTasks(["o1"], [{"task_id": {"value": "t1"}}])
    assert driver.declineOffer(["o2"], {"refuse_seconds": 5.0})
    assert driver.acknowledgeStatusUpdate(update)
    assert not driver.acknowledgeStatusUpdate({"task_id": {"value": "t1"}})
    assert driver.sendFrameworkMessage("e1", "a1", b"\xff")
    assert driver.shutdownExecutor("e1", "a1")
    bodies = [request.body for request in server.requests[1:]]
    fw = {"framework_id": {"value": "fw-1"}}
    assert bodies == [
        {
            "type": "ACCEPT",
            **fw,
            "accept": {
                "offer_ids": [{"value": "o1"}],
                "operations": [{"type": "LAUNCH"}],
                "filters": {"refuse_seconds": 1.0},
            },
        },
        {
            "type": "ACCEPT",
            **fw,
            "accept": {
                "offer_ids": [{"value": "o1"}],
                "operations": [
                    {"type": "LAUNCH", "launch": {"task_infos": [{"task_id": {"value": "t1"}}]}}
                ],
            },
        },
        {
            "type": "DECLINE",
            **fw,
            "decline": {"offer_ids": [{"value": "o2"}], "filters": {"refuse_seconds": 5.0}},
        },
        {
            "type": "ACKNOWLEDGE",
            **fw,
            "acknowledge": {
                "agent_id": {"value": "a1"},
                "task_id": {"value": "t1"},
                "uuid": "dXVpZA==",
            },
        },
        {
            "type": "MESSAGE",
            **fw,
            "message": {
                "agent_id": {"value": "a1"},
                "executor_id": {"value": "e1"},
                "data": "/w==",
            },
        },
        {
            "type": "SHUTDOWN",
            **fw,
            "shutdown": {"executor_id": {"value": "e1"}, "agent_id": {"value": "a1"}},
        },
    ]
    assert {request.headers["mesos-stream-id"] for request in server.requests[1:]} == {"stream-1"}
    assert not heard.fatal


# Calls.


def test_a_refused_call_is_its_callers(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    server.on_call = lambda request: (400, "Expecting 'kill' to be present")
    with pytest.raises(MesosCallError) as refused:
        driver.killTask("t1")
    assert (refused.value.status, refused.value.body) == (400, "Expecting 'kill' to be present")
    server.on_call = lambda request: (202, "")
    assert driver.killTask("t1", "a1")
    assert driver.killTask("t2")
    assert [body["kill"] for body in server.calls("KILL")[1:]] == [
        {"task_id": {"value": "t1"}, "agent_id": {"value": "a1"}},
        {"task_id": {"value": "t2"}},
    ]


def test_reconcile_keeps_agent_ids(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert driver.reconcileTasks({"t1": "a1", "t2": None})
    assert driver.reconcileTasks({})
    assert [body["reconcile"] for body in server.calls("RECONCILE")] == [
        {
            "tasks": [
                {"task_id": {"value": "t1"}, "agent_id": {"value": "a1"}},
                {"task_id": {"value": "t2"}},
            ]
        },
        {"tasks": []},
    ]


def test_revive_and_suppress_name_roles(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert driver.reviveOffers()
    assert driver.reviveOffers(["mr"])
    assert driver.suppressOffers(["mr"])
    assert "revive" not in server.calls("REVIVE")[0]
    assert server.calls("REVIVE")[1]["revive"] == {"roles": ["mr"]}
    assert server.calls("SUPPRESS")[0]["suppress"] == {"roles": ["mr"]}


def test_inverse_offers_come_and_are_answered(server: Server, running: Start) -> None:
    """The JSON follows scheduler.proto: InverseOffers, RescindInverseOffer and the calls."""
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    asked = {
        "id": {"value": "i1"},
        "framework_id": {"value": "fw-1"},
        "agent_id": {"value": "a1"},
        "unavailability": {"start": {"nanoseconds": 1}, "duration": {"nanoseconds": 2}},
    }
    server.stream().event(
        {"type": "INVERSE_OFFERS", "inverse_offers": {"inverse_offers": [asked]}},
        {
            "type": "RESCIND_INVERSE_OFFER",
            "rescind_inverse_offer": {"inverse_offer_id": {"value": "i0"}},
        },
    )
    wait_for(lambda: heard.of("inverse_offer_rescinded"))
    assert heard.heard[1:] == [("inverse_offers", ["i1"]), ("inverse_offer_rescinded", "i0")]
    assert driver.acceptInverseOffers(["i1"], {"refuse_seconds": 60.0})
    assert driver.declineInverseOffers(["i2"])
    ids = {"framework_id": {"value": "fw-1"}}
    assert [request.body for request in server.requests[1:]] == [
        {
            "type": "ACCEPT_INVERSE_OFFERS",
            **ids,
            "accept_inverse_offers": {
                "inverse_offer_ids": [{"value": "i1"}],
                "filters": {"refuse_seconds": 60.0},
            },
        },
        {
            "type": "DECLINE_INVERSE_OFFERS",
            **ids,
            "decline_inverse_offers": {"inverse_offer_ids": [{"value": "i2"}]},
        },
    ]
    assert not heard.fatal


def test_without_a_subscription_every_call_says_that_it_was_not_made(
    server: Server, running: Start
) -> None:
    """A call without a subscription is dropped, and the caller learns it at once."""
    heard = Recorder()
    driver = make(server, heard, backoff=Backoff(60.0, 60.0))
    running(driver)
    wait_for(lambda: heard.of("registered"))
    server.stream().reset()
    wait_for(lambda: heard.of("disconnected"))
    status = {"task_id": {"value": "t"}, "agent_id": {"value": "a"}, "uuid": "dQ=="}
    calls: list[Callable[[], bool]] = [
        lambda: driver.acceptOffers(["o"], [{"type": "LAUNCH"}]),
        lambda: driver.declineOffer(["o"]),
        lambda: driver.acceptInverseOffers(["i"]),
        lambda: driver.declineInverseOffers(["i"]),
        lambda: driver.reviveOffers(),
        lambda: driver.suppressOffers(["mr"]),
        lambda: driver.killTask("t", "a"),
        lambda: driver.shutdownExecutor("e", "a"),
        lambda: driver.acknowledgeStatusUpdate(status),
        lambda: driver.reconcileTasks({"t": "a"}),
        lambda: driver.sendFrameworkMessage("e", "a", b"x"),
        lambda: driver.updateFramework(FRAMEWORK),
    ]
    assert [call() for call in calls] == [False] * len(calls)
    assert len(server.requests) == 1, "the subscription"
    assert not heard.fatal


def test_update_framework_is_what_is_said_from_then_on(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert driver.updateFramework({**FRAMEWORK, "roles": ["a", "b"]}, ["b"])
    info = {**FRAMEWORK, "roles": ["a", "b"], "id": {"value": "fw-1"}}
    sent = server.calls("UPDATE_FRAMEWORK")[0]["update_framework"]
    assert sent == {"framework_info": info, "suppressed_roles": ["b"]}
    server.stream().reset()
    wait_for(lambda: heard.of("reregistered"))
    assert server.subscriptions[1].body["subscribe"] == sent


def test_an_executor_lost_without_a_status(server: Server, running: Start) -> None:
    heard = Recorder()
    running(make(server, heard))
    ids = {"agent_id": {"value": "a1"}, "executor_id": {"value": "e1"}}
    server.stream().event(
        {"type": "FAILURE", "failure": ids},
        {"type": "FAILURE", "failure": {**ids, "status": 1792}},
    )
    wait_for(lambda: len(heard.of("executor_lost")) == 2)
    assert heard.heard[1:] == [
        ("executor_lost", "a1", "e1", None),
        ("executor_lost", "a1", "e1", 1792),
    ]
    assert not heard.fatal


def test_drivers_of_one_process_share_no_headers(server: Server, running: Start) -> None:
    other, heard, plain = Server(), Recorder(), Recorder()
    secret = make(server, heard, principal="me", secret="word")
    open_ = make(other, plain)
    running(secret)
    running(open_)
    wait_for(lambda: heard.of("registered") and plain.of("registered"))
    assert secret.reviveOffers()
    assert open_.reviveOffers()
    assert all("authorization" in request.headers for request in server.requests)
    assert all("authorization" not in request.headers for request in other.requests)
    open_.abort()
    assert open_.join(10)
    other.close()


def test_the_framework_is_sent_as_given(server: Server, running: Start) -> None:
    with pytest.raises(ValueError, match="failover_timeout"):
        make(server, Recorder(), {"user": "u", "name": "n"})
    given: Json = {**FRAMEWORK, "capabilities": [{"type": "MULTI_ROLE"}], "failover_timeout": 0.0}
    heard = Recorder()
    running(make(server, heard, given))
    wait_for(lambda: heard.of("registered"))
    assert server.subscriptions[0].body["subscribe"] == {"framework_info": given}
    assert "id" not in given


def test_implicit_acknowledgements(server: Server, running: Start) -> None:
    heard = Recorder()
    running(make(server, heard, implicit_acknowledgements=True))
    status = {
        "task_id": {"value": "t"},
        "agent_id": {"value": "a"},
        "state": "TASK_LOST",
        "uuid": "dQ==",
    }
    server.stream().event({"type": "UPDATE", "update": {"status": status}})
    wait_for(lambda: server.calls("ACKNOWLEDGE"))


def test_calls_from_many_threads(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    sent: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda n=n: sent.extend(driver.killTask(f"t{n}-{i}") for i in range(25))
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sent == [True] * 200
    assert len({body["kill"]["task_id"]["value"] for body in server.calls("KILL")}) == 200


def test_a_kept_connection_that_the_master_closed_is_replaced(
    server: Server, running: Start
) -> None:
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert driver.reviveOffers()
    kept = driver._calls._conn
    assert kept is not None
    for sock in [one for one in server._socks if one.getpeername() == kept.sock.getsockname()]:
        sock.shutdown(2)
    assert driver.reviveOffers()
    assert len(server.calls("REVIVE")) == 2


def test_a_large_event_in_small_pieces(server: Server, running: Start) -> None:
    heard = Recorder()
    running(make(server, heard))
    many = [f"offer-{n}" for n in range(20_000)]
    server.stream().event(offers(*many), offers("last"))
    wait_for(lambda: len(heard.of("offers")) == 2)
    assert heard.of("offers")[0][1] == many


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("10.0.0.1", "10.0.0.1:5050"),
        ("host:5051", "host:5051"),
        ("http://host:5050/", "host:5050"),
        ("HTTP://host", "host:5050"),
        ("zk://h1:2181,h2:2181/mesos", "zk://h1:2181,h2:2181/mesos"),
    ],
)
def test_names_of_masters(given: str, used: str) -> None:
    assert parse_master(given) == used


@pytest.mark.parametrize(
    "given",
    [
        "https://host:5050",
        "zk://h1:2181",
        "zk://u:p@h1:2181/mesos",
        "",
        "host:port",
        "host:0",
        "[::1]:5050",
        "file:///x",
    ],
)
def test_names_that_are_none(given: str) -> None:
    with pytest.raises(ValueError):
        parse_master(given)


# A frozen master.


def test_a_frozen_master_blocks_only_its_caller(server: Server, running: Start) -> None:
    heard = Recorder()
    arrived = threading.Event()

    def freeze(request: Request) -> tuple[int, str] | None:
        arrived.set()
        server.thaw.wait(30)
        return None

    server.on_call = freeze
    driver = make(server, heard, call_timeout=30.0)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    outcome: list[BaseException] = []

    def call() -> None:
        try:
            driver.declineOffer(["o1"])
        except MesosUnreachable as problem:
            outcome.append(problem)

    caller = threading.Thread(target=call)
    caller.start()
    assert arrived.wait(10)
    server.stream().event(offers("o1"))
    wait_for(lambda: heard.of("offers"))  # events go on
    assert driver.connected  # nobody holds the lock
    server.stream().reset()  # the loss of the subscription ends the waiting call
    caller.join(10)
    assert not caller.is_alive()
    assert len(outcome) == 1


def test_a_call_has_a_deadline(server: Server, running: Start) -> None:
    heard = Recorder()

    def freeze(request: Request) -> None:
        server.thaw.wait(30)

    server.on_call = freeze
    driver = make(server, heard, call_timeout=0.2)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    with pytest.raises(MesosUnreachable):
        driver.killTask("t1")
    assert driver.connected
