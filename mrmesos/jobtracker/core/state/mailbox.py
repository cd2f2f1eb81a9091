"""Numbered actions for TaskTrackers. Each is sent again until the TaskTracker acknowledges it.

Heartbeats and their answers may be lost, doubled or late. A TaskTracker carries out each number
once and in order. So each action is carried out exactly once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from mrmesos.wire.heartbeat import Action, MapOutputs, Numbered

MAX_ACTIONS = 100_000
"""A TaskTracker with so many unacknowledged actions does not listen. The next event gives it up, so
its mailbox holds at most this many and what one event adds.
"""
MAX_ACTIONS_OF_ANSWER = 1_000
"""Most actions in one answer. The others go with the next answers."""


_NUMBERS_OF_A_LIFE = 1_000_000_000


def first_number(life: int) -> int:
    """The first action number of a JobTracker that has `life` predecessors.

    The numbers of one life are lower than those of the next, so a TaskTracker can tell them apart.
    """
    return life * _NUMBERS_OF_A_LIFE + 1


class Mailbox:
    """The unacknowledged actions of one TaskTracker, in order."""

    __slots__ = ("_next", "_sent", "_waiting")

    def __init__(self, first: int = 1) -> None:
        """`first` is the number of the first action."""
        self._next = first
        self._sent = 0  # the highest number in any answer so far
        self._waiting: deque[Numbered] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Numbered]:
        return iter(self._waiting)

    def put(self, actions: Iterable[Action]) -> None:
        """Append actions. News of map outputs joins unsent news of the same job."""
        for action in actions:
            if isinstance(action, MapOutputs):
                if self._joined(action):
                    continue
                action = MapOutputs(action.job_id, list(action.outputs))
            self._waiting.append(Numbered(self._next, action))
            self._next += 1

    def _joined(self, news: MapOutputs) -> bool:
        """Append news to the last action, if that is unsent news of the same job."""
        last = self._waiting[-1] if self._waiting else None
        if last is None or last.number <= self._sent or not isinstance(last.action, MapOutputs):
            return False
        if last.action.job_id != news.job_id:
            return False
        # Append in place: a job of 10,000 maps must not copy this list 10,000 times. Nobody else
        # holds the list before it is sent.
        last.action.outputs.extend(news.outputs)
        return True

    def acknowledge(self, number: int) -> None:
        """Drop the actions up to `number` that were sent: the TaskTracker has carried them out."""
        waiting = self._waiting
        if waiting:
            done = min(number, self._sent)
            while waiting and waiting[0].number <= done:
                waiting.popleft()

    @property
    def full(self) -> bool:
        """Whether the TaskTracker does not listen."""
        return len(self._waiting) >= MAX_ACTIONS

    @property
    def all_sent(self) -> bool:
        """Whether each action was in some answer."""
        return not self._waiting or self._waiting[-1].number <= self._sent

    def to_send(self) -> list[Numbered]:
        """The first unacknowledged actions, in order. They count as sent from now on."""
        if not self._waiting:
            return []
        actions = list(islice(self._waiting, MAX_ACTIONS_OF_ANSWER))
        self._sent = max(self._sent, actions[-1].number)
        return actions


class Mailboxes:
    """The mailboxes of all known TaskTrackers: launched, and not forgotten since."""

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
        """Add a mailbox for a TaskTracker that will be launched."""
        self._boxes.setdefault(tracker_id, Mailbox(first=self._first))

    def forget(self, tracker_id: str) -> None:
        """The TaskTracker is gone, or no longer ours."""
        self._boxes.pop(tracker_id, None)

    def find(self, tracker_id: str) -> Mailbox | None:
        """The mailbox of a TaskTracker. None if the TaskTracker is unknown."""
        return self._boxes.get(tracker_id)

    def acknowledge(self, tracker_id: str, number: int) -> None:
        """The TaskTracker has carried out all actions up to `number`."""
        if (box := self._boxes.get(tracker_id)) is not None:
            box.acknowledge(number)

    @property
    def unsent(self) -> int:
        """The number of TaskTrackers with actions that were never sent."""
        return sum(not box.all_sent for box in self._boxes.values())

    def to_send(self, tracker_id: str) -> list[Numbered] | None:
        """The actions for the next answer. None if the TaskTracker is unknown."""
        box = self._boxes.get(tracker_id)
        return None if box is None else box.to_send()
