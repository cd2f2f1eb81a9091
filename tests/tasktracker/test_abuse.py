"""A TaskTracker refuses a thousand hostile requests, and nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from mrmesos.access.signing import Signer
from mrmesos.tasktracker.outputs.shuffle_server import REQUEST_BYTES_MAX, ServerLimits
from tests.access.abuse import KINDS, Case, Door, Good, http, play, status_of
from tests.tasktracker.outputs.test_shuffle_server import Served, names, sign
from tests.tasktracker.outputs.test_shuffle_server import play as serve
from tests.tasktracker.support import JOB, OTHER_JOB, facts, map_attempt, until

SEED = 20_261_120
COUNT = 1_000
MEMORY_MAX = 64 << 20


def door_of(served: Served) -> Door:
    parts = urlsplit(served.url)
    name = map_attempt().attempt_id
    body = b'{"maps": ["' + name.encode() + b'"]}'
    return Door(
        address=(parts.hostname or "", parts.port or 0),
        signer=lambda clock: Signer(JOB, facts().token, clock),
        stranger=Signer(JOB, facts(OTHER_JOB).token),
        goods=(
            Good("POST", f"/shuffle/{JOB}/0", body, REQUEST_BYTES_MAX),
            Good("GET", f"/attempts/{name}/logs", b"", 0),
        ),
        now=time.time(),
    )


def held(served: Served) -> tuple[int, int, int]:
    """File descriptors, tasks and connections."""
    return psutil.Process().num_fds(), len(asyncio.all_tasks()), served.server.connections


def test_a_thousand_requests_of_strangers(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        parts = served.add_map(0)
        door = door_of(served)
        us, seed = psutil.Process(), SEED
        await asyncio.to_thread(play, door, seed, 2 * len(KINDS))  # warm up, before counting
        await until(lambda: served.server.connections == 0)
        before, memory = held(served), us.memory_info().rss
        played = await asyncio.to_thread(play, door, seed + 1, COUNT)
        assert sum(played.values()) == COUNT
        assert min(played.values()) >= COUNT // len(KINDS)
        await until(
            lambda: all(now <= then for now, then in zip(held(served), before, strict=True)),
            f"an end of what was opened: {before}",
        )
        gc.collect()
        assert us.memory_info().rss - memory < MEMORY_MAX
        assert served.server._sending == 0
        assert len(served.server._verifier._nonces) <= 3 * COUNT // len(KINDS) * 2
        ((_, data),) = await served.shuffle(0, names(0))
        assert data == parts[0], "it serves as before"

    serve(tmp_path, scenario)


def timers() -> int:
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]  # of asyncio
    return sum(not timer.cancelled() for timer in scheduled)


def test_connections_that_say_nothing_leave_nothing(tmp_path: Path) -> None:
    """No timer, no task, no entry outlives a connection that is opened and closed at once."""

    async def scenario(served: Served) -> None:
        door = door_of(served)
        silent = Case("silent", (b"",), frozenset(), cut=True)
        before = timers()
        for _ in range(300):
            await asyncio.to_thread(status_of, door, silent)
        await until(lambda: served.server.connections == 0)
        assert timers() <= before + 2

    serve(tmp_path, scenario)


def test_what_is_remembered_of_requests_is_bounded(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0)
        for _ in range(10):
            assert await served.post(f"/shuffle/{JOB}/0") == 200
        assert await served.post(f"/shuffle/{JOB}/0") == 503
        stranger = {"Authorization": Signer(JOB, "x").sign("POST", f"/shuffle/{JOB}/0")}
        assert await served.post(f"/shuffle/{JOB}/0", headers=stranger) == 401
        assert served.server._verifier.remembered == 10

    serve(tmp_path, scenario, ServerLimits(nonces=10))


def test_more_bodies_than_memory_are_not_read(tmp_path: Path) -> None:
    """The server does not wait for a stranger's body, whatever length its header states."""

    async def scenario(served: Served) -> None:
        door = door_of(served)
        sent = http("POST", f"/shuffle/{JOB}/0", b"x", Content_Length=str(REQUEST_BYTES_MAX))
        case = Case("waits", (sent,), frozenset({401}))
        assert await asyncio.to_thread(status_of, door, case) == 401
        body = b'{"maps": []}'
        signed = sign("POST", f"/shuffle/{JOB}/0", body)
        part = http("POST", f"/shuffle/{JOB}/0", body[:-1], **signed, Content_Length=str(len(body)))
        case = Case("waits for us", (part,), frozenset({408}))
        assert await asyncio.to_thread(status_of, door, case) == 408

    serve(tmp_path, scenario, ServerLimits(request_seconds=0.3))
