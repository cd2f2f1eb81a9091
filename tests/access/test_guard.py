"""A foreign web page cannot make a browser send requests to our servers."""

from __future__ import annotations

import asyncio
import os
import random
import socket

import pytest
from aiohttp import web

from mrmesos.access.guard import RequestGuard
from mrmesos.access.listener import Listener, ListenerLimits
from mrmesos.access.names import known_as
from mrmesos.conf import Conf

HERE = os.uname().nodename


def ask(
    guard: RequestGuard | None, *heads: str, listen: str = "127.0.0.1"
) -> list[tuple[int, str]]:
    """The status of each answer, and its full text. A head is the text after the request line."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(text="secret")

    async def one(port: int, head: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection(listen, port)
        writer.write(f"GET /x HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        said = (await asyncio.wait_for(reader.read(), 10)).decode()
        writer.close()
        await writer.wait_closed()
        return int(said.split()[1]), said

    async def all_of_them() -> list[tuple[int, str]]:
        app = web.Application()
        app.router.add_get("/x", handler)
        listener = Listener(app, ListenerLimits(), guard=guard)
        port = await listener.start(listen)
        try:
            return [await one(port, head.replace("PORT", str(port))) for head in heads]
        finally:
            await listener.close()

    answers = asyncio.run(all_of_them())
    assert len(seen) == sum(status == 200 for status, _ in answers)
    return answers


@pytest.fixture(autouse=True)
def full_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: "node.Example.org")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:PORT", "127.1.2.3:80", "localhost", "LocalHost.:PORT", "[::1]:1"),
        *(HERE, f"{HERE.upper()}:PORT", "node.example.org:PORT", "known.example", "10.1.2.3:9"),
        *("proxy.example", "Proxy.Example:443", "[::ffff:127.0.0.1]:PORT"),
    ],
)
def test_names_by_which_it_is_reached(host: str) -> None:
    guard = RequestGuard(("known.example", "10.1.2.3"), ("proxy.example",))
    assert ask(guard, f"Host: {host}\r\n")[0][0] == 200


def test_the_address_that_the_connection_came_to() -> None:
    [own] = ask(RequestGuard(), "Host: 127.0.0.2:PORT\r\n", listen="127.0.0.2")
    assert own[0] == 200
    assert ask(None, "X: no browser\r\n")[0][0] in (200, 400)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:PORT", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("10.1.2.4", "8.8.8.8:PORT", "[2001:db8::1]:PORT", "127.0.0.1@evil.example", "0.0.0.0"),
        *("evil.example/127.0.0.1", "127.0.0.1:port", "[::1", "", ":80", "node.evil.example", "é"),
        *(f"{HERE}.evil.example", "known.example.evil", "2130706433", "0x7f.1", "127.1"),
    ],
)
def test_names_of_others(host: str) -> None:
    guard = RequestGuard(("known.example",), (), "http.allowed.hosts")
    [(status, said)] = ask(guard, f"Host: {host}\r\n")
    assert status in (400, 403)
    assert "secret" not in said
    if status == 403:
        assert '{"error": "' in said
        assert "http.allowed.hosts may name further ones" in said


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Origin: http://127.0.0.1:PORT", 200),
        ("Origin: https://proxy.example", 200),
        ("Origin: http://127.0.0.1:1", 403),  # another server of this machine
        ("Origin: http://localhost:PORT", 403),  # differs from `Host`
        ("Origin: http://evil.example", 403),
        ("Origin: http://127.0.0.1:PORT.evil.example", 403),
        ("Origin: null", 403),
        ("Origin: ", 403),
        ("Origin: http://127.0.0.1:PORT\r\nOrigin: http://evil.example", 403),
        ("Sec-Fetch-Site: same-origin", 200),
        ("Sec-Fetch-Site: none", 200),
        ("Sec-Fetch-Site: same-site", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: ", 403),
        ("Sec-Fetch-Site: Cross-Site", 403),
    ],
)
def test_where_a_request_comes_from(header: str, status: int) -> None:
    guard = RequestGuard((), ("proxy.example",))
    [(given, said)] = ask(guard, f"Host: 127.0.0.1:PORT\r\n{header}\r\n")
    assert given in (status, 400 if status == 403 else status)
    assert ("secret" in said) == (status == 200)


def test_what_answers_does_not_tell_its_version() -> None:
    good, foreign, malformed = ask(
        None, "Host: 127.0.0.1\r\n", "Host: evil.example\r\n", "no header at all\r\n"
    )
    assert (good[0], foreign[0], malformed[0]) == (200, 403, 400)
    for _, said in (good, foreign, malformed):
        head = said.partition("\r\n\r\n")[0].lower()
        assert "aiohttp" not in head
        assert "python" not in head


def test_a_name_server_that_is_slow_or_lies_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def getfqdn() -> str:
        asked.append(1)
        return "other.example"

    monkeypatch.setattr(socket, "getfqdn", getfqdn)
    hosts = [f"Host: evil{number}.example\r\n" for number in range(20)]
    assert {status for status, _ in ask(RequestGuard(), *hosts)} == {403}
    assert asked == [1]  # looked up once for all requests


def test_names_at_random_are_let_in_only_if_they_are_known() -> None:
    dice, known = random.Random(5), {"known.example", "localhost", "127.0.0.1"}
    letters = "known.example127localhost-:[]"
    names = ["".join(dice.choices(letters, k=dice.randrange(1, 20))) for _ in range(300)]
    for name, (status, _) in zip(
        names,
        ask(RequestGuard(("known.example",)), *(f"Host: {name}\r\n" for name in names)),
        strict=True,
    ):
        assert status in (400, 403) or name.partition(":")[0] in known, name


def test_settings_name_further_hosts() -> None:
    guard = known_as(Conf({"http.allowed.hosts": "one.example, two.example"}), "10.0.0.1")
    heads = [f"Host: {name}\r\n" for name in ("one.example", "two.example:1", "10.0.0.1", "three")]
    assert [status for status, _ in ask(guard, *heads)] == [200, 200, 200, 403]
