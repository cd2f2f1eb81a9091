"""The heartbeat client against a scripted JobTracker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import aiohttp
import pytest

from mrmesos.tasktracker.jobtracker.heartbeats import Heartbeats, JobTrackerAway
from mrmesos.wire.heartbeat import EndSlot, Heartbeat, HeartbeatAnswer
from mrmesos.wire.task import AttemptReport, AttemptState
from tests.tasktracker.fake_jobtracker import FakeJobTracker, fake_jobtracker, link_to
from tests.tasktracker.support import until


class Reporter:
    """The tracker's side: the reports to send, and the answers received."""

    def __init__(self) -> None:
        self.sequence = 0
        self.acknowledged = 0
        self.pending: list[str] = []
        self.answers: list[tuple[HeartbeatAnswer, tuple[str, ...]]] = []

    def make(self) -> Heartbeat:
        self.sequence += 1
        reports = [
            AttemptReport(
                attempt_id=name,
                slot_id="slot_1",
                state=AttemptState.SUCCEEDED,
                started=0,
                ended=1,
            )
            for name in self.pending
        ]
        return Heartbeat(
            tracker_id="t",
            agent_id="a",
            hostname="h",
            url="u",
            sequence=self.sequence,
            acknowledged=self.acknowledged,
            slots=[],
            reports=reports,
        )

    def hear(self, answer: HeartbeatAnswer, reported: tuple[str, ...]) -> None:
        self.answers.append((answer, reported))
        self.pending = [name for name in self.pending if name not in reported]
        for numbered in answer.actions:
            self.acknowledged = max(self.acknowledged, numbered.number)


Scenario = Callable[[Heartbeats, Reporter, FakeJobTracker], Coroutine[None, None, None]]


def play(scenario: Scenario, *, hold: float = 20.0, expiry: float = 20.0) -> None:
    async def body() -> None:
        async with fake_jobtracker() as jobtracker, link_to(jobtracker) as link:
            jobtracker.hold_seconds = hold
            reporter = Reporter()
            heartbeats = Heartbeats(
                link,
                make=reporter.make,
                on_answer=reporter.hear,
                held_seconds=hold,
                expiry_seconds=expiry,
                answer_seconds=2.0,
            )
            await scenario(heartbeats, reporter, jobtracker)

    asyncio.run(body())


def running(scenario: Scenario) -> Scenario:
    """Run the client during a test, and cancel it afterwards."""

    async def run(heartbeats: Heartbeats, reporter: Reporter, jobtracker: FakeJobTracker) -> None:
        task = asyncio.create_task(heartbeats.run())
        await scenario(heartbeats, reporter, jobtracker)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    return run


def test_one_heartbeat_is_always_under_way() -> None:
    @running
    async def scenario(_: Heartbeats, reporter: Reporter, jobtracker: FakeJobTracker) -> None:
        await until(lambda: len(jobtracker.heartbeats) >= 4)
        assert [h.sequence for h in jobtracker.heartbeats[:4]] == [1, 2, 3, 4]

    play(scenario, hold=0.05)


def test_an_action_arrives_without_waiting() -> None:
    @running
    async def scenario(_: Heartbeats, reporter: Reporter, jobtracker: FakeJobTracker) -> None:
        await until(lambda: len(jobtracker.heartbeats) == 1)
        jobtracker.act(EndSlot("slot_1"))
        await until(lambda: bool(reporter.answers))
        assert reporter.answers[0][0].actions[0].action == EndSlot("slot_1")
        await until(lambda: jobtracker.heartbeats[-1].acknowledged == 1)

    play(scenario)


def test_news_are_sent_while_a_heartbeat_is_held() -> None:
    @running
    async def scenario(
        heartbeats: Heartbeats, reporter: Reporter, jobtracker: FakeJobTracker
    ) -> None:
        await until(lambda: len(jobtracker.heartbeats) == 1)
        reporter.pending.append("attempt_1")
        heartbeats.now()
        await until(lambda: "attempt_1" in jobtracker.reports)
        # The held one was released by the newer.
        await until(lambda: bool(reporter.answers))
        assert len(jobtracker.heartbeats) >= 2

    play(scenario)


@pytest.mark.parametrize("statuses", [[500], [0], [404, 503, 0, 0]])
def test_a_report_is_repeated_until_answered(statuses: list[int]) -> None:
    @running
    async def scenario(_: Heartbeats, reporter: Reporter, jobtracker: FakeJobTracker) -> None:
        reporter.pending.append("attempt_1")
        jobtracker.statuses = list(statuses)
        await until(lambda: any("attempt_1" in names for _, names in reporter.answers))
        assert reporter.pending == []
        assert reporter.sequence > len(statuses), "each try is a heartbeat of its own"

    play(scenario, hold=0.05)


def test_a_jobtracker_that_stays_away_ends_it() -> None:
    async def scenario(
        heartbeats: Heartbeats, reporter: Reporter, jobtracker: FakeJobTracker
    ) -> None:
        jobtracker.statuses = [503] * 10_000
        with pytest.raises(JobTrackerAway, match="503"):
            await heartbeats.run()
        assert len(jobtracker.requests) < 60, "it backs off"

    play(scenario, expiry=1.0)


def test_rubbish_is_no_answer() -> None:
    async def scenario(
        heartbeats: Heartbeats, reporter: Reporter, jobtracker: FakeJobTracker
    ) -> None:
        jobtracker.statuses = [200] * 10_000  # with the body "scripted"
        with pytest.raises(JobTrackerAway, match="cannot decode the answer"):
            await heartbeats.run()

    play(scenario, expiry=0.3)


def test_a_jobtracker_without_patience_is_not_flooded() -> None:
    @running
    async def scenario(_: Heartbeats, reporter: Reporter, jobtracker: FakeJobTracker) -> None:
        jobtracker.hold_seconds = 0.0
        await asyncio.sleep(1.0)
        assert 0 < len(jobtracker.heartbeats) <= 55

    play(scenario)


@pytest.mark.parametrize("source", ["", "127.0.0.2"])
def test_requests_come_from_the_agents_address(source: str) -> None:
    async def body() -> None:
        async with fake_jobtracker() as jobtracker, link_to(jobtracker, source=source) as link:
            timeout = aiohttp.ClientTimeout(total=20.0)
            await link.exchange("GET", "/api/v1/jobs/j/facts", time_limit=timeout)
            assert jobtracker.sources == {source or "127.0.0.1"}

    asyncio.run(body())
