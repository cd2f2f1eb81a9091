"""An executor's record of its tasks: running tasks, ended tasks, and old keys.

Thread: any; one lock for all.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, TypeVar

from mrmesos.local.executor.errors import ExecutorLost
from mrmesos.local.executor.futures import TaskFuture
from mrmesos.local.executor.specs import name_of
from mrmesos.wire.task import Stored

T = TypeVar("T")
Finished = tuple[Any, Any, BaseException | None]
"""A task that ended, its returned value, and its exception. At most one of the last two is set."""
KEPT = 100_000
"""At most this many tasks are remembered. Of ended tasks, we remember whether they succeeded, for
`after`. Of cancelled tasks, we remember the old key, so that a task that is executed again waits
for its old end.
"""


@dataclass(slots=True, eq=False)
class LiveTask:
    """A task that is not over. `future` is set for tasks that came by `submit`."""

    key: int
    task: Any
    name: str
    stored: Stored | None
    future: TaskFuture[Any] | None = None


class Ledger:
    """Tasks are distinguished by identity: users' tasks need be neither hashable nor unequal."""

    def __init__(self, highest: int = 0, earlier: int = 0) -> None:
        """`highest` is the last key of the executor before this one. `earlier` is the number of its
        tasks that have not ended.
        """
        self._lock = threading.Condition()
        self._keys, self._first = itertools.count(highest + 1), highest + 1
        self._earlier = earlier
        self._live: dict[int, LiveTask] = {}
        self._key_of: dict[int, int] = {}  # by the id of the task, which `_live` keeps alive
        self._cancelled: dict[int, tuple[Any, int]] = {}  # by id, with the task and its old key
        self._over: dict[int, tuple[Any, bool]] = {}  # by id, with whether the task succeeded
        self._finished: deque[Finished] = deque()
        self._closed = False
        self.lost = ""
        """The reason why no more tasks end. Empty while tasks can end."""

    @property
    def closed(self) -> bool:
        """Whether the executor was shut down."""
        return self._closed

    def __len__(self) -> int:
        with self._lock:
            return len(self._live) + self._earlier

    def add(
        self,
        task: Any,
        name: str,
        stored: Stored | None,
        after: Sequence[Any],
        future: TaskFuture[Any] | None,
        send: Callable[[int, tuple[int, ...], tuple[int, ...]], None],
    ) -> None:
        """Add a task, and call `send(key, after, behind)` for it, in the order of the keys.

        Raises ValueError if it is live already, or waits for a task that did not succeed or is
        unknown; RuntimeError after the shutdown; ExecutorLost.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self.lost:
                raise ExecutorLost(self.lost)
            if future is None and id(task) in self._key_of:
                raise ValueError(f"{name} is executed already; cancel it first")
            keys = self._keys_of(after, name)
            before, behind = self._cancelled.pop(id(task), (None, 0))
            key = next(self._keys)
            self._live[key] = LiveTask(key, task, name, stored, future)
            if future is None:
                self._over.pop(id(task), None)
                self._key_of[id(task)] = key
            else:
                future.key = key
            send(key, keys, (behind,) if before is task and behind else ())

    def _keys_of(self, after: Sequence[Any], name: str) -> tuple[int, ...]:
        """The keys of the tasks to wait for. Those that have succeeded are left out."""
        keys: list[int] = []
        for each in after:
            key = each.key if isinstance(each, TaskFuture) else self._key_of.get(id(each))
            if key is not None and key in self._live:
                keys.append(key)
                continue
            if isinstance(each, Future) and each.done():
                known, good = each, not each.cancelled() and each.exception() is None
            else:
                known, good = self._over.get(id(each), (None, False))
            if known is not each:
                raise ValueError(f"{name} waits for {name_of(each)}, which was not executed here")
            if not good:
                raise ValueError(f"{name} waits for {name_of(each)}, which did not succeed")
        return tuple(keys)

    def cancel(self, task: Any) -> tuple[bool, int]:
        """Forget a task and its result. Returns whether the task was known, and its key if it is
        live (else 0).
        """
        with self._lock:
            key = self._key_of.pop(id(task), 0)
            if key:
                del self._live[key]
                _remember(self._cancelled, task, key)
                return True, key
            before = len(self._finished)
            self._finished = deque(each for each in self._finished if each[0] is not task)
            return len(self._finished) != before, 0

    def drop(self, key: int) -> bool:
        """Forget a live task. Returns whether it was live."""
        with self._lock:
            return self._live.pop(key, None) is not None

    def close(self, *, drop: bool) -> list[LiveTask]:
        """Take no further tasks. With `drop`, forget the live tasks, and return them."""
        with self._lock:
            self._closed = True
            dropped = list(self._live.values()) if drop else []
            if drop:
                self._live.clear()
                self._key_of.clear()
            return dropped

    def take(self, key: int) -> LiveTask | None:
        """A live task that has ended. Its `finish` must follow. None if it was cancelled."""
        with self._lock:
            return self._live.pop(key, None)

    def finish(self, live: LiveTask, value: Any, problem: BaseException | None) -> None:
        """Give the result to the callers that wait for it."""
        if live.future is not None:
            with contextlib.suppress(InvalidStateError):  # it was cancelled meanwhile
                if problem is not None:
                    live.future.set_exception(problem)
                else:
                    live.future.set_result(value)
            return
        with self._lock:
            if self._key_of.get(id(live.task)) != live.key:
                return  # cancelled meanwhile
            del self._key_of[id(live.task)]
            _remember(self._over, live.task, problem is None)
            self._finished.append((live.task, value, problem))
            self._lock.notify_all()

    def is_earlier(self, key: int) -> bool:
        """Whether an executor before this one has executed the task."""
        return key < self._first

    def finish_earlier(self, name: str, value: Any, problem: BaseException | None) -> None:
        """A task of an executor before this one has ended."""
        with self._lock:
            self._earlier = max(0, self._earlier - 1)
            self._finished.append((name, value, problem))
            self._lock.notify_all()

    def lose(self, words: str) -> None:
        """No more ends come. All live tasks fail."""
        with self._lock:
            if self._closed and not self._live:
                return
            self.lost = words
            left = list(self._live.values())
            self._live.clear()
        for live in left:
            self.finish(live, None, ExecutorLost(f"{live.name} is lost: {words}"))
        with self._lock:
            self._lock.notify_all()

    def pop(self, wait: float) -> list[Finished]:
        """The tasks that ended since the last call. If there are none, wait for one."""
        with self._lock:
            self._lock.wait_for(lambda: self._finished or self.lost, wait)
            found, self._finished = list(self._finished), deque()
        if not found and self.lost and not self._closed:
            raise ExecutorLost(self.lost)
        return found


def _remember(kept: dict[int, tuple[Any, T]], task: Any, value: T) -> None:
    kept.pop(id(task), None)
    kept[id(task)] = (task, value)
    while len(kept) > KEPT:
        del kept[next(iter(kept))]
