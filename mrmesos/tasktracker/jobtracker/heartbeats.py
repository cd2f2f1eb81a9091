"""The heartbeat client: it keeps one heartbeat open, and sends a new one when there is news.

The JobTracker holds its answer for `tasktracker.heartbeat.seconds`, or longer in a large cluster.
Reports of ended attempts are answered at once beside it (mrmesos.wire.heartbeat).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import aiohttp
import msgspec

from mrmesos.retrying import try_for
from mrmesos.tasktracker.jobtracker.client import JobTrackerLink, NoAnswer
from mrmesos.wire.heartbeat import Heartbeat, HeartbeatAnswer

logger = logging.getLogger(__name__)

_PATH = "/api/v1/heartbeat"
_UNDER_WAY_MAX = 3
_LEAST_PAUSE_SECONDS = 0.02
"""Pause between an answer and the next heartbeat. It limits the pace if answers are not held."""
_LONGEST_BACKOFF_SECONDS = 1.0
"""Short, because slots are idle if their attempts end while the JobTracker restarts."""


class JobTrackerAway(Exception):
    """A heartbeat got no answer, or an invalid one."""


class Heartbeats:
    """Sends heartbeats until cancelled. Used in the event loop's thread only."""

    def __init__(
        self,
        jobtracker: JobTrackerLink,
        *,
        make: Callable[[], Heartbeat],
        on_answer: Callable[[HeartbeatAnswer, tuple[str, ...]], None],
        held_seconds: float,
        expiry_seconds: float,
        answer_seconds: float = 10.0,
    ) -> None:
        """`make` returns the next heartbeat.

        `on_answer` gets each answer, and the ids of the attempts whose reports its heartbeat had.
        The limit for an answer is `held_seconds + answer_seconds`.
        """
        self._jobtracker = jobtracker
        self._make = make
        self._on_answer = on_answer
        self._expiry_seconds = expiry_seconds
        self._timeout = aiohttp.ClientTimeout(
            total=held_seconds + answer_seconds, sock_connect=answer_seconds
        )
        self._news = asyncio.Event()
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(HeartbeatAnswer)

    def now(self) -> None:
        """Send a heartbeat now, because there is news."""
        self._news.set()

    async def run(self) -> None:
        """Run until cancelled.

        Raises JobTrackerAway if no answer comes for `tasktracker.expiry.seconds`.
        """
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                if not under_way or (self._news.is_set() and len(under_way) < _UNDER_WAY_MAX):
                    self._news.clear()
                    under_way.add(asyncio.create_task(self._beat_until_answered()))
                news = asyncio.create_task(self._news.wait())
                full = len(under_way) >= _UNDER_WAY_MAX
                waits = under_way if full else under_way | {news}
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                for task in done & under_way:
                    under_way.discard(task)
                    task.result()
                if not under_way:
                    await self._pause()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), _LEAST_PAUSE_SECONDS)
        except TimeoutError:
            return

    async def _beat_until_answered(self) -> None:
        """Send one heartbeat until it is answered. Each try sends the latest state.

        Raises JobTrackerAway.
        """
        await try_for(
            self._expiry_seconds, self._beat, JobTrackerAway, _LONGEST_BACKOFF_SECONDS, logger
        )

    async def _beat(self) -> None:
        heartbeat = self._make()
        answer = await self._post(heartbeat)
        self._on_answer(answer, tuple(report.attempt_id for report in heartbeat.reports))

    async def _post(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        body = self._encoder.encode(heartbeat)
        try:
            status, answer = await self._jobtracker.exchange(
                "POST", _PATH, body, time_limit=self._timeout
            )
        except NoAnswer as problem:
            raise JobTrackerAway(f"no answer to a heartbeat: {problem}") from problem
        if status != 200:
            raise JobTrackerAway(f"heartbeat answered with {status}: {answer[:200]!r}")
        try:
            return self._decoder.decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise JobTrackerAway(f"cannot decode the answer to a heartbeat: {problem}") from problem
