"""The status of a queue of free tasks: right at all times, and without a look at its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.task import TaskState
from mrmesos.jobtracker.core.model.task_queue import QueuedTask, TaskQueue
from mrmesos.jobtracker.core.state.queue_reports import status_of
from mrmesos.simulator.faults.free_tasks import FreeTaskWorld
from mrmesos.wire.queue import QueueRequest, QueueSpec, TaskSpec
from tests.jobtracker.harness import Hands

HISTORIES = 12


class Compared(FreeTaskWorld):
    """Compares the status of its queue with its tasks after each event."""

    waiting = cancelled = 0

    def check_held(self) -> None:
        super().check_held()
        for queue in self.core.st.queues.live.values():
            self.compare(queue)

    def compare(self, queue: TaskQueue) -> None:
        status, tasks = status_of(self.core.st, queue), queue.tasks.values()
        waiting = sum(one.task.state is TaskState.WAITING for one in tasks)
        still_open = sum(not one.dropped or one.error is not None for one in tasks)
        assert (status.waiting, status.open) == (waiting, still_open)
        self.waiting += waiting
        self.cancelled += len(tasks) - still_open


def test_the_status_is_what_a_walk_over_the_tasks_finds() -> None:
    worlds = [Compared(seed, crash=0.01) for seed in range(HISTORIES)]
    for world in worlds:
        world.run()
    assert sum(world.waiting for world in worlds) > 0
    assert sum(world.cancelled for world in worlds) > 0


class Untouched(dict[int, QueuedTask]):
    """Tasks that nobody may go through."""

    def values(self) -> Any:
        pytest.fail("somebody went through all tasks")

    items = __iter__ = values


def test_the_status_of_a_long_queue_needs_no_walk() -> None:
    hands = Hands()
    queue_id = hands.core.next_queue_id()
    spec = QueueSpec(name="q", user="me", conf={}, code="0" * 64)
    hands.do(ev.QueueSubmitted(queue_id, spec, "token"))
    need = {"cpus": 1000, "mem": 1_024_000}
    first = TaskSpec(key=1, name="t1", need=need, payload=b"call")
    rest = [TaskSpec(key=k, name="t", need=need, payload=b"call", after=(1,)) for k in range(2, 9)]
    hands.do(ev.QueueRequested(queue_id, QueueRequest(tasks=(first, *rest))))
    hands.offer("a")
    hands.do(ev.QueueRequested(queue_id, QueueRequest(cancel=(1,))))

    queue = hands.core.st.queues.live[queue_id]
    queue.tasks = Untouched(queue.tasks)
    status = status_of(hands.core.st, queue)
    assert (status.waiting, status.open) == (7, 7)
