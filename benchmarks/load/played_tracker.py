"""One TaskTracker without processes: production core, heartbeats and signatures, played workers.

Comes in: slots and kills from Mesos. Goes out: status updates, heartbeats to the JobTracker.
A worker is a timer: an attempt ends well when its time is over. Thread: the event loop of `run`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import aiohttp
import msgspec

from benchmarks.load.lean_link import LeanLink
from mrmesos.api.context import Counters
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.core.tracker import TaskTracker
from mrmesos.tasktracker.jobtracker.client import JobTrackerLink
from mrmesos.tasktracker.jobtracker.heartbeats import Heartbeats
from mrmesos.tasktracker.settings import TrackerSettings
from mrmesos.wire.heartbeat import Heartbeat, HeartbeatAnswer
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import AttemptState
from mrmesos.worker.messages import Done

_TICK_SECONDS = 0.5
_FACTS_LIMIT = aiohttp.ClientTimeout(total=60)
COUNTERS: Counters = {
    "task": {
        "MAP_INPUT_RECORDS": 1000,
        "MAP_INPUT_BYTES": 100_000,
        "MAP_OUTPUT_RECORDS": 5000,
        "MAP_OUTPUT_BYTES": 40_000,
        "CPU_MILLISECONDS": 420,
        "SPILLED_RECORDS": 5000,
    }
}
"""Of every attempt: about as many as a real map has."""


@dataclass(slots=True)
class Tally:
    """The figures of all played TaskTrackers.

    `latencies` are seconds from sending a heartbeat with reports to its answer. `ends` are the
    moments (monotonic seconds) at which the answer to an attempt's report arrived.
    """

    latencies: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class PlayedTracker:
    """A TaskTracker from its registration with an agent to its end."""

    def __init__(
        self,
        settings: TrackerSettings,
        agent_id: str,
        hostname: str,
        send_status: Callable[[cmd.SendStatus], None],
        tally: Tally,
        attempt_seconds: float,
        seed: int,
    ) -> None:
        """Attempts last `attempt_seconds` on average, evenly drawn between 0.5 and 1.5 times."""
        self._settings, self._send_status, self._tally = settings, send_status, tally
        self._attempt_seconds = attempt_seconds
        self._random = random.Random(seed)
        self._tracker = TaskTracker(
            tracker_id=settings.tracker_id, agent_id=agent_id, hostname=hostname, now=time.time()
        )
        self._tracker.url = f"http://{settings.address}:1"
        self._link = LeanLink(settings.jobtracker, settings.tracker_id, settings.address)
        self._heartbeats: Heartbeats | None = None
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._sent_at: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until the core's Exit command."""
        self._spawn(self._tick())
        self._spawn(self._beat())
        try:
            await self._over
        except Exception as problem:  # noqa: BLE001 (the measurement fails with it)
            self._tally.failures.append(f"{self._settings.tracker_id}: {problem!r}")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._link.close()

    def use_key(self, key: str) -> None:
        """Set the key that signs requests."""
        self._link.use_key(key)

    def handle(self, event: ev.Event) -> None:
        """Let the core handle an event, and play its commands."""
        if not self._over.done():
            for command in self._tracker.handle(event, time.time()):
                self._play(command)

    def _play(self, command: cmd.Command) -> None:
        later = asyncio.get_running_loop().call_later
        match command:
            case cmd.StartWorker():
                later(0.0, self.handle, ev.WorkerReady(command.worker))
            case cmd.RunInWorker():
                done = Done(
                    attempt_id=command.attempt.attempt_id,
                    state=AttemptState.SUCCEEDED,
                    counters=COUNTERS,
                )
                seconds = self._attempt_seconds * self._random.uniform(0.5, 1.5)
                later(seconds, self.handle, ev.WorkerDone(command.worker, done))
            case cmd.KillWorker():
                later(0.0, self.handle, ev.WorkerExited(command.worker, -9))
            case cmd.FetchJob():
                self._spawn(self._fetch(command.job_id))
            case cmd.SendStatus():
                self._send_status(command)
            case cmd.HeartbeatNow():
                if self._heartbeats is not None:
                    self._heartbeats.now()
            case cmd.Exit():
                self._over.set_result(command.reason)
            case cmd.TellMapOutputs() | cmd.CleanAttempt() | cmd.DropJob():
                pass  # there are no files and no reduces that fetch

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) and not self._over.done():
            self._over.set_exception(problem)

    async def _fetch(self, job_id: str) -> None:
        path = f"/api/v1/jobs/{job_id}/facts"
        status, body = await self._link.exchange("GET", path, time_limit=_FACTS_LIMIT)
        if status == 200:
            self.handle(ev.JobFetched(msgspec.json.decode(body, type=JobFacts), "/nowhere"))
        else:
            self.handle(ev.JobFetchFailed(job_id, f"{path} was answered with {status}"))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.handle(ev.TrackerTick())

    async def _beat(self) -> None:
        await self._link.ready()
        self._heartbeats = Heartbeats(
            cast(JobTrackerLink, self._link),
            make=self._make,
            on_answer=self._answered,
            held_seconds=self._settings.heartbeat_seconds,
            expiry_seconds=self._settings.expiry_seconds,
        )
        await self._heartbeats.run()

    def _make(self) -> Heartbeat:
        heartbeat = self._tracker.heartbeat()
        now = time.monotonic()
        for report in heartbeat.reports:
            self._sent_at.setdefault(report.attempt_id, now)
        return heartbeat

    def _answered(self, answer: HeartbeatAnswer, reported: tuple[str, ...]) -> None:
        now = time.monotonic()
        known = [moment for each in reported if (moment := self._sent_at.pop(each, None))]
        self._tally.ends += [now] * len(known)
        if known:
            self._tally.latencies.append(now - min(known))
        self.handle(ev.HeartbeatAnswered(answer, reported))
