"""The HTTP server: wrong requests, contradictory requests, and many at the same time."""

from __future__ import annotations

import http.client
import json
import re
import socket

import pytest

from tests.minimesos.cluster import Json, Scheduler, amounts, command_task, get_json, wait_for
from tests.minimesos.conftest import MakeCluster


def test_state_counts_what_is_used_and_offered(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    scheduler = Scheduler(cluster.address, name="counted").start()
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [command_task("t", offer, "sleep 600", cpus=1.5, mem=512)])
    scheduler.update("t", "TASK_RUNNING")
    scheduler.offers()
    state = get_json(cluster.address, "/master/state")
    (framework,) = state["frameworks"]
    (agent,) = state["slaves"]
    assert framework["name"] == "counted"
    assert [t["state"] for t in framework["tasks"]] == ["TASK_RUNNING"]
    assert framework["used_resources"]["cpus"] == 1.5
    assert framework["offered_resources"]["cpus"] == 2.5
    assert agent["resources"]["ports"] == "[31000-31100]"
    assert agent["used_resources"]["mem"] == 512
    assert agent["attributes"] == {"rack": "r1"}
    assert get_json(cluster.address, "/version")["version"] == "1.12.0"
    scheduler.call("TEARDOWN")
    wait_for(lambda: scheduler.closed)
    state = cluster.state()
    assert state["frameworks"] == []
    assert [t["state"] for t in state["completed_frameworks"][0]["completed_tasks"]] == [
        "TASK_KILLED"
    ]
    assert state["slaves"][0]["used_resources"]["cpus"] == 0


def test_several_frameworks_share(make_cluster: MakeCluster) -> None:
    """The textbook case of dominant resource fairness, over HTTP."""
    from mrmesos.minimesos.http.server import AgentSpec

    cluster = make_cluster(AgentSpec("h", "cpus:9;mem:18432"))
    needs = {"A": (1, 4096), "B": (3, 1024)}
    schedulers = {name: Scheduler(cluster.address, name=name) for name in needs}
    held = dict.fromkeys(needs, 0)
    for name in needs:
        schedulers[name].start()

    def answer(name: str) -> bool:
        scheduler, (cpus, mem) = schedulers[name], needs[name]
        event = scheduler.take("OFFERS", timeout=0.02)
        for offer in event["offers"]["offers"] if event else []:
            there = amounts(offer["resources"])
            if there.get("cpus", 0) >= cpus and there.get("mem", 0) >= mem:
                held[name] += 1
                one = command_task(f"{name}-{held[name]}", offer, "sleep 600", cpus, mem)
                scheduler.accept([offer], [one])
            else:
                scheduler.decline([offer])
        return event is not None

    declined = 0
    while declined < 12:  # a declined offer is made again and again
        before = sum(held.values())
        for name in needs:
            declined += answer(name)
        if sum(held.values()) > before:
            declined = 0
    assert held == {"A": 3, "B": 2}
    found = {f["name"]: len(f["tasks"]) for f in cluster.state()["frameworks"]}
    assert found == {"A": 3, "B": 2}


def test_calls_without_a_subscription(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    scheduler = Scheduler(cluster.address, failover_timeout=60.0).start()
    stranger = Scheduler(cluster.address, framework_id="x")
    assert stranger.call("REVIVE") == (400, "Framework cannot be found")
    scheduler.drop()
    wait_for(lambda: not cluster.state()["frameworks"][0]["connected"])
    assert scheduler.call("REVIVE") == (403, "Framework is not subscribed")


def test_subscribe_that_is_refused(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "u", "name": "n"}}}
    one = Scheduler(cluster.address)
    one.subscribe(body, {"Mesos-Stream-Id": "x"})
    assert (one.status, one.error) == (
        400,
        "Subscribe calls should not include the 'Mesos-Stream-Id' header",
    )
    one.subscribe(body, {"Accept": "text/html"})
    assert one.status == 406
    one.subscribe({"type": "SUBSCRIBE"})
    assert one.error.endswith("Expecting 'subscribe' to be present")
    one.subscribe({**body, "framework_id": {"value": "a"}})
    assert "differs from" in one.error
    one.subscribe({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"name": 3}}})
    assert one.error.startswith("Failed to convert JSON into Call protobuf")
    assert cluster.state()["frameworks"] == []


def test_refused_framework_is_told_and_its_stream_ends(make_cluster: MakeCluster) -> None:
    one = Scheduler(make_cluster().address, role="no good")
    one.subscribe()
    assert one.status == 200
    assert one.wait("ERROR")["message"] == "Role 'no good' is invalid"
    wait_for(lambda: one.closed)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (
            b"POST /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 99999999999\r\n\r\n",
            413,
        ),
        (b"GET /state HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 400),
        (b"GET /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"GET /nowhere HTTP/1.0\r\n\r\n", 404),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
        (
            b"POST /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/json\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            400,
        ),
        (
            b"POST /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
        ),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"POST /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 400),
    ],
)
def test_requests_of_all_kinds(make_cluster: MakeCluster, request_text: bytes, status: int) -> None:
    host, port = make_cluster().address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(request_text)
        first = sock.makefile("rb").readline()
    assert int(first.split()[1]) == status


def test_connection_is_kept(make_cluster: MakeCluster) -> None:
    host, port = make_cluster().address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        lines = sock.makefile("rb")
        for _ in range(3):
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert lines.readline().startswith(b"HTTP/1.1 200")
            while lines.readline() != b"\r\n":
                pass


