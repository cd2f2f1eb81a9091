"""The core thread handles events in order, and answers only after it has written the records."""

from __future__ import annotations

import asyncio
import itertools
import threading
from concurrent.futures import Future
from typing import Any
from unittest.mock import patch

import pytest

from mrmesos.jobtracker import core_thread
from mrmesos.jobtracker.core.messages.events import Disconnected, Event, Tick
from mrmesos.jobtracker.core_thread import BATCH, CoreThread
from mrmesos.jobtracker.http.errors import Forbidden, Unavailable
from tests.jobtracker.fakes import DEADLINE, wait_until


class Desk:
    """A thread that notes what it does. `gate` stops it in the middle of an event."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.gate = threading.Event()
        self.fault: Exception | None = None
        self.thread = CoreThread(self.handle, self.end_batch, lambda: self.story.append("end"))

    def handle(self, event: Event) -> None:
        if not isinstance(event, Tick):
            self.story.append("event")
            assert self.gate.wait(DEADLINE)

    def end_batch(self) -> None:
        if self.fault is not None:
            raise self.fault
        self.story.append("settled")

    def ask(self, name: str) -> Future[None]:
        answer = self.thread.ask(lambda: self.story.append(name))
        answer.add_done_callback(lambda _: self.story.append(f"answer to {name}"))
        return answer


def test_answers_come_after_their_batch_is_settled() -> None:
    desk = Desk()
    desk.thread.post(Disconnected())
    answers = [desk.ask(str(number)) for number in range(BATCH)]
    desk.thread.start()
    desk.gate.set()
    for answer in answers:
        answer.result(DEADLINE)
    desk.thread.stop()
    assert desk.thread.join(DEADLINE)
    story = [word for word in desk.story if word != "end"]
    for number in range(BATCH):
        run, told = story.index(str(number)), story.index(f"answer to {number}")
        assert "settled" in story[run:told]
    asked = [word for word in story if word.isdigit()]
    assert asked == [str(number) for number in range(BATCH)]
    # The event and all questions but one fit into one batch.
    assert story.index("settled", story.index("event")) > story.index(str(BATCH - 2))


def test_questions_of_a_batch_that_cannot_be_settled_are_refused() -> None:
    desk = Desk()
    desk.gate.set()
    desk.thread.start()
    wait_until(lambda: "settled" in desk.story, "the first tick")
    desk.fault = OSError("the disk is gone")
    with pytest.raises(Unavailable, match="the disk is gone"):
        desk.ask("x").result(DEADLINE)
    assert desk.thread.join(DEADLINE)
    assert isinstance(desk.thread.failure, OSError)
    with pytest.raises(Unavailable):
        desk.ask("y")


def test_a_refusal_in_a_question_goes_to_its_asker_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    desk.gate.set()
    desk.thread.start()

    def refuse() -> None:
        raise Forbidden("nothing of job_1 is on t1")

    with pytest.raises(Forbidden):
        desk.thread.ask(refuse).result(DEADLINE)
    desk.ask("x").result(DEADLINE)
    desk.thread.stop()
    assert desk.thread.join(DEADLINE)
    assert not caplog.records


def test_the_answers_of_a_batch_wake_an_event_loop_once() -> None:
    desk = Desk()
    desk.gate.set()
    woken = []

    async def scenario() -> list[int | BaseException]:
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def counted(*args: Any, **more: Any) -> asyncio.Handle:
            woken.append(threading.current_thread().name)
            return wake(*args, **more)

        def refuse() -> int:
            raise Forbidden("no")

        numbers = itertools.count()
        answers = [desk.thread.ask_from_loop(lambda: next(numbers)) for _ in range(BATCH - 2)]
        answers.append(desk.thread.ask_from_loop(refuse))
        answers[3].cancel()
        with patch.object(loop, "call_soon_threadsafe", counted):
            desk.thread.start()
            found: list[int | BaseException] = await asyncio.gather(
                *answers, return_exceptions=True
            )
            return found

    found = asyncio.run(scenario())
    assert found[:3] == [0, 1, 2]
    assert isinstance(found[3], asyncio.CancelledError)
    assert isinstance(found[-1], Forbidden)
    assert woken == ["jobtracker"]
    desk.thread.stop()
    assert desk.thread.join(DEADLINE)


def test_a_full_queue_refuses_questions_and_delays_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_thread, "MAX_QUEUE", 2)
    desk = Desk()
    desk.gate.set()
    first, _ = desk.ask("x"), desk.ask("y")
    with pytest.raises(Unavailable, match="overloaded"):
        desk.ask("z")
    posting = threading.Thread(target=desk.thread.post, args=(Disconnected(),))
    posting.start()
    assert posting.is_alive()
    desk.thread.start()
    posting.join(DEADLINE)
    first.result(DEADLINE)
    wait_until(lambda: "event" in desk.story, "the event that had to wait")
    desk.thread.stop()
    assert desk.thread.join(DEADLINE)
