"""Clients that wait for the end of a job or a chain. Thread: the server's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

S = TypeVar("S")


class Waiting:
    """Holds requests that wait: for each, an event under the id of the job, chain or queue."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}
        self._closing = False

    def ended(self, name: str) -> None:
        """Answer the clients that wait for this end."""
        for waiting in self._events.pop(name, ()):
            waiting.set()

    def close(self) -> None:
        """Answer all requests. From now on, hold none."""
        self._closing = True
        for name in list(self._events):
            self.ended(name)

    async def status(
        self,
        name: str,
        seconds: float,
        ask: Callable[[], Awaitable[S | None]],
        over: Callable[[S], bool],
    ) -> S | None:
        """The status. It returns at once if it is `over`, else when the end comes or `seconds` are
        past.
        """
        ended = asyncio.Event()
        self._events.setdefault(name, set()).add(ended)
        try:
            # `ended` is registered before the question, so that no end is missed in between.
            status = await ask()
            if status is not None and not over(status) and seconds > 0 and not self._closing:
                await set_within(ended, seconds)
                status = await ask()
        finally:
            if (waiting := self._events.get(name)) is not None:
                waiting.discard(ended)
                if not waiting:
                    del self._events[name]
        return status


async def set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
