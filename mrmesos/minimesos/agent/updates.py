"""Sends an agent's status updates to frameworks, in order and one at a time for each task.

An update is repeated until it is acknowledged (`src/slave/task_status_update_manager.cpp`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mrmesos.minimesos.model.calls import TERMINAL
from mrmesos.minimesos.model.records import Clock, Timer
from mrmesos.minimesos.model.resources import Json

FIRST_RETRY = 10.0  # seconds
LAST_RETRY = 600.0
MAX_PENDING = 1000  # updates of one task

Forward = Callable[[str, Json, str], None]  # framework id, status, newest state of the task


@dataclass(slots=True)
class UpdateQueue:
    """The unacknowledged updates of one task, oldest first."""

    pending: deque[Json] = field(default_factory=deque)
    seen: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_PENDING))
    timer: Timer | None = None

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class UpdateManager:
    """The queues of one agent, by framework id and task id."""

    def __init__(self, clock: Clock, forward: Forward) -> None:
        self._clock = clock
        self._forward = forward
        self._queues: dict[tuple[str, str], UpdateQueue] = {}

    def add(self, framework_id: str, status: Json) -> bool:
        """Queue an update unless it is known. False: its task has too many unacknowledged ones."""
        key = (framework_id, str(status["task_id"]["value"]))
        queue = self._queues.setdefault(key, UpdateQueue())
        if status["uuid"] in queue.seen:
            return True
        if len(queue.pending) >= MAX_PENDING:
            return False
        queue.seen.append(status["uuid"])
        queue.pending.append(status)
        if len(queue.pending) == 1:
            self._send(key, FIRST_RETRY)
        return True

    def acknowledge(self, framework_id: str, task_id: str, uuid: str) -> None:
        """Drop the acknowledged update, which must be the oldest one, and send the next."""
        key = (framework_id, task_id)
        queue = self._queues.get(key)
        if queue is None or not queue.pending or queue.pending[0]["uuid"] != uuid:
            return
        done = queue.pending.popleft()
        queue.stop()
        if queue.pending:
            self._send(key, FIRST_RETRY)
        elif done["state"] in TERMINAL:
            del self._queues[key]

    def newest(self) -> dict[tuple[str, str], str]:
        """Newest state, by framework and task, of the tasks that have unacknowledged updates."""
        return {k: str(q.pending[-1]["state"]) for k, q in self._queues.items() if q.pending}

    def resume(self, framework_id: str) -> None:
        """The framework has a new scheduler: send again at once, without waiting for the retry."""
        for key, queue in self._queues.items():
            if key[0] == framework_id and queue.pending:
                self._send(key, FIRST_RETRY)

    def forget(self, framework_id: str) -> None:
        """Drop the queues of a framework that is gone."""
        for key in [key for key in self._queues if key[0] == framework_id]:
            self._queues.pop(key).stop()

    def close(self) -> None:
        """Drop all queues."""
        for queue in self._queues.values():
            queue.stop()
        self._queues.clear()

    def _send(self, key: tuple[str, str], retry: float) -> None:
        queue = self._queues[key]
        queue.stop()
        later = partial(self._send, key, min(2 * retry, LAST_RETRY))
        queue.timer = self._clock.after(retry, later)
        self._forward(key[0], queue.pending[0], str(queue.pending[-1]["state"]))
