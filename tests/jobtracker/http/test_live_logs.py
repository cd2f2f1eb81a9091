"""The JobTracker uses a TaskTracker's URL only if it leads to that TaskTracker."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mrmesos.access.signing import AUTHORIZATION, REPLY, Verified, Verifier
from mrmesos.jobtracker.core.state.reports import AttemptLogs
from mrmesos.jobtracker.http.live_logs import (
    SANDBOX,
    SANDBOX_LOG_BYTES,
    SOURCES_MAX,
    FileGone,
    LiveLogs,
    leads_to,
)
from mrmesos.wire.job import KEPT, Sandbox

HOSTS = ("node-1.example", "10.0.0.7", "2001:db8::7")


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.7:31000", "https://10.0.0.7:1", "http://Node-1.Example:31000"),
        *("http://[2001:db8::7]:31000", "http://[2001:DB8:0::7]:31000", "http://node-1.example.:1"),
        "http://[::ffff:10.0.0.7]:31000",
    ],
)
def test_its_own_places(url: str) -> None:
    assert leads_to(url, HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        *("", "http://", "http://10.0.0.7", "http://10.0.0.7:0", "http://10.0.0.7:99999", "u"),
        *("ftp://10.0.0.7:21", "file:///etc/passwd", "gopher://10.0.0.7:1", "//10.0.0.7:1"),
        *("http://10.0.0.8:31000", "http://169.254.169.254:80", "http://127.0.0.1:31000"),
        *("http://10.0.0.7:1@10.0.0.8:1", "http://10.0.0.8:1#10.0.0.7:1", "http://10.0.0.8\\@10.0.0.7:1"),
        *("http://10.0.0.7:31000/x", "http://10.0.0.7:31000?x", "http://10.0.0.7:31000/../.."),
        *("http://10.0.0.7.example:1", "http://node-1.example.evil:1", "http://167772167:1"),
        *("http://10.0.0.7:31000\r\nX: y", "http://10.0.0.7 :31000", "http://node-1.ex\u0430mple:1"),
        *("http://[10.0.0.7]:1", "http://[::1", "http://:31000", "http://10.0.0.7:port"),
    ],
)  # fmt: skip
def test_places_of_others(url: str) -> None:
    assert not leads_to(url, HOSTS)
    assert not leads_to(url, ())


def test_on_one_machine_a_loopback_address_is_as_good_as_another() -> None:
    assert leads_to("http://127.0.0.2:31000", ["127.0.0.1"])
    assert leads_to("http://[::1]:31000", ["", "127.0.0.3"])
    assert not leads_to("http://127.0.0.2:31000", ["10.0.0.7"])


def signed(request: web.Request, body: bytes, token: str = "token") -> web.Response:
    """A TaskTracker's answer to a request that is signed with the job's token."""
    verifier = Verifier(lambda _: "token")
    verified = verifier.verify(request.method, request.raw_path, request.headers[AUTHORIZATION])
    if token != "token":
        verified = Verified(verified.who, verified.body_sha256, token, verified._mac)
    reply = verified.reply(hashlib.sha256(body).hexdigest())
    return web.Response(body=body, headers={REPLY: reply})


def test_a_server_on_the_taken_port_is_not_believed() -> None:
    answers = [
        lambda request: web.Response(body=b"a lie"),
        lambda request: signed(request, b"a lie", "another token"),
        lambda request: web.Response(body=b"a lie", headers=signed(request, b"true").headers),
        lambda request: signed(request, b"true"),
    ]

    async def log(request: web.Request) -> web.Response:
        return answers[int(request.match_info["a"])](request)

    async def scenario() -> None:
        app = web.Application()
        app.router.add_get("/attempts/{a}/logs", log)
        logs = LiveLogs()
        async with TestServer(app) as server:
            url = str(server.make_url("")).rstrip("/")
            told = AttemptLogs(url, "", "job_1", "token", "t1", ("127.0.0.1",))
            for number in range(3):
                assert await logs.fetch(told, str(number), "stdout") is None
            assert await logs.fetch(told, "3", "stdout") == (b"true", 0)
        await logs.close()

    asyncio.run(scenario())


def test_only_the_address_of_the_heartbeats_is_asked() -> None:
    asked: list[str] = []

    async def log(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.match_info["a"] == "moved":
            raise web.HTTPFound("/attempts/here/logs")
        return signed(request, b"secrets of others")

    async def scenario() -> None:
        app = web.Application()
        app.router.add_get("/attempts/{a}/logs", log)
        logs = LiveLogs()
        async with TestServer(app) as server:
            url = str(server.make_url("")).rstrip("/")
            told = AttemptLogs(url, "", "job_1", "token", "t1", ("10.0.0.7",))
            assert await logs.fetch(told, "a1", "stdout") is None
            logs.heard("t2", "127.0.0.1")
            assert await logs.fetch(told, "a1", "stdout") is None
            assert asked == []
            logs.heard("t1", "127.0.0.1")
            assert await logs.fetch(told, "a1", "stdout") == (b"secrets of others", 0)
            assert await logs.fetch(told, "moved", "stdout") is None
            assert asked == ["/attempts/a1/logs", "/attempts/moved/logs"], "no redirect is followed"
        await logs.close()

    asyncio.run(scenario())


def test_remembered_addresses_are_bounded() -> None:
    logs = LiveLogs()
    for number in range(SOURCES_MAX + 10):
        logs.heard(f"t{number}", "10.0.0.1")
    logs.heard("t20", "10.0.0.2")
    assert len(logs._sources) == SOURCES_MAX
    assert logs._sources["t20"] == "10.0.0.2"
    assert "t1" not in logs._sources


def test_what_no_tasktracker_serves_is_read_from_its_sandbox() -> None:
    sandbox = Sandbox("http://agent:5051", "F", "t1")
    asked: list[tuple[object, ...]] = []

    def read_sandbox(*arguments: object) -> tuple[bytes, int]:
        asked.append(arguments)
        if arguments[1] == "a2":
            raise FileGone("Mesos has removed it")
        return b"all of it", 7

    async def scenario() -> None:
        logs = LiveLogs(read_sandbox=read_sandbox)
        gone = AttemptLogs("http://127.0.0.1:1", "kept", hosts=("127.0.0.1",), sandbox=sandbox)
        for told in (gone, gone._replace(url="")):
            assert await logs.read(told, "a1", "stdout", 7) == (b"all of it", 7, SANDBOX, "")
            assert asked.pop() == (sandbox, "a1", "stdout", 7, SANDBOX_LOG_BYTES)
            kept = await logs.read(told, "a2", "stdout")
            assert kept == (b"kept", 0, KEPT, "Mesos has removed it")
        asked.clear()
        assert (await logs.read(gone._replace(sandbox=None), "a1", "stdout")).data == b"kept"
        assert not asked
        await logs.close()

    asyncio.run(scenario())
