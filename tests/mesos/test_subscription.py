"""The life of a `SchedulerDriver`'s subscription: refused, lost, redirected, silent, ended."""

from __future__ import annotations

import contextlib
import os
import resource
import socket

import pytest

from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.errors import MesosCallError
from mrmesos.mesos.event_loop import Backoff
from mrmesos.mesos.scheduler_driver import SchedulerDriver
from tests.mesos.recorder import (
    FRAMEWORK,
    Recorder,
    Start,
    accept,
    make,
    offers,
    subscribe_with,
    then,
)
from tests.mesos.scripted import Server, Stream, subscribed, wait_for

# Callbacks that raise.


def test_what_a_callback_raises_ends_nothing(server: Server, running: Start) -> None:
    heard = Recorder()

    def explode(offers: list[Json]) -> None:
        raise SystemExit("a callback that wants out")

    heard.on_offers = explode
    driver = make(server, heard)
    running(driver)
    server.stream().event(offers("o1"), offers("o2"))
    wait_for(lambda: len(heard.fatal) == 2)
    server.stream().event({"type": "RESCIND", "rescind": {"offer_id": {"value": "o2"}}})
    wait_for(lambda: heard.of("rescinded"))
    assert driver.connected
    assert not server.calls("TEARDOWN")
    assert [type(problem) for problem in heard.fatal] == [SystemExit, SystemExit]


def test_a_refused_call_inside_a_callback_is_the_callbacks(server: Server, running: Start) -> None:
    heard = Recorder()
    server.on_call = lambda request: (409, "no")
    driver = make(server, heard)
    heard.on_offers = lambda offers: driver.declineOffer(["o1"])
    running(driver)
    server.stream().event(offers("o1"))
    wait_for(lambda: heard.fatal)
    assert isinstance(heard.fatal[0], MesosCallError)
    assert driver.connected


def test_a_hook_that_raises_ends_nothing(server: Server, running: Start) -> None:
    heard = Recorder()
    heard.on_offers = lambda offers: 1 // 0

    def hook(problem: BaseException) -> None:
        heard.fatal.append(problem)
        raise ValueError("the hook, too")

    driver = make(server, heard, on_fatal=hook)
    running(driver)
    server.stream().event(
        offers("o1"), {"type": "RESCIND", "rescind": {"offer_id": {"value": "x"}}}
    )
    wait_for(lambda: heard.of("rescinded"))
    assert len(heard.fatal) == 1


@pytest.mark.parametrize(
    "event",
    [
        {"type": "OFFERS"},
        {"type": "NEWS", "news": {}},
        {"no": "type"},
        {"type": "UPDATE", "update": {}},
        [1, 2],
    ],
)
def test_odd_events_end_nothing(server: Server, running: Start, event: Json) -> None:
    heard = Recorder()
    running(make(server, heard))
    server.stream().event(event, offers("o1"))
    wait_for(lambda: heard.of("offers"))
    assert len(server.subscriptions) == 1


# The end.


def test_stop_sends_teardown_only_without_failover(server: Server) -> None:
    for failover, teardowns in ((True, 0), (False, 1)):
        heard = Recorder()
        driver = make(server, heard)
        driver.start()
        wait_for(lambda heard=heard: heard.of("registered"))  # type: ignore[misc]
        driver.stop(failover=failover)
        driver.stop(failover=not failover)  # the first stop has decided already
        assert driver.join(10)
        assert len(server.calls("TEARDOWN")) == teardowns
        assert not heard.of("disconnected")
        assert driver.declineOffer(["o1"]) is False


def test_abort_sends_no_teardown(server: Server) -> None:
    heard = Recorder()
    driver = make(server, heard)
    driver.start()
    wait_for(lambda: heard.of("registered"))
    driver.abort()
    assert driver.join(10)
    assert [request.type for request in server.requests] == ["SUBSCRIBE"]


