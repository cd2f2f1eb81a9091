"""The paths that jobs, chains and queues have alike: submit one, list all, show one.

Comes in: requests. Goes out: answers. Thread: the server's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

import msgspec
from aiohttp import web

from mrmesos.jobtracker.http.authentication import sent_body
from mrmesos.jobtracker.http.messages import (
    MAX_WAIT_SECONDS,
    as_json,
    decoded,
    error_answer,
    idempotency_key,
    wait_seconds,
)
from mrmesos.jobtracker.http.waiting import Waiting


class _State(Protocol):
    @property
    def ended(self) -> bool: ...


class _Status(Protocol):
    @property
    def state(self) -> _State: ...


P = TypeVar("P")
S = TypeVar("S", bound=_Status)
T = TypeVar("T")


async def _no_past(_name: str) -> None:
    return None


class Submitted(msgspec.Struct, Generic[P, S], frozen=True):
    """The handlers for things of one kind: `job`, `chain` or `queue`.

    `submit` gets what was submitted, a `spec`, and the client's key. `answer` makes the message
    with the new id. `past` finds the status of a thing that the core has forgotten.
    """

    kind: str
    spec: type[P]
    submit: Callable[[P, str], Future[str]]
    answer: Callable[[str], object]
    statuses: Callable[[], Future[list[S]]]
    status: Callable[[str], Future[S | None]]
    waiting: Waiting
    past: Callable[[str], Awaitable[S | None]] = _no_past

    def routes(self) -> Iterator[web.RouteDef]:
        """The three paths."""
        yield web.post(f"/api/v1/{self.kind}s", self._submit)
        yield web.get(f"/api/v1/{self.kind}s", self._list)
        yield web.get(f"/api/v1/{self.kind}s/{{{self.kind}_id}}", self._show)

    def name_in(self, request: web.Request) -> str:
        """The id in the request's path."""
        return request.match_info[f"{self.kind}_id"]

    async def wait_for(
        self,
        request: web.Request,
        ask: Callable[[], Awaitable[T | None]],
        over: Callable[[T], bool],
        most: float = MAX_WAIT_SECONDS,
    ) -> T | None:
        """What `ask` returns: at once if it is `over`, else at the end or after the wait.

        The request names its wait in seconds. It is at most `most`.
        """
        seconds = min(wait_seconds(request.query.get("wait", "0")), most)
        return await self.waiting.status(self.name_in(request), seconds, ask, over)

    def found(self, value: object | None, name: str) -> web.Response:
        """The value as an answer; 404 if there is none."""
        return error_answer(404, f"no {self.kind} {name}") if value is None else as_json(value)

    async def _submit(self, request: web.Request) -> web.Response:
        spec = decoded(sent_body(), self.spec)
        name = await asyncio.wrap_future(self.submit(spec, idempotency_key(request)))
        return as_json(self.answer(name), status=201)

    async def _list(self, _request: web.Request) -> web.Response:
        statuses: list[S] = await asyncio.wrap_future(self.statuses())
        return as_json(statuses)

    async def _show(self, request: web.Request) -> web.Response:
        name = self.name_in(request)
        status = await self.wait_for(
            request,
            lambda: asyncio.wrap_future(self.status(name)),
            lambda status: status.state.ended,
        )
        return self.found(await self.past(name) if status is None else status, name)
