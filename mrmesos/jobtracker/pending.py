"""Tasks of one job that wait, indexed so that the next one for an agent is found at once.

As Spark's TaskSetManager keeps them: queues by host and one of all, with lazy removal. A task that
was taken stays in the other queues until it comes to their head, so a choice is O(1) amortised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence, Set

from mrmesos.jobtracker.task import TaskInProgress

AVOID_SECONDS = 10.0
"""How long a task that failed on an agent waits for another one."""

LOOK_AT = 64
"""Most tasks that one choice examines where it cannot just take the first."""


class PendingTasks:
    """The waiting tasks of one kind. Holds no state of the tasks themselves."""

    __slots__ = ("_again", "_all", "_by_host", "_fresh", "_tasks")

    def __init__(self, tasks: Sequence[TaskInProgress]) -> None:
        self._tasks = tasks
        self._fresh: set[int] = set()
        self._all: deque[int] = deque()
        self._by_host: dict[str, deque[int]] = {}
        self._again: dict[int, None] = {}  # failed somewhere, in order; few
        for task in tasks:
            self._put(task, front=False)

    def __len__(self) -> int:
        return len(self._fresh) + len(self._again)

    def __contains__(self, task: TaskInProgress) -> bool:
        return task.index in self._fresh or task.index in self._again

    def put_back(self, task: TaskInProgress) -> None:
        """A task waits again, before those that were never tried (as in Hadoop)."""
        if task.failed_on:
            self._again[task.index] = None
        else:
            self._put(task, front=True)

    def remove(self, task: TaskInProgress) -> None:
        """A task was taken."""
        self._fresh.discard(task.index)
        self._again.pop(task.index, None)

    def retry_for(
        self, agent_id: str, others: Callable[[Set[str]], bool], now: float
    ) -> TaskInProgress | None:
        """The first task that failed before and may run here: it failed on other agents, or waited
        long enough, or `others(agents)` says that the cluster has none beside those it failed on.
        """
        for _, index in zip(range(LOOK_AT), self._again, strict=False):
            task = self._tasks[index]
            if (
                agent_id not in task.failed_on
                or now - task.pending_since >= AVOID_SECONDS
                or not others(task.failed_on)
            ):
                return task
        return None

    def local_to(self, hosts: Iterable[str]) -> TaskInProgress | None:
        """A task never failed whose data is on one of these hosts."""
        for host in hosts:
            queue = self._by_host.get(host)
            if queue and (task := self._head(queue)) is not None:
                return task
        return None

    def first(self) -> TaskInProgress | None:
        """The first task never failed, wherever its data is."""
        return self._head(self._all)

    def unplaced(self, known: Container[str]) -> TaskInProgress | None:
        """A task for which no host is better than another: it names none, or none of the cluster.
        Only the first few are looked at: those behind them wait for locality, no longer.
        """
        if self._head(self._all) is None:
            return None
        for _, index in zip(range(8), self._all, strict=False):
            split = self._tasks[index].split
            if index in self._fresh and (
                split is None or not any(host in known for host in split.hosts)
            ):
                return self._tasks[index]
        return None

    def _put(self, task: TaskInProgress, *, front: bool) -> None:
        self._fresh.add(task.index)
        hosts = task.split.hosts if task.split is not None else ()
        for queue in (self._all, *(self._by_host.setdefault(host, deque()) for host in hosts)):
            if front:
                queue.appendleft(task.index)
            else:
                queue.append(task.index)

    def _head(self, queue: deque[int]) -> TaskInProgress | None:
        while queue:
            if queue[0] in self._fresh:
                return self._tasks[queue[0]]
            queue.popleft()
        return None
