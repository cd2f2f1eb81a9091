"""Within one event, all ends of attempts come before all starts.

Otherwise an event could begin an attempt as the backup of one that the same event ends.
"""

from __future__ import annotations

from typing import Any

import pytest

from mrmesos.jobtracker.core.handlers import trackers
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages.commands import Command, KillSlot
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.state import mailbox
from mrmesos.jobtracker.core.state.state import State
from mrmesos.simulator.faults import histories
from mrmesos.wire.heartbeat import Action, KillAttempt
from mrmesos.wire.ids import TrackerId

HISTORIES = 24
FEW_ACTIONS = 4
"""With so few actions in a mailbox, TaskTrackers that do not listen are given up all the time."""
KNOWN = [("mixed", 3604)]
"""Here a tick once began the backup of a reduce, and then moved this reduce to another host."""


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when an attempt ends, or is told to end, after another began in the same event."""
    begun: list[str] = []
    start, transition = TaskInProgress.start, TaskAttempt.transition
    post, emit, handle = State.post, State.emit, JobTracker.handle

    def starting(self: TaskInProgress, *args: Any) -> TaskAttempt:
        attempt = start(self, *args)
        begun.append(attempt.id)
        return attempt

    def ends(what: object) -> None:
        assert not begun, f"{what}, after {begun} began in the same event"

    def ending(self: TaskAttempt, *args: Any) -> None:
        ends(f"{self.id} ends")
        transition(self, *args)

    def posting(self: State, tracker_id: TrackerId, *actions: Action) -> None:
        for action in actions:
            if isinstance(action, KillAttempt):
                ends(action)
        post(self, tracker_id, *actions)

    def emitting(self: State, command: Command) -> None:
        if isinstance(command, KillSlot):
            ends(command)
        emit(self, command)

    def handling(self: JobTracker, *args: Any) -> list[Command]:
        begun.clear()
        return handle(self, *args)

    monkeypatch.setattr(TaskInProgress, "start", starting)
    monkeypatch.setattr(TaskAttempt, "transition", ending)
    monkeypatch.setattr(State, "post", posting)
    monkeypatch.setattr(State, "emit", emitting)
    monkeypatch.setattr(JobTracker, "handle", handling)


@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize(("kind", "seed"), KNOWN)
def test_in_known_histories(kind: str, seed: int) -> None:
    histories.prove(seed, kind)


@pytest.mark.usefixtures("in_order")
def test_in_random_histories() -> None:
    for seed in range(HISTORIES):
        histories.prove(seed)


@pytest.mark.usefixtures("in_order")
def test_when_tasktrackers_that_do_not_listen_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: list[str] = []
    gone = trackers.gone

    def counting(st: State, tracker: Tracker, words: str, **more: Any) -> None:
        if "acknowledged" in words:
            given_up.append(tracker.id)
        gone(st, tracker, words, **more)

    monkeypatch.setattr(mailbox, "MAX_ACTIONS", FEW_ACTIONS)
    monkeypatch.setattr(trackers, "gone", counting)
    for seed in range(HISTORIES):
        histories.prove(seed)
    assert given_up
