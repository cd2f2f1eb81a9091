"""The facts that a TaskTracker shows about itself, and the clients that may see them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mrmesos.access.signing import AUTHORIZATION, REPLY, Signer
from mrmesos.tasktracker.core.tracker import TaskTracker
from mrmesos.tasktracker.inspection import Inspection
from mrmesos.tasktracker.outputs.job_cache import JobCache
from mrmesos.tasktracker.outputs.shuffle_server import ShuffleServer
from mrmesos.tasktracker.workers.worker_pool import WorkerPool
from mrmesos.wire.tracker_status import Stack, TrackerStatus
from tests.tasktracker.fake_jobtracker import fake_jobtracker, link_to

TRACKER = "tracker_202611201130_1"
Ask = Callable[..., Awaitable[tuple[int, bytes]]]


def play(
    sandbox: Path, scenario: Callable[[Ask], Awaitable[None]], *, public: bool = False
) -> None:
    """Serve a TaskTracker's own pages. `ask(path, key)` is a signed request."""

    async def body() -> None:
        async with (
            fake_jobtracker() as jobtracker,
            link_to(jobtracker) as link,
            aiohttp.ClientSession() as client,
        ):
            tracker = TaskTracker(tracker_id=TRACKER, agent_id="a", hostname="h", now=0.0)
            jobs = JobCache(sandbox, link)
            pool = WorkerPool(sandbox, lambda _event: None)
            server = ShuffleServer(jobs)
            inspection = Inspection(tracker, pool, jobs, sandbox, public=public)
            inspection.attach(server)
            url = await server.start("127.0.0.1")

            async def ask(path: str, key: str = "", who: str = TRACKER) -> tuple[int, bytes]:
                signer = Signer(who, key)
                signed = signer.sign("GET", path)
                headers = {AUTHORIZATION: signed} if key else {}
                async with client.get(url + path, headers=headers) as answer:
                    body = await answer.read()
                    if answer.status == 200 and key:
                        digest = hashlib.sha256(body).hexdigest()
                        assert signer.proves(signed, answer.headers[REPLY], digest)
                    return answer.status, body

            try:
                assert (await ask("/status", ""))[0] == 401
                assert (await ask("/status", "any"))[0] == 401, "no key is known yet"
                inspection.use_key("the key")
                await scenario(ask)
            finally:
                await server.close()

    asyncio.run(body())


@pytest.mark.parametrize("path", ["/status", "/attempts/attempt_1_1_m_1_0/stack", "/metrics"])
def test_only_the_jobtracker_is_answered(tmp_path: Path, path: str) -> None:
    async def scenario(ask: Ask) -> None:
        assert (await ask(path))[0] == 401
        assert (await ask(path, "another key"))[0] == 401
        assert (await ask(path, "the key", who="tracker_1_2"))[0] == 401
        assert (await ask(path, "the key"))[0] == 200

    play(tmp_path, scenario)


def test_status_and_stack_of_an_attempt_that_does_not_run(tmp_path: Path) -> None:
    async def scenario(ask: Ask) -> None:
        status = msgspec.json.decode((await ask("/status", "the key"))[1], type=TrackerStatus)
        assert (status.tracker_id, status.slots, status.workers) == (TRACKER, 0, [])
        assert status.memory_bytes > 1 << 20
        assert status.disk_total_bytes >= status.disk_free_bytes > 0
        stack = (await ask("/attempts/attempt_1_1_m_1_0/stack", "the key"))[1]
        assert msgspec.json.decode(stack, type=Stack).problem.endswith("does not run here now")

    play(tmp_path, scenario)


def test_metrics_may_be_public(tmp_path: Path) -> None:
    async def scenario(ask: Ask) -> None:
        status, text = await ask("/metrics")
        assert status == 200
        names = set()
        for family in text_string_to_metric_families(text.decode()):
            assert family.name.startswith("mrmesos_tasktracker_")
            assert family.documentation.endswith(".")
            names |= {sample.name for sample in family.samples}
        assert "mrmesos_tasktracker_shuffle_sent_bytes_total" in names
        assert (await ask("/status"))[0] == 401

    play(tmp_path, scenario, public=True)
