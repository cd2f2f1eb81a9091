"""One peer's message makes the core raise. It has no effect, and everything else goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mrmesos.api.split import FileSlice, Split
from mrmesos.client.api_client import ApiProblem
from mrmesos.jobtracker.core.handlers import attempts, deadlines, jobs, offers, slots
from mrmesos.jobtracker.core.messages.commands import Acknowledge, DeclineOffers
from mrmesos.jobtracker.core.messages.events import (
    JobPlanFailed,
    JobPlanned,
    JobSubmitted,
    JobUnkept,
    Offer,
    OffersReceived,
    Tick,
)
from mrmesos.jobtracker.core.messages.journal_records import AttemptRecord, WriteRecords
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.jobtracker.quarantine import OWN_FAULT_SECONDS, Quarantine, answers, shortened
from mrmesos.jobtracker.storage import planner
from mrmesos.jobtracker.storage.journal_session import JournalSession
from mrmesos.wire.heartbeat import EndSlot
from mrmesos.wire.ids import AgentId, SlotId
from mrmesos.wire.job import JobState
from mrmesos.wire.task import Locality
from tests.jobtracker.fakes import offer_json, wait_until
from tests.jobtracker.harness import Hands, long, spec
from tests.jobtracker.test_service import Desk, data_of, done, first_of


@pytest.fixture(params=["with a journal", "without"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    conf = {"tasktracker.heartbeat.seconds": "0.05"}
    if request.param == "with a journal":
        conf["jobtracker.state.dir"] = str(tmp_path / "state")
    desk = Desk(conf)
    yield desk
    desk.client.close()
    desk.service.stop(timeout=0.5)


class Bomb:
    """Replaces a function. It does the function's work, and then raises, `times` times."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        module: Any,
        name: str,
        when: Callable[..., bool] = lambda *_: True,
        times: int = 1,
    ) -> None:
        self.left, self._when, self._real = times, when, getattr(module, name)
        monkeypatch.setattr(module, name, self)

    def __call__(self, *args: Any) -> Any:
        answer = self._real(*args)
        if self.left and self._when(*args):
            self.left -= 1
            raise ZeroDivisionError("a fault of ours")
        return answer


def start(desk: Desk, directory: Path, number: int = 1) -> tuple[str, str, Any]:
    """A job whose only map runs. Returns the job, its TaskTracker, and the attempt."""
    directory.mkdir(exist_ok=True)
    job_id = desk.client.submit(desk.spec(directory))
    wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
    (task,) = desk.offer(number)
    return job_id, task["executor"]["executor_id"]["value"], first_of(task)


def finish(desk: Desk, directory: Path, job_id: str, tracker: str, attempt: Any) -> None:
    desk.beat(tracker, [attempt.slot_id])
    written = directory / "out" / "_temporary" / attempt.attempt_id
    written.mkdir()
    (written / "part-m-00000").write_text("x\n")
    answer = desk.beat(tracker, [attempt.slot_id], [done(attempt)])
    while EndSlot(attempt.slot_id) not in [numbered.action for numbered in answer.actions]:
        answer = desk.beat(tracker, [attempt.slot_id])
    assert desk.client.status(job_id, wait=20).state is JobState.SUCCEEDED


def counts(desk: Desk) -> dict[str, int]:
    return desk.client.service_status().set_aside


