"""The connection of an executor to its queue on a JobTracker: two threads, each with a client.

Comes in: tasks to add and to cancel, from any thread. Goes out: ends of tasks, to `on_end`. When no
more ends will come, the reason goes to `on_lost`. Calls that come while a request is under way go
together with the next request.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.wire.queue import TASKS_OF_REQUEST, QueueRequest, TaskEnd, TaskSpec

WAIT_SECONDS = 20.0
PAUSE_SECONDS = 0.01
"""After ends have come, the next question waits this long, so that it brings several."""
REQUEST_BYTES = 4 << 20
"""Most bytes of pickles in one request. The JobTracker accepts 8 MiB, and base64 adds a third."""
CLOSE_SECONDS = 30.0


class _Close:
    """The queue takes no further tasks."""


class _Leave:
    """The client goes, and the queue stays."""


Asked = TaskSpec | int | _Close | _Leave
"""A task to add, the key of one to cancel, or the end."""


class QueueLink:
    """Starts its threads at once."""

    def __init__(
        self,
        queue_id: str,
        make_client: Callable[[], JobTrackerClient],
        on_end: Callable[[TaskEnd], None],
        on_refused: Callable[[int, str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """`make_client` is called once in each thread. If the JobTracker does not accept a task,
        `on_refused` gets its key and the reason.
        """
        self.queue_id = queue_id
        self._make, self._on_end = make_client, on_end
        self._on_refused, self._on_lost = on_refused, on_lost
        self._asked: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=f"mrmesos {name}", daemon=True)
            for run, name in ((self._send, "tasks"), (self._take, "results"))
        ]
        for thread in self._threads:
            thread.start()

    def add(self, spec: TaskSpec) -> None:
        """Add a task."""
        self._asked.put(spec)

    def cancel(self, key: int) -> None:
        """Cancel a task."""
        self._asked.put(key)

    def close(self) -> None:
        """Add no further tasks. Those that were added go on."""
        self._asked.put(_Close())

    def give_up(self) -> None:
        """Do not wait for anything any more."""
        self._over.set()
        self._asked.put(_Close())

    def leave(self) -> None:
        """Send all waiting requests, then end both threads. The queue stays."""
        self._asked.put(_Leave())
        self._threads[0].join(CLOSE_SECONDS)
        self._over.set()

    def join(self, seconds: float | None) -> bool:
        """Wait for the end of the queue. Returns whether it came."""
        return self._over.wait(seconds)

    # The thread that sends.

    def _send(self) -> None:
        client = self._make()
        try:
            closed = False
            while not closed and not self._over.is_set():
                tasks, cancelled, last = self._batch()
                if self._over.is_set():
                    return
                closed = last is not None
                close = isinstance(last, _Close)
                if tasks or cancelled or close:
                    self._ask(client, QueueRequest(tasks=tasks, cancel=cancelled, close=close))
        except (ApiProblem, Unreachable) as problem:
            self._lose(str(problem))
        finally:
            client.close()

    def _batch(self) -> tuple[tuple[TaskSpec, ...], tuple[int, ...], _Close | _Leave | None]:
        """The requests since the last call, at least one. The third value ends this thread; None:
        there is more to come.
        """
        tasks: list[TaskSpec] = []
        cancelled: list[int] = []
        size = 0
        one: Asked = self._asked.get()
        while True:
            if isinstance(one, _Close | _Leave):
                return tuple(tasks), tuple(cancelled), one
            if isinstance(one, TaskSpec):
                tasks.append(one)
                size += len(one.payload)
            else:
                cancelled.append(one)
            full = max(len(tasks), len(cancelled)) >= TASKS_OF_REQUEST or size >= REQUEST_BYTES
            if full or self._asked.empty():
                return tuple(tasks), tuple(cancelled), None
            one = self._asked.get()

    def _ask(self, client: JobTrackerClient, request: QueueRequest) -> None:
        try:
            client.ask_queue(self.queue_id, request)
        except ApiProblem as problem:
            if problem.status != 400:
                raise
            if len(request.tasks) <= 1 and not request.cancel:
                for spec in request.tasks:
                    self._on_refused(spec.key, str(problem))
                return
            for spec in request.tasks:  # one of the tasks is wrong
                self._ask(client, QueueRequest(tasks=(spec,)))
            self._ask(client, QueueRequest(cancel=request.cancel, close=request.close))

    # The thread that takes the ends.

    def _take(self) -> None:
        client, taken = self._make(), 0
        try:
            while not self._over.is_set():
                found = client.queue_ends(self.queue_id, taken, WAIT_SECONDS)
                for end in found.ends:
                    self._on_end(end)
                    taken = end.number
                if found.state.ended and not found.ends:
                    self._lose(found.words or "the queue has ended")
                    return
                if found.ends:
                    time.sleep(PAUSE_SECONDS)
        except (ApiProblem, Unreachable) as problem:
            self._lose(str(problem))
        finally:
            client.close()

    def _lose(self, words: str) -> None:
        if not self._over.is_set():
            self._over.set()
            self._asked.put(_Close())
            self._on_lost(words)