def test_stop_does_not_wait_for_a_pause(server: Server) -> None:
    server.on_subscribe = lambda stream, number: stream.refuse(503)
    driver = make(server, Recorder(), backoff=Backoff(3600.0, 3600.0))
    driver.start()
    wait_for(lambda: driver._retry_at > 0)
    driver.stop()
    assert driver.join(10)


def test_error_event_stops_for_good(server: Server, running: Start) -> None:
    gone = {"type": "ERROR", "error": {"message": "Framework has been removed"}}
    server.on_subscribe = lambda stream, number: then(
        Stream.accept, lambda one: one.event(gone), Stream.end
    )(stream)
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    assert driver.join(10)
    assert heard.heard == [("error", "Framework has been removed")]
    assert len(server.requests) == 1


# SUBSCRIBE refused, lost, redirected.


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_final_refusal_is_an_error_once(server: Server, running: Start, status: int) -> None:
    server.on_subscribe = lambda stream, number: stream.refuse(status, "not you")
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    assert driver.join(10)
    assert heard.heard == [("error", f"SUBSCRIBE was refused: HTTP {status}: not you")]
    assert len(server.subscriptions) == 1


def test_passing_refusals_are_tried_again(server: Server, running: Start) -> None:
    server.on_subscribe = subscribe_with(
        lambda stream: stream.refuse(404, "not yet"),
        lambda stream: stream.refuse(503),
        lambda stream: stream.refuse(500, "oops"),
        Stream.reset,
        Stream.end,
        then(lambda stream: stream.raw(b"\x16\x03\x01"), Stream.end),
        then(lambda stream: stream.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")),
        then(Stream.accept, lambda stream: stream.raw(b"7\r\nnot-ten\r\n")),
        then(Stream.accept, lambda stream: stream.raw(b"d\r\n9999999999999\r\n")),
        then(Stream.accept, lambda stream: stream.raw(b"4\r\n2\n}{\r\n")),
    )
    heard = Recorder()
    running(make(server, heard))
    wait_for(lambda: heard.of("registered"))
    assert heard.heard == [("registered", "fw-1", "1.12.0-rc1")]
    assert len(server.subscriptions) == 11


def test_pauses_grow_while_a_subscription_never_lasts(server: Server, running: Start) -> None:
    server.on_subscribe = lambda stream, number: then(accept, Stream.reset)(stream)
    pauses: list[float] = []

    class Watched(Backoff):
        def next_pause(self) -> float:
            super().next_pause()
            pauses.append(min(self.longest, self.initial * 2 ** (self.failures - 1)))
            return 0.001

    running(make(server, Recorder(), backoff=Watched(0.25, 15.0)))
    wait_for(lambda: len(pauses) >= 8)
    assert pauses[:8] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_backoff_stays_in_bounds() -> None:
    backoff = Backoff(0.25, 15.0)
    pauses = [backoff.next_pause() for _ in range(2000)]
    assert all(0.15 <= pause <= 15.0 for pause in pauses)
    assert all(pause >= 9.0 for pause in pauses[6:])
    backoff.reset()
    assert backoff.next_pause() <= 0.25


def test_a_master_that_comes_late(running: Start) -> None:
    first = Server()
    heard = Recorder()
    driver = make(first, heard)
    first.close()
    running(driver)
    wait_for(lambda: driver._backoff_pauses.failures >= 2)
    assert driver.declineOffer(["o1"]) is False
    late = Server(first.port)
    try:
        wait_for(lambda: heard.of("registered"))
        assert heard.heard == [("registered", "fw-1", "1.12.0-rc1")]
    finally:
        driver.abort()
        assert driver.join(10)
        late.close()


def test_an_unknown_host_is_tried_again(running: Start) -> None:
    driver = SchedulerDriver(
        Recorder(), FRAMEWORK, "no-such-host.invalid:5050", backoff=Backoff(0.01, 0.02)
    )
    running(driver)
    wait_for(lambda: driver._backoff_pauses.failures >= 2)


def test_after_a_loss_it_subscribes_with_its_id(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    server.stream(0).reset()
    wait_for(lambda: heard.of("reregistered"))
    assert [entry[0] for entry in heard.heard] == ["registered", "disconnected", "reregistered"]
    second = server.subscriptions[1].body
    assert second["framework_id"] == {"value": "fw-1"}
    assert second["subscribe"]["framework_info"]["id"] == {"value": "fw-1"}
    assert driver.reviveOffers()


def test_redirect_to_the_leader_and_back_when_it_dies(server: Server, running: Start) -> None:
    leader = Server()
    server.on_subscribe = subscribe_with(
        lambda stream: stream.refuse(307, Location=f"//{leader.address}/api/v1/scheduler")
    )
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert len(leader.subscriptions) == 1
    assert leader.subscriptions[0].headers["host"] == leader.address
    assert driver.master == leader.address
    leader.close()
    wait_for(lambda: heard.of("reregistered"))
    assert driver.master == server.address


def test_redirects_in_a_circle_are_paced(server: Server, running: Start) -> None:
    other = Server()
    for here, there in ((server, other), (other, server)):
        here.on_subscribe = lambda stream, number, there=there: stream.refuse(  # type: ignore[misc]
            307, Location=f"//{there.address}/"
        )
    driver = make(server, Recorder(), backoff=Backoff(3600.0, 3600.0))
    running(driver)
    wait_for(lambda: driver._retry_at > 0)
    assert len(server.subscriptions) + len(other.subscriptions) == 6
    driver.abort()
    assert driver.join(10)
    other.close()


# Silence.


def test_a_silent_master_is_left(server: Server, running: Start) -> None:
    server.on_subscribe = subscribe_with(
        then(Stream.accept, lambda stream: stream.event(subscribed(interval=0.05)))
    )
    heard = Recorder()
    running(make(server, heard, missed_heartbeats=4))
    wait_for(lambda: heard.of("reregistered"))
    assert [entry[0] for entry in heard.heard] == ["registered", "disconnected", "reregistered"]


def test_a_master_that_never_answers_subscribe_is_left(server: Server, running: Start) -> None:
    server.on_subscribe = subscribe_with(lambda stream: None, Stream.accept)
    heard = Recorder()
    running(make(server, heard, subscribe_timeout=0.2))
    wait_for(lambda: heard.of("registered"))
    assert len(server.subscriptions) == 3
    assert not heard.of("disconnected")


def test_a_connection_that_does_not_come_about_is_tried_anew(running: Start) -> None:
    """The host is away or a firewall drops: here, the kernel drops what a full queue has no room
    for. How long SUBSCRIBED may take has nothing to do with it.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        port = full.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        driver = SchedulerDriver(
            Recorder(),
            FRAMEWORK,
            f"127.0.0.1:{port}",
            connect_timeout=0.1,
            subscribe_timeout=3600.0,
            backoff=Backoff(0.01, 0.02),
        )
        running(driver)
        wait_for(lambda: driver._backoff_pauses.failures >= 2)


# Odd processes.


def test_many_open_files_do_not_matter(server: Server, running: Start) -> None:
    """pymesos uses select(), which supports descriptors up to 1023 only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this account may not open 2048 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    filler = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        heard = Recorder()
        driver = make(server, heard)
        running(driver)
        wait_for(lambda: heard.of("registered"))
        assert driver.reviveOffers()
        driver.abort()
        assert driver.join(10)
    finally:
        for descriptor in filler:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_driver_can_be_started_again(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    with pytest.raises(RuntimeError):
        driver.start()
    driver.stop(failover=True)
    assert driver.join(10)
    driver.start()
    wait_for(lambda: heard.of("reregistered"))
    assert driver.reviveOffers()


def test_stop_from_a_callback(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard)
    joined: list[bool] = []

    def leave(offers: list[Json]) -> None:
        driver.stop()
        joined.append(driver.join(10))

    heard.on_offers = leave
    running(driver)
    server.stream().event(offers("o1"), offers("o2"))
    assert driver.join(10)
    assert joined == [False]  # a thread cannot wait for itself
    assert heard.of("offers") == [("offers", ["o1"])]
    assert len(server.calls("TEARDOWN")) == 1
