"""Every action reaches its tracker exactly once and in order, even if heartbeats are lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.jobtracker.core.state import mailbox
from mrmesos.jobtracker.core.state.mailbox import (
    MAX_ACTIONS_OF_ANSWER,
    Mailbox,
    Mailboxes,
)
from mrmesos.wire.heartbeat import Action, EndSlot, Leave, MapOutputs, Numbered
from mrmesos.wire.task import MapOutput


@dataclass
class Tracker:
    """A TaskTracker's side: it ignores actions whose numbers it has already seen."""

    seen: int = 0
    carried_out: list[Action] = field(default_factory=list)

    def hear(self, actions: list[Numbered]) -> None:
        for numbered in actions:
            if numbered.number > self.seen:
                assert numbered.number == self.seen + 1, "a number was left out"
                self.seen = numbered.number
                self.carried_out.append(numbered.action)


def outputs(job: str, *indexes: int) -> MapOutputs:
    return MapOutputs(
        job, [MapOutput(map_index=i, attempt_id=f"a{i}", url="http://x") for i in indexes]
    )


def flat(actions: list[Action]) -> list[object]:
    """Actions, with news of map outputs split up: the mailbox may bundle them as it likes."""
    pieces: list[object] = []
    for action in actions:
        if isinstance(action, MapOutputs):
            pieces += [(action.job_id, output) for output in action.outputs]
        else:
            pieces.append(action)
    return pieces


ACTIONS = st.one_of(
    st.integers(0, 9).map(lambda n: EndSlot(f"slot{n}")),
    st.tuples(st.sampled_from(["j1", "j2"]), st.integers(0, 9)).map(lambda t: outputs(*t)),
)
STEPS = st.lists(
    st.one_of(
        st.lists(ACTIONS, min_size=1, max_size=4),
        st.sampled_from(
            ["heartbeat", "answer lost", "request lost", "late answer", "late request"]
        ),
    ),
    max_size=40,
)


@given(STEPS)
def test_exactly_once_and_in_order(steps: list[list[Action] | str]) -> None:
    box, tracker = Mailbox(), Tracker()
    posted: list[Action] = []
    old_answers: list[list[Numbered]] = [[]]
    old_requests = [0]

    def exchange(acknowledged: int) -> list[Numbered]:
        box.acknowledge(acknowledged)
        return box.to_send()

    for step in steps:
        if isinstance(step, list):
            box.put(step)
            posted += step
            continue
        old_requests.append(tracker.seen)
        if step == "heartbeat":
            old_answers.append(exchange(tracker.seen))
            tracker.hear(old_answers[-1])
        elif step == "answer lost":
            old_answers.append(exchange(tracker.seen))
        elif step == "late answer":
            tracker.hear(old_answers[len(old_answers) // 2])
        elif step == "late request":
            exchange(old_requests[len(old_requests) // 2])
    tracker.hear(exchange(tracker.seen))
    assert exchange(tracker.seen) == []
    assert flat(tracker.carried_out) == flat(posted)


def test_what_was_sent_never_changes() -> None:
    box = Mailbox()
    box.put([outputs("j", 1)])
    first = box.to_send()
    box.put([outputs("j", 2), outputs("j", 3)])
    again = box.to_send()
    assert again[0] == first[0] == Numbered(1, outputs("j", 1))
    assert again[1] == Numbered(2, outputs("j", 2, 3))


def test_the_poster_keeps_its_list() -> None:
    box = Mailbox()
    news = outputs("j", 1)
    box.put([news, outputs("j", 2)])
    assert news == outputs("j", 1)


def test_acknowledging_what_was_never_sent_drops_nothing() -> None:
    box = Mailbox()
    box.put([EndSlot("s")])
    box.acknowledge(99)
    assert [numbered.number for numbered in box.to_send()] == [1]


def test_answers_are_bounded_and_the_rest_follows() -> None:
    box, tracker = Mailbox(), Tracker()
    box.put([EndSlot(str(n)) for n in range(MAX_ACTIONS_OF_ANSWER + 5)])
    tracker.hear(box.to_send())
    assert len(tracker.carried_out) == MAX_ACTIONS_OF_ANSWER
    box.acknowledge(tracker.seen)
    tracker.hear(box.to_send())
    assert len(tracker.carried_out) == MAX_ACTIONS_OF_ANSWER + 5


def test_a_tracker_that_never_listens_fills_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MAX_ACTIONS", 3)
    box, full = Mailbox(), list[bool]()
    events: list[list[Action]] = [
        [EndSlot("1"), EndSlot("2")],
        [EndSlot("3"), Leave("in the same event")],
    ]
    for actions in events:
        box.put(actions)
        full.append(box.full)
    box.to_send()
    box.acknowledge(2)
    assert [*full, box.full] == [False, True, False]


def test_unknown_and_forgotten_trackers() -> None:
    boxes = Mailboxes()
    assert boxes.to_send("t") is None
    assert boxes.find("t") is None
    boxes.open("t")
    boxes.open("t")
    boxes["t"].put([EndSlot("s")])
    assert boxes.to_send("t") == [Numbered(1, EndSlot("s"))]
    boxes.open("t")
    assert boxes.to_send("t") == [Numbered(1, EndSlot("s"))]
    boxes.forget("t")
    assert "t" not in boxes
    assert boxes.to_send("t") is None
