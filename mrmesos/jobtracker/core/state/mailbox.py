"""Actions on their way to TaskTrackers: numbered, kept until acknowledged, sent again until then.

Pure bookkeeping. Heartbeats and their answers may be lost, doubled or late; a tracker carries out
each number once and in order, so that it sees every action exactly once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from mrmesos.wire.heartbeat import Action, MapOutputs, Numbered

MAX_ACTIONS = 100_000
"""Unacknowledged actions beyond which a tracker is given up: it has not listened for long."""
MAX_ACTIONS_OF_ANSWER = 1_000
"""Most actions of one answer; the rest goes with the next."""


_NUMBERS_OF_A_LIFE = 1_000_000_000


def first_number(life: int) -> int:
    """The first number of any action of a JobTracker that `life` others were before.

    Numbers of one life lie below those of the next, so that a TaskTracker can tell them apart.
    """
    return life * _NUMBERS_OF_A_LIFE + 1


class MailboxFull(Exception):
    """A tracker has not acknowledged any of its last MAX_ACTIONS actions."""


class Mailbox:
    """The actions of one tracker that it has not acknowledged yet, in order."""

    __slots__ = ("_limit", "_next", "_sent", "_waiting")

    def __init__(self, limit: int = MAX_ACTIONS, first: int = 1) -> None:
        """`first` is the number of the first action."""
        self._limit = limit
        self._next = first
        self._sent = 0  # highest number that any answer held
        self._waiting: deque[Numbered] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Numbered]:
        return iter(self._waiting)

    def put(self, actions: Iterable[Action]) -> None:
        """Append. News of map outputs joins such news of the same job that was never sent.

        Raises MailboxFull.
        """
        for action in actions:
            last = self._waiting[-1] if self._waiting else None
            if (
                isinstance(action, MapOutputs)
                and last is not None
                and last.number > self._sent
                and isinstance(last.action, MapOutputs)
                and last.action.job_id == action.job_id
            ):
                # Lists only grow here, where nobody else holds them: a job of 10,000 maps must not
                # copy them 10,000 times.
                last.action.outputs.extend(action.outputs)
                continue
            if len(self._waiting) >= self._limit:
                raise MailboxFull(f"{len(self._waiting)} actions are not acknowledged")
            if isinstance(action, MapOutputs):
                action = MapOutputs(action.job_id, list(action.outputs))
            self._waiting.append(Numbered(self._next, action))
            self._next += 1

    def acknowledge(self, number: int) -> None:
        """Drop what the tracker has carried out: everything up to `number` that was ever sent."""
        done = min(number, self._sent)
        while self._waiting and self._waiting[0].number <= done:
            self._waiting.popleft()

    @property
    def all_sent(self) -> bool:
        """Whether some answer held each of them."""
        return not self._waiting or self._waiting[-1].number <= self._sent

    def to_send(self) -> list[Numbered]:
        """The first unacknowledged actions, in order; they count as sent from now on."""
        actions = [
            numbered
            for numbered, _ in zip(self._waiting, range(MAX_ACTIONS_OF_ANSWER), strict=False)
        ]
        if actions:
            self._sent = max(self._sent, actions[-1].number)
        return actions


class Mailboxes:
    """The mailboxes of all trackers that are known: launched, and not forgotten since."""

    __slots__ = ("_boxes", "_first")

    def __init__(self, first: int = 1) -> None:
        self._first = first
        self._boxes: dict[str, Mailbox] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._boxes)

    def __getitem__(self, tracker_id: str) -> Mailbox:
        return self._boxes[tracker_id]

    def __contains__(self, tracker_id: str) -> bool:
        return tracker_id in self._boxes

    def open(self, tracker_id: str) -> None:
        """Know a tracker, from its first launch on."""
        self._boxes.setdefault(tracker_id, Mailbox(first=self._first))

    def forget(self, tracker_id: str) -> None:
        """The tracker is gone, or no longer ours."""
        self._boxes.pop(tracker_id, None)

    def put(self, tracker_id: str, actions: Iterable[Action]) -> bool:
        """Post actions; False where the tracker is unknown. Raises MailboxFull."""
        box = self._boxes.get(tracker_id)
        if box is None:
            return False
        box.put(actions)
        return True

    def acknowledge(self, tracker_id: str, number: int) -> None:
        """The tracker has carried out all actions up to `number`."""
        if (box := self._boxes.get(tracker_id)) is not None:
            box.acknowledge(number)

    @property
    def unsent(self) -> int:
        """How many trackers were not told all yet."""
        return sum(not box.all_sent for box in self._boxes.values())

    def to_send(self, tracker_id: str) -> list[Numbered] | None:
        """What the tracker is to be told now; None where it is unknown."""
        box = self._boxes.get(tracker_id)
        return None if box is None else box.to_send()
