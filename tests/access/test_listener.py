"""A listener closes idle connections, and accepts no more than its limit."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine

import pytest
from aiohttp import web

from mrmesos.access.listener import Listener, ListenerLimits
from tests.tasktracker.support import until

LARGE = 30_000_000
Scenario = Callable[[Listener, int], Coroutine[None, None, None]]


def play(scenario: Scenario, limits: ListenerLimits) -> None:
    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * LARGE)

    async def small(_: web.Request) -> web.Response:
        return web.Response(text="small")

    async def body() -> None:
        app = web.Application()
        app.router.add_get("/large", large)
        app.router.add_get("/small", small)
        listener = Listener(app, limits)
        port = await listener.start("127.0.0.1")
        try:
            await scenario(listener, port)
        finally:
            await listener.close()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(body())


async def connect(port: int, said: bytes, buffer: int = 4096) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.sock_sendall(sock, said)
    return sock


async def received(sock: socket.socket, pause: float = 0.0) -> int:
    """All bytes until the other side closes the connection."""
    loop, total = asyncio.get_running_loop(), 0
    with sock:
        async with asyncio.timeout(20):
            try:
                while part := await loop.sock_recv(sock, 1 << 16):
                    total += len(part)
                    await asyncio.sleep(pause)
            except ConnectionError:
                return total
    return total


@pytest.mark.parametrize("said", [b"", b"G", b"GET /small HTTP/1.1\r\nHost: localhost\r\n"])
def test_who_says_nothing_whole_is_left(said: bytes) -> None:
    async def scenario(listener: Listener, port: int) -> None:
        sock = await connect(port, said)
        assert await received(sock) == 0
        await until(lambda: listener.connections == 0)

    play(scenario, ListenerLimits(request_seconds=0.2))


def test_who_does_not_take_the_answer_is_left() -> None:
    async def scenario(listener: Listener, port: int) -> None:
        sock = await connect(port, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: listener.connections == 1)
        await until(lambda: listener.connections == 0)
        assert await received(sock) < LARGE

    play(scenario, ListenerLimits(stall_seconds=0.3))


def test_who_takes_it_slowly_gets_all() -> None:
    async def scenario(listener: Listener, port: int) -> None:
        said = b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        sock = await connect(port, said, 1 << 18)
        assert await received(sock, pause=0.005) > LARGE

    play(scenario, ListenerLimits(stall_seconds=1.5, request_seconds=0.2))


def test_one_too_many_is_closed_and_there_is_room_again() -> None:
    async def scenario(listener: Listener, port: int) -> None:
        socks = [await connect(port, b"") for _ in range(3)]
        await until(lambda: listener.connections == 3)
        assert await received(await connect(port, b"")) == 0
        for sock in socks:
            sock.close()
        await until(lambda: listener.connections == 0)
        said = b"GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert await received(await connect(port, said)) > 0

    play(scenario, ListenerLimits(connections=3))


def test_those_that_have_closed_take_no_room() -> None:
    async def scenario(_: Listener, port: int) -> None:
        request = b"GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        for _n in range(20):  # faster than a sweep
            assert await received(await connect(port, request)) > 0

    play(scenario, ListenerLimits(connections=3))