def test_calls_may_be_sent_before_answers_are_read(make_cluster: MakeCluster) -> None:
    host, port = make_cluster().address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(
            b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
            b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        answers = sock.makefile("rb").read()
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"200"]


@pytest.mark.parametrize(
    "head",
    [
        "Host: evil.example",
        "Host: 127.0.0.1.evil.example:PORT",
        "Host: 192.0.2.7:PORT",
        "Host: localhost\r\nOrigin: http://evil.example",
        "Host: 127.0.0.1:PORT\r\nOrigin: http://localhost:PORT",
        "Host: localhost\r\nOrigin: null",
        "Host: localhost\r\nSec-Fetch-Site: cross-site",
        "Host: localhost\r\nSec-Fetch-Site: same-site",
    ],
)
def test_a_page_of_others_asks_neither_master_nor_agents(
    make_cluster: MakeCluster, head: str
) -> None:
    cluster = make_cluster()
    ports = [int(cluster.address.partition(":")[2])]
    ports += [int(agent.address.partition(":")[2]) for agent in cluster.mesos.agents]
    body = '{"windows": []}'
    asked = [
        *("GET /state", "GET /version", "GET /health", "GET /nowhere", "POST /api/v1/executor"),
        *("POST /api/v1/scheduler", "POST /api/v1", "POST /maintenance/schedule"),
    ]
    for port in ports:
        for line in asked:
            text = f"{line} HTTP/1.1\r\n{head.replace('PORT', str(port))}\r\n"
            text += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                sock.sendall(text.encode())
                assert b" 403 " in sock.recv(200).partition(b"\r\n")[0], line
    proxied = make_cluster(allowed_hosts=("mesos.example",))
    with socket.create_connection(("127.0.0.1", proxied.mesos.master.address.port), 10) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: mesos.example\r\n\r\n")
        assert b" 200 " in sock.recv(200).partition(b"\r\n")[0]


def test_answers_do_not_name_the_server(make_cluster: MakeCluster) -> None:
    address = make_cluster().address
    for path in ("/health", "/nowhere", "/master/state"):
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().getheader("Server") is None
        connection.close()


@pytest.mark.parametrize("path", ["/state", "/master/state.json", "/state/", "/version/below"])
def test_an_endpoint_answers_for_what_is_below_it(make_cluster: MakeCluster, path: str) -> None:
    assert get_json(make_cluster().address, path)


def test_bodies_have_a_limit_however_they_come(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.minimesos.http.streams.MAX_BODY", 1000)
    scheduler = Scheduler(make_cluster().address)
    assert scheduler.post(b"x" * 1000)[0] == 400  # the body is read, but it is not JSON
    assert scheduler.post(b"x" * 1001)[0] == 413
    connection = http.client.HTTPConnection(scheduler.address, timeout=10)
    connection.request("POST", "/api/v1/scheduler", iter([b"x" * 600] * 2))
    assert connection.getresponse().status == 413
    connection.close()


def test_connections_have_a_limit(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.minimesos.http.streams.MAX_CONNECTIONS", 2)
    host, port = make_cluster().address.split(":")
    ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def answered(sock: socket.socket) -> bool:
        try:
            sock.sendall(ask)
            return sock.recv(4096).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            return False

    socks = [socket.create_connection((host, int(port)), timeout=10) for _ in range(3)]
    assert [answered(sock) for sock in socks] == [True, True, False]
    for sock in socks:
        sock.close()

    def again() -> bool:
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            return answered(sock)

    wait_for(again)


def test_incomplete_requests_are_disconnected(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.minimesos.http.streams.REQUEST_DEADLINE", 0.2)
    host, port = make_cluster().address.split(":")
    half = b"POST /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\n"
    for sent, wanted in (
        (b"", b""),
        (half, b""),
        (half + b"Content-Length: 2\r\n\r\n{", b"HTTP/1.1 408"),
        (half + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{", b"HTTP/1.1 408"),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(sent)
            try:
                got = sock.recv(12)
            except ConnectionError:
                got = b""
            assert got == wanted


def test_answer_that_nobody_reads_is_given_up(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.minimesos.http.streams.REQUEST_DEADLINE", 0.5)
    big = {"all": "x" * (32 << 20)}  # more than socket buffers hold
    monkeypatch.setattr("mrmesos.minimesos.http.routes.master_state", lambda _: big)
    cluster = make_cluster()
    host, port = cluster.address.split(":")
    server = cluster.mesos.masters.server
    assert server is not None
    connections = server._runner.server
    assert connections is not None
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(b"GET /state HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: connections.requests_count == 1)
        wait_for(lambda: not connections.connections)


def test_subscriber_that_does_not_read_is_cut_off(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.minimesos.http.streams.MAX_QUEUE", 1 << 20)
    cluster = make_cluster()
    host, port = cluster.address.split(":")
    info = {"user": "u", "name": "deaf", "failover_timeout": 60}
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
    head = (
        "POST /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(head.encode() + body)
        wait_for(lambda: cluster.state()["frameworks"])

        def flood() -> None:
            (framework,) = cluster.mesos.master.frameworks.values()
            for _ in range(400):
                event: Json = {"type": "MESSAGE", "message": {"data": "x" * 65536}}
                framework.send(event)

        cluster.loop.call_soon_threadsafe(flood)
        wait_for(lambda: not cluster.state()["frameworks"][0]["connected"])