def test_a_heartbeat(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id, tracker, attempt = start(desk, tmp_path / "a")
    desk.beat(tracker, [attempt.slot_id])
    bomb = Bomb(monkeypatch, attempts, "_won")
    answer = desk.beat(tracker, [attempt.slot_id], [done(attempt)])
    assert answer.unknown  # then it ends itself, and its attempts run elsewhere
    assert bomb.left == 0
    assert desk.service.failure is None
    status = desk.client.status(job_id)
    assert (status.state, status.maps.succeeded, status.maps.running) == (JobState.RUNNING, 0, 1)
    assert counts(desk) == {"HeartbeatReceived": 1}
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert attempt.attempt_id in record.getMessage()
    assert record.exc_info is not None
    assert desk.beat(tracker, [attempt.slot_id], [done(attempt)]).unknown
    callbacks = desk.driver.callbacks
    assert callbacks is not None
    callbacks.executor_lost("agent-S0", tracker, 0)
    callbacks.status_update(
        {
            "task_id": {"value": attempt.slot_id},
            "agent_id": {"value": "agent-S0"},
            "state": "TASK_FAILED",
            "reason": "REASON_EXECUTOR_TERMINATED",
        }
    )
    numbers = iter(range(2, 10_000))
    before = len(desk.driver.named("accept"))

    def launched() -> bool:
        callbacks.offers([offer_json(next(numbers))])
        desk.client.statuses()  # comes after it
        return len(desk.driver.named("accept")) > before

    wait_until(launched, "a launch")
    (task,) = desk.driver.named("accept")[-1][1][0]["launch"]["task_infos"]
    desk.keys[task["executor"]["executor_id"]["value"]] = data_of(task).key
    again = first_of(task)
    assert again.attempt_id != attempt.attempt_id
    desk.acknowledged = 0
    finish(desk, tmp_path / "a", job_id, task["executor"]["executor_id"]["value"], again)


def test_others_run_on(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, tracker, attempt = start(desk, tmp_path / "a")
    desk.beat(tracker, [attempt.slot_id])
    other = tmp_path / "b"
    other.mkdir()
    Bomb(monkeypatch, jobs, "submit")
    with pytest.raises(ApiProblem) as refused:
        desk.client.submit(desk.spec(other))
    assert refused.value.status == 500
    assert "set it aside" in str(refused.value)
    assert [status.job_id for status in desk.client.statuses()] == [job_id]
    assert len(desk.driver.named("reconcile")) >= 1
    finish(desk, tmp_path / "a", job_id, tracker, attempt)  # by the same attempt
    third, tracker, attempt = start(desk, other, 2)
    assert third != job_id
    desk.acknowledged = 0
    finish(desk, other, third, tracker, attempt)


def test_offers_and_updates(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callbacks = desk.driver.callbacks
    assert callbacks is not None
    directory = tmp_path / "a"
    directory.mkdir()
    job_id = desk.client.submit(desk.spec(directory))
    wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
    Bomb(monkeypatch, offers, "receive")
    callbacks.offers([offer_json(7)])
    wait_until(lambda: (["offer-7"],) in [c[:1] for c in desk.driver.named("decline")], "an answer")
    assert not desk.driver.named("accept")
    (task,) = desk.offer(8)
    attempt, tracker = first_of(task), task["executor"]["executor_id"]["value"]
    update = {
        "task_id": {"value": attempt.slot_id},
        "agent_id": {"value": "agent-S0"},
        "state": "TASK_RUNNING",
        "uuid": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    Bomb(monkeypatch, slots, "updated", times=100)
    callbacks.status_update(update)
    wait_until(lambda: len(desk.driver.named("acknowledge")) == 1, "an acknowledgement")
    # Reconciliation sends it without a uuid, and the core knows it already.
    callbacks.status_update({**update, "uuid": ""})
    callbacks.status_update(update)
    wait_until(lambda: len(desk.driver.named("acknowledge")) == 2, "an acknowledgement")
    assert counts(desk) == {"OffersReceived": 1, "SlotUpdated": 1}
    finish(desk, directory, job_id, tracker, attempt)


def test_a_tick_is_survived_once_a_minute(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, tracker, attempt = start(desk, tmp_path / "a")
    bomb = Bomb(monkeypatch, deadlines, "tick")
    wait_until(lambda: bomb.left == 0, "a tick")
    wait_until(lambda: counts(desk) == {"Tick": 1}, "a new start")
    finish(desk, tmp_path / "a", job_id, tracker, attempt)
    bomb.left = 1
    assert desk.service.wait_failed(20)


def test_own_faults_end_it_only_where_one_follows_another() -> None:
    now = [0.0]
    quarantine, fault = Quarantine(lambda: now[0]), ValueError("x")
    quarantine.take(Tick(), fault)
    for _ in range(3):
        quarantine.take(OffersReceived(()), fault)
    now[0] = OWN_FAULT_SECONDS
    quarantine.take(Tick(), fault)
    now[0] += OWN_FAULT_SECONDS - 1
    with pytest.raises(ValueError, match="x"):
        quarantine.take(Tick(), fault)


def test_splits_that_cannot_be_kept_fail_their_job_and_nothing_else(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, tracker, attempt = start(desk, tmp_path / "a")
    other = tmp_path / "b"
    other.mkdir()
    split = Split((FileSlice("file:///a\udcff", 0, 2**70),), 1)
    monkeypatch.setattr(planner, "plan", lambda command: JobPlanned(command.job_id, (split,)))
    second = desk.client.submit(desk.spec(other))
    status = desk.client.status(second, wait=20)
    assert status.state is JobState.FAILED
    assert status.error is not None
    assert "cannot be encoded" in status.error.message
    assert counts(desk) == {}
    assert len(desk.client.statuses()) == 2
    finish(desk, tmp_path / "a", first, tracker, attempt)


def test_a_record_that_cannot_be_encoded_is_mended_and_its_job_fails(tmp_path: Path) -> None:
    ledger = JournalSession(str(tmp_path))
    good, bad = (
        AttemptRecord(
            id=f"attempt_1_0001_m_00000{number}_0",
            job_id="job_1_0001",
            slot_id="s",
            tracker_id="t",
            agent_id="a",
            hostname="h",
            locality=Locality.ANY,
            start=1.0,
            counters={"g": {"n": amount}},
        )
        for number, amount in enumerate((1, 2**70))
    )
    ledger.note(WriteRecords((good, bad)))
    assert ledger.write_noted() == {
        "job_1_0001": "its attempt attempt_1_0001_m_000001_0: OverflowError: can't serialize ints "
        "< -2**63 or > 2**64 - 1"
    }
    assert ledger.write_noted() == {}
    ledger.again()
    kept = [record for record in ledger.records if isinstance(record, AttemptRecord)]
    assert kept == [good, msgspec.structs.replace(bad, counters={"g": {"n": 2**63 - 1}})]
    ledger.close()


def test_a_job_of_which_something_had_to_be_mended_fails() -> None:
    hands = Hands()
    job, other = hands.job(maps=1), hands.job(maps=1)
    hands.offer("a", "b")
    hands.do(JobUnkept(job, "its plan: UnicodeEncodeError"))
    error = hands.status(job).error
    assert error is not None
    assert error.message.endswith("cannot be kept in the journal: its plan: UnicodeEncodeError")
    hands.end(long(other, "m0"))
    assert hands.status(other).error is None
    preparing = hands.core.next_job_id()
    hands.do(JobSubmitted(preparing, spec(), "token"))
    hands.do(JobUnkept(preparing, "x"))
    hands.do(JobPlanFailed(preparing, error))
    assert hands.status(preparing).state is JobState.FAILED


def test_mesos_is_answered() -> None:
    offer = Offer("o", "a", "h", ())
    [decline] = answers(OffersReceived((offer,)))
    assert isinstance(decline, DeclineOffers)
    assert decline.offer_ids == ("o",)
    assert answers(slot_updated("s", "a", "TASK_LOST", uuid="u")) == [
        Acknowledge(SlotId("s"), AgentId("a"), "u")
    ]
    assert answers(slot_updated("s", "a", "TASK_LOST")) == answers(Tick()) == []


def test_a_story_is_short_and_in_ascii() -> None:
    update = slot_updated("s", "a", "\ud800\n" * 10_000)
    assert len(shortened(update)) < 3_000
    assert shortened(update).isascii()
