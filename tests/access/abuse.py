"""Hostile requests, chosen by seed, and the answer that each must get.

A `Door` says how to make good requests for one server; every kind of abuse is made from those.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mrmesos.access.signing import AUTHORIZATION, Signer

PATIENCE = 20.0
BAD_REQUEST = frozenset({400})
UNKNOWN = frozenset({401})
FOREIGN = frozenset({403})


@dataclass(frozen=True)
class Good:
    """A request that would be accepted if `signer` signed it."""

    method: str
    path: str
    body: bytes
    limit: int
    """Most bytes that its body may have."""
    again: frozenset[int] = UNKNOWN
    """The status of the same request made again."""


@dataclass(frozen=True)
class Door:
    """The server under test. `signer(clock)` signs as a known peer."""

    address: tuple[str, int]
    signer: Callable[[Callable[[], float]], Signer]
    stranger: Signer
    """Claims the same name, but has another key."""
    goods: tuple[Good, ...]
    now: float


@dataclass(frozen=True)
class Case:
    """Bytes to send on one connection, and the valid statuses of the last answer (none: `cut`)."""

    kind: str
    sends: tuple[bytes, ...]
    statuses: frozenset[int]
    cut: bool = False


def http(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body and "Content_Length" not in headers and "Transfer_Encoding" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def cases(door: Door, seed: int, count: int) -> Iterator[Case]:
    """Each kind in turn, with a different request each time."""
    dice = random.Random(seed)
    for number in range(count):
        yield KINDS[number % len(KINDS)](door, dice)


def _good(door: Door, dice: random.Random, *, with_body: bool = False) -> Good:
    return dice.choice([good for good in door.goods if good.body or not with_body])


def _signed(door: Door, good: Good, body: bytes | None = None, at: float | None = None) -> str:
    now = door.now if at is None else at
    return door.signer(lambda: now).sign(
        good.method, good.path, good.body if body is None else body
    )


def rubbish(door: Door, dice: random.Random) -> Case:
    line = bytes(dice.choice(b"\x00\x01AZaz /:\x7f\xff\xc3") for _ in range(dice.randint(4, 300)))
    return Case("rubbish", (line.replace(b"\n", b"") + b"\r\n\r\n",), BAD_REQUEST)


def bad_lines(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice)
    line = dice.choice(
        [
            f"{good.method} {good.path} HTTP/9.x",
            f"{good.method} {good.path} FTP/1.1",
            f"{good.method} /{'x' * 20_000} HTTP/1.1",
            f"{good.method}  ",
            f"G\x00T {good.path} HTTP/1.1",
        ]
    )
    return Case("bad line", (f"{line}\r\nHost: 127.0.0.1\r\n\r\n".encode(),), BAD_REQUEST)


def bad_headers(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice)
    line = dice.choice(
        [
            "X: " + "y" * dice.randint(9_000, 60_000),
            "\r\n".join(f"X-{n}: y" for n in range(5_000)),
            "no colon at all",
            "Content-Length: -1",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: many",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, chunked",
            "X\x00: y",
        ]
    )
    head = f"{good.method} {good.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{line}\r\n\r\n"
    return Case("bad header", (head.encode(),), BAD_REQUEST)


def unsigned(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice)
    given = dice.choice(
        ["", "Bearer", "Bearer x", "Mrmesos", "Basic eDp5", "Mrmesos a:1:b:c:d", "é"]
    )
    headers = {AUTHORIZATION: given} if given else {}
    return Case("unsigned", (http(good.method, good.path, good.body, **headers),), UNKNOWN)


def strange(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice)
    signed = door.stranger.sign(good.method, good.path, good.body)
    sent = http(good.method, good.path, good.body, Authorization=signed)
    return Case("strange key", (sent,), UNKNOWN)


def altered(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice)
    signed = _signed(door, good)
    at = dice.randrange(len("Mrmesos "), len(signed))
    other = dice.choice([c for c in "0123456789abcdef:" if c != signed[at]])
    sent = http(
        good.method, good.path, good.body, Authorization=signed[:at] + other + signed[at + 1 :]
    )
    return Case("altered signature", (sent,), UNKNOWN)


def elsewhere(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice)
    other = Good(good.method, good.path + "?x=1", good.body, good.limit)
    sent = http(good.method, good.path, good.body, Authorization=_signed(door, other))
    return Case("signed for another path", (sent,), UNKNOWN)


def another_body(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice, with_body=True)
    body = good.body[:-1] + b" "
    sent = http(good.method, good.path, body, Authorization=_signed(door, good))
    return Case("another body", (sent,), UNKNOWN)


def stale(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice)
    off = dice.choice([-1, 1]) * dice.uniform(90, 1e8)
    signed = _signed(door, good, at=max(0.0, door.now + off))
    return Case("stale", (http(good.method, good.path, good.body, Authorization=signed),), UNKNOWN)


def replayed(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice)
    sent = http(good.method, good.path, good.body, Authorization=_signed(door, good))
    return Case("replayed", (sent, sent), good.again)


def makes_no_sense(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice, with_body=True)
    body = dice.choice([b"{", b"[]", b"\xff\xfe", b"null", b"[" * 5_000, b'{"a":' * 3_000])
    sent = http(good.method, good.path, body, Authorization=_signed(door, good, body))
    return Case("makes no sense", (sent,), BAD_REQUEST)


def oversized(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice, with_body=True)
    size = str(good.limit + dice.choice([1, 1 << 20, 1 << 40]))
    signed = _signed(door, good)
    sent = http(good.method, good.path, b"x" * 100, Authorization=signed, Content_Length=size)
    return Case("oversized", (sent,), frozenset({413}))


def oversized_of_strangers(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice, with_body=True)
    sent = http(good.method, good.path, b"x" * 5_000, Content_Length=str(1 << 40))
    return Case("oversized, unsigned", (sent,), UNKNOWN)


def bad_chunks(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice, with_body=True)
    chunk = dice.choice([b"zz\r\n", b"-5\r\nhello\r\n", b"ffffffffffffffffffff\r\nx"])
    signed = _signed(door, good)
    sent = http(good.method, good.path, chunk, Authorization=signed, Transfer_Encoding="chunked")
    return Case("bad chunks", (sent,), BAD_REQUEST)


def abandoned(door: Door, dice: random.Random) -> Case:
    good = _good(door, dice, with_body=True)
    whole = http(good.method, good.path, good.body, Authorization=_signed(door, good))
    return Case("abandoned", (whole[: dice.randrange(len(whole))],), frozenset(), cut=True)


def nowhere(door: Door, dice: random.Random) -> Case:
    path = dice.choice(
        [
            "/",
            "/..",
            "/etc/passwd",
            "/api/v1/../../etc/passwd",
            "/attempts/..%2f..%2fx/logs",
            "/%00",
        ]
    )
    statuses = {401, 404, 405}
    if path == "/":  # a JobTracker leads to its pages
        statuses.add(302)
    sends = (http(dice.choice(["GET", "PUT", "DELETE"]), path),)
    return Case("nowhere", sends, frozenset(statuses))


def of_a_page(door: Door, dice: random.Random) -> Case:
    """A good request, but as a foreign web page makes a browser send it."""
    good = _good(door, dice)
    signed = _signed(door, good)
    lines = dice.choice(
        [
            "Host: evil.example",
            f"Host: evil.example:{door.address[1]}",
            "Host: 127.0.0.1.evil.example",
            "Host: 192.0.2.7",
            "Host: 127.0.0.1\r\nOrigin: http://evil.example",
            "Host: 127.0.0.1\r\nOrigin: null",
            f"Host: 127.0.0.1\r\nOrigin: http://127.0.0.1:{door.address[1] + 1}",
            "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site",
            "Host: 127.0.0.1\r\nSec-Fetch-Site: same-site",
        ]
    )
    path = dice.choice([good.path, "/health", "/"])
    sent = http(good.method, path, good.body, Authorization=signed)
    return Case("of a page", (sent.replace(b"Host: 127.0.0.1", lines.encode(), 1),), FOREIGN)


KINDS: tuple[Callable[[Door, random.Random], Case], ...] = (
    rubbish,
    bad_lines,
    bad_headers,
    unsigned,
    strange,
    altered,
    elsewhere,
    another_body,
    stale,
    replayed,
    makes_no_sense,
    oversized,
    oversized_of_strangers,
    bad_chunks,
    abandoned,
    nowhere,
    of_a_page,
)


def status_of(door: Door, case: Case) -> int:
    """Send it. Returns the status of the last answer, 0 if none came."""
    status = 0
    for sent in case.sends:
        with socket.create_connection(door.address, PATIENCE) as sock:
            try:
                sock.sendall(sent)
                if case.cut:
                    return 0
                answer = b""
                while b"\r\n" not in answer and (part := sock.recv(4096)):
                    answer += part
            except ConnectionError:
                return 0
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0
    return status


def play(door: Door, seed: int, count: int) -> dict[str, int]:
    """Play `count` requests. Returns how many of each kind. AssertionError names a bad answer."""
    played: dict[str, int] = {}
    for case in cases(door, seed, count):
        status = status_of(door, case)
        if not case.cut:
            assert status in case.statuses, (case.kind, status, [s[:300] for s in case.sends])
        played[case.kind] = played.get(case.kind, 0) + 1
    return played
