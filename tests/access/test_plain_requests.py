"""Plain requests are answered before aiohttp, and all others by aiohttp as before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from mrmesos.access.listener import KEEP_ALIVE_SECONDS, Listener, ListenerLimits
from mrmesos.access.plain_requests import BYTES_MAX
from tests.tasktracker.support import until

PATH = "/beat"


class Desk:
    """A server of PATH. `plain` has the bodies that were answered before aiohttp."""

    def __init__(self) -> None:
        self.plain: list[bytes] = []
        self.gate: asyncio.Event | None = None
        self.fault: Exception | None = None
        self.port = 0
        app = web.Application()
        app.router.add_post(PATH, self._by_aiohttp)
        app.router.add_get("/other", self._other)
        self.listener = Listener(app, ListenerLimits(), plain=(PATH, self._answer))

    async def _by_aiohttp(self, request: web.Request) -> web.Response:
        return web.Response(body=b"aiohttp " + await request.read())

    async def _other(self, _: web.Request) -> web.Response:
        return web.Response(text="other")

    async def _answer(self, authorization: str, body: bytes, peer: str) -> tuple[str, bytes]:
        assert peer == "127.0.0.1"
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.plain.append(body)
        return f"proof-of-{authorization}", b"plain " + body

    async def said(self, *parts: bytes) -> bytes:
        """The server's answer to these bytes, until it closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            answer = b""
            while b"\r\n\r\n" not in answer or not _whole(answer):
                answer += await reader.read(1 << 16)
        writer.close()
        return answer


def _whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    return len(body) >= int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


def request(body: bytes = b"{}", **headers: str) -> bytes:
    """A request in plain form, with some headers changed; an empty value leaves one out."""
    wanted = {
        "Host": "localhost",
        "Authorization": "me",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in wanted.items() if value)
    return f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode() + body


@asynccontextmanager
async def serving() -> AsyncIterator[Desk]:
    desk = Desk()
    desk.port = await desk.listener.start("127.0.0.1")
    # The first request with a Host is aiohttp's: the guard must know the name.
    assert (await desk.said(request())).endswith(b"aiohttp {}")
    try:
        yield desk
    finally:
        await desk.listener.close()


def test_a_plain_request_is_answered_also_in_pieces() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            whole = request(b"[1]")
            answer = await desk.said(whole)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            assert b"X-Mrmesos-Reply: proof-of-me\r\n" in answer
            assert answer.endswith(b"\r\n\r\nplain [1]")
            for at in (1, 5, 20, len(whole) - 5, len(whole) - 1):
                assert (await desk.said(whole[:at], whole[at:])).endswith(b"plain [1]")
            assert desk.plain == [b"[1]"] * 6

    asyncio.run(scenario())


LONG = b"x" * BYTES_MAX
OTHERS: dict[str, bytes] = {
    "another header": request(X_More="1"),
    "a header twice": request().replace(b"Host", b"User-Agent: a\r\nUser-Agent: b\r\nHost"),
    "no length": request(Content_Length="", Transfer_Encoding="chunked")[:-2]
    + b"2\r\n{}\r\n0\r\n\r\n",
    "a length that is no number": request(Content_Length="+2"),
    "no authorization": request(Authorization=""),
    "an origin": request(Origin="http://localhost"),
    "a long body": request(LONG),
    "a name in UTF-8": request(User_Agent="mäh"),
    "another version": request(Connection="close").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "another host": request(Host="evil.example"),
    "another method": b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no HTTP": b"\x16\x03\x01 hello\r\n\r\n",
}


@pytest.mark.parametrize("what", OTHERS)
def test_any_other_request_is_aiohttps(what: str) -> None:
    async def scenario() -> None:
        async with serving() as desk:
            first = await desk.said(OTHERS[what])
            assert not desk.plain
            # The rest of the connection is aiohttp's, too.
            desk.fault = AssertionError("not asked")
            if what == "a long body":
                assert first.endswith(b"aiohttp " + LONG)
            if what == "another host":
                assert first.startswith(b"HTTP/1.1 403")
            if what in ("no HTTP", "a length that is no number"):
                assert first.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))

    asyncio.run(scenario())


def test_a_request_that_cannot_be_answered_well_is_aiohttps() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            desk.fault = ValueError("no")
            assert (await desk.said(request(b"[2]"))).endswith(b"aiohttp [2]")
            desk.fault = None
            assert (await desk.said(request(b"[3]"))).endswith(b"plain [3]")

    asyncio.run(scenario())


def test_requests_of_one_connection_are_answered_in_turn_and_may_change_their_form() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
            other = request(b"[4]", X_More="1")
            writer.write(request(b"[1]") + request(b"[2]") + request(b"[3]") + other)
            writer.write(request(b"[5]"))
            answers = b""
            async with asyncio.timeout(20):
                while not answers.endswith(b"[5]"):
                    answers += await reader.read(1 << 16)
            writer.close()
            assert desk.plain == [b"[1]", b"[2]", b"[3]"]
            found = [answers.index(f"[{number}]".encode()) for number in range(1, 6)]
            assert found == sorted(found)
            assert b"aiohttp [4]" in answers
            assert b"aiohttp [5]" in answers

    asyncio.run(scenario())


def test_what_comes_while_an_answer_is_awaited_is_bounded() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            desk.gate = asyncio.Event()
            reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
            for _ in range(100):
                writer.write(request(b"x" * 60_000))
            watched = desk.listener._watched.values()
            await until(lambda: any(w.plain is not None and w.plain._paused for w in watched))
            plain = next(w.plain for w in watched if w.plain is not None and w.plain._paused)
            assert len(plain._received) < 2 * BYTES_MAX + (256 << 10)
            desk.gate.set()
            await until(lambda: plain._clogged)  # nobody reads the answers
            assert len(desk.plain) < 100
            reading = asyncio.create_task(reader.read())
            await until(lambda: len(desk.plain) == 100)
            writer.close()
            await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(scenario())


def test_an_idle_connection_is_closed_and_one_that_waits_is_not() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            idle, _ = await asyncio.open_connection("127.0.0.1", desk.port)
            desk.gate = asyncio.Event()
            waits, writer = await asyncio.open_connection("127.0.0.1", desk.port)
            writer.write(request(b"[1]"))
            listener = desk.listener
            watched = listener._watched.values()
            await until(lambda: any(w.plain is not None and w.plain.replying for w in watched))
            listener._look(list(listener._watched), time.monotonic() + KEEP_ALIVE_SECONDS + 1)
            async with asyncio.timeout(20):
                with suppress(ConnectionError):
                    assert await idle.read() == b""
                desk.gate.set()
                assert (await waits.read(1 << 16)).endswith(b"plain [1]")
            writer.close()

    asyncio.run(scenario())


def test_the_end_waits_for_answers() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            desk.gate = asyncio.Event()
            reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
            writer.write(request(b"[1]"))
            watched = desk.listener._watched.values()
            await until(lambda: any(w.plain is not None and w.plain.replying for w in watched))
            closing = asyncio.create_task(desk.listener.close())
            await asyncio.sleep(0)
            desk.gate.set()
            async with asyncio.timeout(20):
                assert (await reader.read()).endswith(b"plain [1]")
            await closing
            writer.close()

    asyncio.run(scenario())
