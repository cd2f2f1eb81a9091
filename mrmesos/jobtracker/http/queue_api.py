"""The paths of the API about queues of free tasks. Thread: the server's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aiohttp import web

from mrmesos.jobtracker.http.authentication import sent_body
from mrmesos.jobtracker.http.backend import Backend
from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.jobtracker.http.messages import (
    as_json,
    decoded,
    error_answer,
    idempotency_key,
    wait_seconds,
)
from mrmesos.jobtracker.http.waiting import Waiting
from mrmesos.wire.queue import QueueAnswer, QueueRequest, QueueSpec


class QueueApi:
    """The handlers of these paths. Clients that wait for ends of tasks stand in `waiting`, too."""

    def __init__(self, backend: Backend, waiting: Waiting) -> None:
        self._backend, self._waiting = backend, waiting

    def routes(self) -> Iterator[web.RouteDef]:
        """All paths."""
        yield web.post("/api/v1/queues", self._submit)
        yield web.get("/api/v1/queues", self._list)
        yield web.get("/api/v1/queues/{queue_id}", self._status)
        yield web.post("/api/v1/queues/{queue_id}/tasks", self._request)
        yield web.get("/api/v1/queues/{queue_id}/ends", self._ends)

    async def _submit(self, request: web.Request) -> web.Response:
        spec = decoded(sent_body(), QueueSpec)
        asked = self._backend.submit_queue(spec, idempotency_key(request))
        return as_json(QueueAnswer(await asyncio.wrap_future(asked)), status=201)

    async def _list(self, _request: web.Request) -> web.Response:
        statuses = await asyncio.wrap_future(self._backend.queue_statuses())
        return as_json(statuses)

    async def _status(self, request: web.Request) -> web.Response:
        queue_id = request.match_info["queue_id"]
        status = await self._waiting.status(
            queue_id,
            wait_seconds(request.query.get("wait", "0")),
            lambda: asyncio.wrap_future(self._backend.queue_status(queue_id)),
            lambda status: status.state.ended,
        )
        return error_answer(404, f"no queue {queue_id}") if status is None else as_json(status)

    async def _request(self, request: web.Request) -> web.Response:
        queue_id = request.match_info["queue_id"]
        wanted = decoded(sent_body(), QueueRequest)
        if not await asyncio.wrap_future(self._backend.queue_request(queue_id, wanted)):
            return error_answer(404, f"no queue {queue_id} in progress")
        return web.Response(status=202)

    async def _ends(self, request: web.Request) -> web.Response:
        """Forget the ends up to `taken`. Answer with the later ones, as soon as there are any."""
        queue_id = request.match_info["queue_id"]
        taken = _number(request.query.get("taken", "0"))
        found = await self._waiting.status(
            queue_id,
            min(wait_seconds(request.query.get("wait", "0")), self._backend.queue_wait),
            lambda: asyncio.wrap_future(self._backend.queue_ends(queue_id, taken)),
            lambda found: bool(found.ends) or found.state.ended,
        )
        return error_answer(404, f"no queue {queue_id}") if found is None else as_json(found)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(f"taken={text[:50]}: expected the number of an end")
    return int(text)
