"""One TaskTracker without processes: production core, messages and signatures, played workers.

Comes in: slots and kills from Mesos. Goes out: status updates, heartbeats to the JobTracker.
A worker is a timer: an attempt ends well when its time is over. The core gets no ticks: they look
for silent attempts and late workers, and there are none. Thread: the event loop of `run`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from benchmarks.load.lean_link import LeanLink
from mrmesos.api.context import Counters
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.core.tracker import TaskTracker
from mrmesos.tasktracker.settings import TrackerSettings
from mrmesos.wire.heartbeat import HeartbeatAnswer
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import AttemptState
from mrmesos.worker.messages import Done

_PATH = "/api/v1/heartbeat"
_UNDER_WAY_MAX = 3
_LEAST_PAUSE_SECONDS = 0.02
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(HeartbeatAnswer).decode
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
    moments (monotonic seconds) at which the answer to an attempt's report arrived. `lateness` says
    how many seconds after their time attempts ended, because this process was busy.
    """

    latencies: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
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
        self._link = LeanLink(
            settings.jobtracker, settings.tracker_id, settings.address, self._fail
        )
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._sent_at: dict[str, float] = {}
        self._under_way = 0
        self._news = False

    async def run(self) -> None:
        """Run until the core's Exit command."""
        try:
            await self._over
        finally:
            self._over.cancel()
            self._link.close()

    def _fail(self, problem: str) -> None:
        """The measurement fails with it."""
        self._tally.failures.append(f"{self._settings.tracker_id}: {problem}")

    def use_key(self, key: str) -> None:
        """Set the key that signs requests. With the first one, heartbeats begin."""
        begins = not self._link.has_key
        self._link.use_key(key)
        if begins:
            self._beat()

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
                due = time.monotonic() + seconds
                later(seconds, self._end_attempt, ev.WorkerDone(command.worker, done), due)
            case cmd.KillWorker():
                later(0.0, self.handle, ev.WorkerExited(command.worker, -9))
            case cmd.FetchJob():
                self._fetch(command.job_id)
            case cmd.SendStatus():
                self._send_status(command)
            case cmd.HeartbeatNow():
                self._news = True
                if self._link.has_key and self._under_way < _UNDER_WAY_MAX:
                    self._beat()
            case cmd.Exit():
                self._over.set_result(command.reason)
            case cmd.TellMapOutputs() | cmd.CleanAttempt() | cmd.DropJob():
                pass  # there are no files and no reduces that fetch

    def _end_attempt(self, event: ev.WorkerDone, due: float) -> None:
        self._tally.lateness.append(time.monotonic() - due)
        self.handle(event)

    def _fetch(self, job_id: str) -> None:
        path = f"/api/v1/jobs/{job_id}/facts"

        def fetched(status: int, body: bytes) -> None:
            if status == 200:
                self.handle(ev.JobFetched(msgspec.json.decode(body, type=JobFacts), "/nowhere"))
            else:
                self.handle(ev.JobFetchFailed(job_id, f"{path} was answered with {status}"))

        self._link.send("GET", path, b"", fetched)

    # Heartbeats, by the rules of mrmesos.tasktracker.jobtracker.heartbeats.

    def _beat(self) -> None:
        heartbeat = self._tracker.heartbeat()
        reported = tuple(report.attempt_id for report in heartbeat.reports)
        now = time.monotonic()
        for attempt_id in reported:
            self._sent_at.setdefault(attempt_id, now)
        self._under_way += 1
        self._news = False
        self._link.send("POST", _PATH, _encode(heartbeat), partial(self._answered, reported))

    def _answered(self, reported: tuple[str, ...], status: int, body: bytes) -> None:
        if status != 200:
            self._fail(f"a heartbeat was answered with {status}: {body[:200]!r}")
            return
        answer = _decode(body)
        now = time.monotonic()
        known = [moment for each in reported if (moment := self._sent_at.pop(each, None))]
        self._tally.ends += [now] * len(known)
        if known:
            self._tally.latencies.append(now - min(known))
        self._under_way -= 1
        self.handle(ev.HeartbeatAnswered(answer, reported))
        if self._news and self._under_way < _UNDER_WAY_MAX:
            self._beat()
        elif not self._under_way:
            asyncio.get_running_loop().call_later(_LEAST_PAUSE_SECONDS, self._beat_again)

    def _beat_again(self) -> None:
        if not self._under_way and not self._over.done():
            self._beat()
