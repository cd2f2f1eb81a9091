"""The life of executors and of their Mesos tasks, as a master and its agents control it.

Comes in: launches, kills and questions of a framework. Goes out: status updates, by `update` and
`answer`. Both simulations use it: the simulation that plans (metered_trackers.py) and the
simulation with faults (faults/mesos.py). Each decides how long a step takes, what its TaskTrackers
do, and which messages arrive.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from mrmesos.simulator.clock import Clock
from mrmesos.simulator.machines import SimSlot, SimTracker
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.task import Attempt

SlotT = TypeVar("SlotT", bound=SimSlot[Any])
TrackerT = TypeVar("TrackerT", bound=SimTracker[Any, Any])


class Executors(ABC, Generic[TrackerT, SlotT]):
    """The executors of one framework, and its Mesos tasks that have not ended, by id."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.trackers: dict[str, TrackerT] = {}
        self.slots: dict[str, SlotT] = {}

    # --- What each simulation decides itself

    @abstractmethod
    def comes_up(self) -> bool:
        """Whether an executor that was launched comes up."""

    @abstractmethod
    def came_up(self, tracker: TrackerT) -> None:
        """An executor runs: it begins to send heartbeats."""

    @abstractmethod
    def came_to_run(self, slot: SlotT) -> None:
        """A Mesos task runs, and its first attempt has not begun."""

    @abstractmethod
    def begin(self, slot: SlotT, attempt: Attempt) -> None:
        """Start an attempt in a slot that has none."""

    @abstractmethod
    def released(self, slot: SlotT) -> None:
        """A Mesos task is over: end its attempt, and give its resources back."""

    @abstractmethod
    def gone(self, tracker: TrackerT) -> None:
        """An executor has ended: give back the resources that it took for itself."""

    @abstractmethod
    def tell_lost(self, tracker: TrackerT) -> None:
        """Tell the framework that an executor has ended."""

    @abstractmethod
    def update(self, slot_id: str, agent_id: str, state: str, reason: str = "") -> None:
        """Send a status update that the framework has to acknowledge."""

    @abstractmethod
    def answer(self, slot_id: str, agent_id: str, state: str) -> None:
        """Send the update that answers a kill or a reconciliation."""

    @abstractmethod
    def soon(self, action: Callable[[SlotT], None], slot: SlotT) -> None:
        """Act on a slot when a message that is sent now has reached its agent."""

    @abstractmethod
    def act(self, tracker: TrackerT, action: hb.Action) -> None:
        """Carry out an action of a heartbeat's answer."""

    # --- Mesos tasks

    def staged(self, slot: SlotT, delay: float) -> None:
        """An agent has a new Mesos task. If its executor runs, so does the task after `delay`."""
        self.slots[slot.id] = slot.tracker.slots[slot.id] = slot
        if slot.tracker.up:
            self.clock.after(delay, self._run, slot)

    def _run(self, slot: SlotT) -> None:
        tracker = slot.tracker
        if slot.over or slot.up or tracker.gone:
            return
        slot.up = True
        self.came_to_run(slot)
        if slot.first is not None:
            self.begin(slot, slot.first)
        self.update(slot.id, tracker.agent.id, "TASK_RUNNING")

    def end_slot(self, slot: SlotT, state: str) -> None:
        """A Mesos task ends in this state."""
        if not slot.over:
            self._release(slot)
            self.update(slot.id, slot.tracker.agent.id, state)

    def _release(self, slot: SlotT) -> None:
        slot.over = True
        del self.slots[slot.id]
        del slot.tracker.slots[slot.id]
        self.released(slot)

    def kill_slot(self, slot_id: str, agent_id: str) -> None:
        """A KILL call."""
        slot = self.slots.get(slot_id)
        if slot is None:
            self.answer(slot_id, agent_id, "TASK_LOST")
        else:
            self.soon(self._kill, slot)

    def _kill(self, slot: SlotT) -> None:
        self.end_slot(slot, "TASK_KILLED")
        tracker = slot.tracker
        if not tracker.up and not tracker.slots:
            self.executor_ended(tracker)  # because Mesos ends an executor that lost its only task

    def reconcile(self, asked: Iterable[tuple[str, str]]) -> None:
        """Answer for these slots, or for all slots if none is named."""
        known = ((slot.id, slot.tracker.agent.id) for slot in self.slots.values())
        for slot_id, agent_id in tuple(asked) or tuple(known):
            slot = self.slots.get(slot_id)
            if slot is None:
                self.answer(slot_id, agent_id, "TASK_LOST")
            else:
                self.answer(slot_id, agent_id, "TASK_RUNNING" if slot.up else "TASK_STAGING")

    # --- Executors

    def new_executor(self, tracker: TrackerT, startup: float) -> None:
        """Mesos starts a new executor. That takes this long."""
        self.trackers[tracker.id] = tracker
        self.clock.after(startup, self._up, tracker)

    def _up(self, tracker: TrackerT) -> None:
        if tracker.gone:
            return
        if not self.comes_up():
            self.executor_ended(tracker)
            return
        tracker.up = True
        self.came_up(tracker)
        for slot in list(tracker.slots.values()):
            self._run(slot)

    def executor_ended(self, tracker: TrackerT) -> None:
        """An executor's process ends, and so do its Mesos tasks. The agent says so."""
        if tracker.gone:
            return
        ended = list(tracker.slots)
        self.take_down(tracker)
        for slot_id in ended:
            self.update(slot_id, tracker.agent.id, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
        self.tell_lost(tracker)

    def take_down(self, tracker: TrackerT) -> None:
        """An executor is gone with all its tasks. Nobody reports that yet."""
        tracker.gone, tracker.up = True, False
        for slot in list(tracker.slots.values()):
            self._release(slot)
        self.gone(tracker)

    def receive(self, tracker: TrackerT, actions: Iterable[hb.Numbered]) -> None:
        """An executor carries out the actions of an answer, each once and in order."""
        for numbered in actions:
            if numbered.number > tracker.done and not tracker.gone:
                tracker.done = numbered.number
                self.act(tracker, numbered.action)
