"""The paths of the API about queues of free tasks. Thread: the server's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aiohttp import web

from mrmesos.jobtracker.http.authentication import sent_body
from mrmesos.jobtracker.http.backend import Backend
from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.jobtracker.http.messages import decoded, error_answer
from mrmesos.jobtracker.http.submitted import Submitted
from mrmesos.jobtracker.http.waiting import Waiting
from mrmesos.wire.queue import QueueAnswer, QueueRequest, QueueSpec


class QueueApi:
    """The handlers of these paths. Clients that wait for ends of tasks stand in `waiting`, too."""

    def __init__(self, backend: Backend, waiting: Waiting) -> None:
        self._backend = backend
        self._queues = Submitted(
            kind="queue",
            spec=QueueSpec,
            submit=backend.submit_queue,
            answer=QueueAnswer,
            statuses=backend.queue_statuses,
            status=backend.queue_status,
            waiting=waiting,
        )

    def routes(self) -> Iterator[web.RouteDef]:
        """All paths."""
        yield from self._queues.routes()
        yield web.post("/api/v1/queues/{queue_id}/tasks", self._request)
        yield web.get("/api/v1/queues/{queue_id}/ends", self._ends)

    async def _request(self, request: web.Request) -> web.Response:
        queue_id = self._queues.name_in(request)
        wanted = decoded(sent_body(), QueueRequest)
        if not await asyncio.wrap_future(self._backend.queue_request(queue_id, wanted)):
            return error_answer(404, f"no queue {queue_id} in progress")
        return web.Response(status=202)

    async def _ends(self, request: web.Request) -> web.Response:
        """Forget the ends up to `taken`. Answer with the later ones, as soon as there are any."""
        queue_id = self._queues.name_in(request)
        taken = _number(request.query.get("taken", "0"))
        found = await self._queues.wait_for(
            request,
            lambda: asyncio.wrap_future(self._backend.queue_ends(queue_id, taken)),
            lambda found: bool(found.ends) or found.state.ended,
            self._backend.queue_wait,
        )
        return self._queues.found(found, queue_id)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(f"taken={text[:50]}: expected the number of an end")
    return int(text)
