"""Measures what open pages cost the JobTracker: decisions and heartbeats with and without viewers.

    python -m benchmarks.pages [--browsers 20] [--rate 1000] [--rounds 7] [--seconds 8]

A real JobTracker runs jobs of many maps on played agents. Attempts end at a fixed rate; each end is
a heartbeat whose answer brings the next attempt, so it is a decision of findTask, too. In every
second round a process of its own holds streams of server-sent events open, as browsers do: on the
pages of the cluster, the jobs, a job and its attempts. Rounds with and without alternate, and
medians are compared. CPU time is that of the core's thread; the latency of a heartbeat goes from
its arrival to its answer. State the load of the machine with the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.handlers import slots
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.scheduling.find_task import find_task
from mrmesos.jobtracker.core.state.state import State
from mrmesos.jobtracker.service import JobTrackerService
from mrmesos.simulator.job_spec import simulated_job
from mrmesos.wire.heartbeat import Heartbeat, HeartbeatAnswer, RunAttempt
from mrmesos.wire.task import AttemptReport, AttemptState

AGENTS, SLOTS, MAPS, JOBS = 250, 4, 50_000, 10
TOKEN = "a token for this measurement"
TICK_SECONDS = 0.01


class NoDriver:
    """A Mesos that agrees to everything and sends nothing."""

    torn_down = True

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments, **_more: True


@dataclass(slots=True)
class Figures:
    """The figures of a round, in microseconds. Latencies are in milliseconds."""

    decisions: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def line(self) -> tuple[float, float, float, float]:
        """Medians: a decision, a heartbeat; the median and the 99th percentile of latencies."""
        return (
            median(self.decisions) / 1000,
            median(self.events) / 1000,
            median(self.latencies) * 1000,
            quantiles(self.latencies, n=100)[98] * 1000,
        )


class Replay:
    """A JobTracker with played TaskTrackers, whose attempts end at `rate` a second."""

    def __init__(self, rate: int) -> None:
        self.rate, self.figures = rate, Figures()
        conf = {"slot.lease.seconds": "1000000", "tasktracker.silence.seconds": "100000"}
        self.service = JobTrackerService(
            Conf({**conf, "tasktracker.expiry.seconds": "200000"}),
            "127.0.0.1:5050",
            token=TOKEN,
            make_driver=lambda *_more: NoDriver(),
        )
        self.url = self.service.start()
        self.running: deque[tuple[str, str, str]] = deque()  # attempt, slot, TaskTracker
        self.sequence: dict[str, int] = {}
        self.slots: dict[str, list[str]] = {}
        self._begin()

    def _begin(self) -> None:
        post = self.service._thread.post
        post(ev.Registered("framework"))
        splits = tuple(Split((FileSlice("memory://in", i, 1),), 1, ()) for i in range(MAPS))
        for number in range(JOBS):
            job_id = f"job_{self.service._session.life.stamp}_{number + 1:04d}"
            spec = replace(simulated_job("replay", job_id, 0, {}), output=f"memory://out/{job_id}")
            post(ev.JobSubmitted(job_id, spec, "token"))
            post(ev.JobPlanned(job_id, splits))
        self.job = job_id
        resources = tuple(
            {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}
            for name, value in (("cpus", float(SLOTS)), ("mem", SLOTS * 1024.0 + 128.0))
        )
        offers = [ev.Offer(f"o{i}", f"S{i}", f"host{i}", resources) for i in range(AGENTS)]
        post(ev.OffersReceived(tuple(offers)))
        found = self.service.backend.look(_running).result(60)
        for attempt, slot, tracker in found:
            self.running.append((attempt, slot, tracker))
            self.slots.setdefault(tracker, []).append(slot)
        for tracker in self.slots:
            self._beat(tracker, []).result(60)

    def _beat(self, tracker: str, reports: list[AttemptReport]) -> Future[HeartbeatAnswer]:
        number = self.sequence[tracker] = self.sequence.get(tracker, 0) + 1
        beat = Heartbeat(
            tracker_id=tracker,
            agent_id="",
            hostname="host",
            url="http://127.0.0.1:1",
            sequence=number,
            acknowledged=1 << 40,
            slots=self.slots[tracker],
            reports=reports,
            progress=[],
        )
        hear = self.service.backend.hear
        return self.service._thread.ask(lambda: hear(tracker, ev.HeartbeatReceived(beat)))

    def run(self, seconds: float) -> Figures:
        """Let attempts end for this long. Returns the figures."""
        self.figures = Figures()
        begin = time.monotonic()
        done = 0
        with self._watched():
            while (past := time.monotonic() - begin) < seconds:
                due = int(past * self.rate) - done
                for _ in range(due):
                    self._end_one()
                done += due
                time.sleep(TICK_SECONDS)
        return self.figures

    def _end_one(self) -> None:
        while not self.running:  # the JobTracker is behind
            time.sleep(TICK_SECONDS / 10)
        attempt, slot, tracker = self.running.popleft()
        now = time.time()
        report = AttemptReport(
            attempt_id=attempt,
            slot_id=slot,
            state=AttemptState.SUCCEEDED,
            started=now,
            ended=now,
            counters={"task": {"MAP_INPUT_RECORDS": 100, "MAP_INPUT_BYTES": 1000}},
        )
        begin = time.monotonic()

        def answered(future: Future[HeartbeatAnswer]) -> None:
            self.figures.latencies.append(time.monotonic() - begin)
            for numbered in future.result().actions:
                if isinstance(numbered.action, RunAttempt):
                    run = numbered.action.attempt
                    self.running.append((run.attempt_id, run.slot_id, tracker))

        self._beat(tracker, [report]).add_done_callback(answered)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        handle, figures = self.service._core.handle, self.figures

        def timed_find(*arguments: Any) -> Any:
            begin = time.thread_time_ns()
            found = find_task(*arguments)
            figures.decisions.append(time.thread_time_ns() - begin)
            return found

        def timed_handle(event: ev.Event, now: float) -> Any:
            begin = time.thread_time_ns()
            commands = handle(event, now)
            if isinstance(event, ev.HeartbeatReceived):
                figures.events.append(time.thread_time_ns() - begin)
            return commands

        with (
            patch.object(slots, "find_task", timed_find),
            patch.object(self.service._core, "handle", timed_handle),
        ):
            yield


def _running(st: State) -> list[tuple[str, str, str]]:
    return [(a.id, a.slot_id, a.tracker_id) for a in st.attempts.values()]


@contextmanager
def viewers(replay: Replay, number: int) -> Iterator[None]:
    """This many browsers look at the pages, from a process of their own."""
    words = [sys.executable, "-m", "benchmarks.pages", "--look", replay.url, "--job", replay.job]
    looking = subprocess.Popen([*words, "--browsers", str(number)], stdout=subprocess.PIPE)
    try:
        assert looking.stdout is not None
        assert looking.stdout.readline() == b"open\n", "the pages do not open"
        yield
    finally:
        looking.terminate()
        looking.communicate()


async def look(url: str, job: str, number: int) -> None:
    """Log in, and hold `number` streams open."""
    import aiohttp

    pages = ("/ui/", "/ui/jobs", f"/ui/jobs/{job}", f"/ui/jobs/{job}/attempts")
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout()) as session:
        form, headers = {"token": TOKEN}, {"Origin": url}
        async with session.post(f"{url}/ui/login", data=form, headers=headers) as answer:
            assert answer.status == 200, answer.status
        first = [asyncio.Event() for _ in range(number)]

        async def follow(place: int) -> None:
            where = f"{url}/ui/events?of={pages[place % len(pages)]}"
            async with session.get(where) as stream:
                async for _ in stream.content.iter_any():
                    first[place].set()

        tasks = [asyncio.create_task(follow(place)) for place in range(number)]
        await asyncio.gather(*(each.wait() for each in first))
        print("open", flush=True)
        await asyncio.gather(*tasks)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--look", help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.look:
        asyncio.run(look(asked.look, asked.job, asked.browsers))
        return
    replay = Replay(asked.rate)
    replay.run(2.0)  # caches are warm
    without: list[tuple[float, ...]] = []
    with_them: list[tuple[float, ...]] = []
    for number in range(asked.rounds):
        without.append(replay.run(asked.seconds).line())
        with viewers(replay, asked.browsers):
            with_them.append(replay.run(asked.seconds).line())
        print(f"round {number + 1}: {without[-1]} {with_them[-1]}", file=sys.stderr)
    names = ("decision, µs CPU", "heartbeat, µs CPU", "latency, ms", "latency, 99th, ms")
    load = os.getloadavg()[0]
    print(f"{asked.rate} attempts/s, {asked.browsers} browsers, load of the machine {load:.1f}")
    for name, before, after in zip(
        names, zip(*without, strict=True), zip(*with_them, strict=True), strict=True
    ):
        ratio = median(b / a for a, b in zip(before, after, strict=True))
        print(f"{name:20} {median(before):9.2f} {median(after):9.2f}  x{ratio:.3f}")
    os._exit(0)  # the service's jobs have no files to clean up


if __name__ == "__main__":
    main()
