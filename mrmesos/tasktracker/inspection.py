"""What a TaskTracker shows of itself: its status, metrics, and the stack of a worker.

    GET /status                         TrackerStatus
    GET /attempts/{attempt_id}/stack    Stack
    GET /metrics                        the same numbers for Prometheus

The JobTracker signs its requests with this TaskTracker's key. With `tasktracker.metrics.public`
anybody may read the metrics. They name no job and no user. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from mrmesos.access.signing import AUTHORIZATION, REPLY, Verified, Verifier
from mrmesos.metrics_text import PATH, content_type, counter, exposition, gauge, keys
from mrmesos.tasktracker.core.tracker import TaskTracker
from mrmesos.tasktracker.outputs.job_cache import JobCache
from mrmesos.tasktracker.outputs.shuffle_server import ShuffleServer
from mrmesos.tasktracker.workers import processes
from mrmesos.tasktracker.workers.worker_pool import WorkerPool
from mrmesos.wire.tracker_status import STACK_PATH, STATUS_PATH, TrackerStatus

if TYPE_CHECKING:
    from prometheus_client import Metric

_JSON = "application/json"


class Inspection:
    """The handlers. The shell passes what they look at."""

    def __init__(
        self, tracker: TaskTracker, pool: WorkerPool, jobs: JobCache, sandbox: Path, *, public: bool
    ) -> None:
        self._tracker, self._pool, self._jobs, self._sandbox = tracker, pool, jobs, sandbox
        self._public, self._key = public, ""
        self._verifier = Verifier(self._key_of)
        self._began = time.monotonic()
        self._server: ShuffleServer | None = None

    def attach(self, server: ShuffleServer) -> None:
        """Serve from this server, which has not started yet."""
        self._server = server
        server.routes.add_get(STATUS_PATH, self._show_status)
        server.routes.add_get(STACK_PATH, self._show_stack)
        server.routes.add_get(PATH, self._show_metrics)

    def use_key(self, key: str) -> None:
        """The key with which the JobTracker signs."""
        self._key = key

    def _key_of(self, who: str) -> str | None:
        return self._key if self._key and who == self._tracker.tracker_id else None

    async def _show_status(self, request: web.Request) -> web.Response:
        signed = self._signed(request)
        return _proven(signed, msgspec.json.encode(await self.status()), _JSON)

    async def _show_stack(self, request: web.Request) -> web.Response:
        signed = self._signed(request)
        found = await self._pool.stack(request.match_info["attempt_id"])
        return _proven(signed, msgspec.json.encode(found), _JSON)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        signed = None if self._public else self._signed(request)
        status = await self.status()
        text = await asyncio.to_thread(lambda: exposition(families(status)))
        kind = content_type()
        if signed is None:
            return web.Response(body=text, headers={"Content-Type": kind})
        return _proven(signed, text, kind)

    def _signed(self, request: web.Request) -> Verified:
        """Raises Refusal if the JobTracker has not signed the request."""
        header = request.headers.get(AUTHORIZATION, "")
        return self._verifier.verify(request.method, request.raw_path, header)

    async def status(self) -> TrackerStatus:
        """All that is shown."""
        assert self._server is not None
        tracker, served = self._tracker, self._server.served
        disk = await asyncio.to_thread(shutil.disk_usage, self._sandbox)
        workers = await asyncio.to_thread(self._pool.workers)
        return TrackerStatus(
            tracker_id=tracker.tracker_id,
            hostname=tracker.hostname,
            seconds=time.monotonic() - self._began,
            slots=len(tracker.slots),
            busy=sum(bool(slot.attempt_id) for slot in tracker.slots.values()),
            memory_bytes=processes.memory_bytes([os.getpid()], 0),
            disk_total_bytes=disk.total,
            disk_free_bytes=disk.free,
            jobs=len(self._jobs),
            map_outputs=self._jobs.outputs,
            connections=self._server.connections,
            served_bytes=served.bytes,
            served_requests=served.requests,
            attempts=dict(self._pool.ended),
            workers=workers,
        )


def _proven(signed: Verified, body: bytes, kind: str) -> web.Response:
    """An answer that proves that we have the key."""
    reply = signed.reply(hashlib.sha256(body).hexdigest())
    return web.Response(body=body, headers={"Content-Type": kind, REPLY: reply})


def families(status: TrackerStatus) -> Iterator[Metric]:
    """The same as metrics."""
    slots = {"busy": status.busy, "idle": status.slots - status.busy}
    yield gauge("tasktracker_slots", "Slots.", keys(slots), "state")
    workers = sum(worker.memory_bytes for worker in status.workers)
    memory = {"tasktracker": status.memory_bytes, "workers": workers}
    yield gauge("tasktracker_memory_bytes", "Memory, by process.", keys(memory), "process")
    used = status.disk_total_bytes - status.disk_free_bytes
    disk = {"free": status.disk_free_bytes, "used": used}
    yield gauge("tasktracker_disk_bytes", "The disk of the sandbox.", keys(disk), "state")
    outputs = {(): status.map_outputs}
    yield gauge("tasktracker_map_outputs", "Map outputs that it serves.", outputs)
    yield gauge("tasktracker_connections", "Open connections.", {(): status.connections})
    sent = {(): status.served_bytes}
    yield counter("tasktracker_shuffle_sent_bytes", "Map output sent to reduces.", sent)
    asked = {(): status.served_requests}
    yield counter("tasktracker_shuffle_requests", "Requests for map output.", asked)
    words = "Attempts that ended here, by state."
    yield counter("tasktracker_attempts_ended", words, keys(status.attempts), "state")
    yield gauge("tasktracker_uptime_seconds", "Since it started.", {(): status.seconds})
