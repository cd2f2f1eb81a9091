"""The waiting tasks of one job, indexed to find the next one for an agent at once.

As in Spark's TaskSetManager, there are queues by host, by rack, for tasks without preference, and
for all tasks. Removal is lazy: a task that was taken stays in the other queues until it comes to
their head. So a choice is O(1) amortised. A queue is a list with its head at the end. Most hosts
have one or two tasks of a job, and such a list takes an eighth of a deque's memory. Two queues are
deques, because free tasks are added at their other end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence, Set

from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.wire.ids import HostName

AVOID_SECONDS = 300.0
"""A task that failed on a host waits this long for another host. Other hosts may be busy in the
meantime.
"""

LOOK_AT = 64
"""Most tasks that one choice examines if it cannot simply take the first."""

Usable = Callable[[HostName], bool]


class HostTasks(list[TaskInProgress]):
    """A job's tasks whose data is on one host. Each task refers to its queues, so that removing a
    task needs no look-up by host name.
    """

    __slots__ = ("host", "left")

    def __init__(self, host: HostName) -> None:
        self.host = host
        self.left = 0  # the number of these tasks that wait and never failed


class PendingTasks:
    """The waiting tasks of one kind. It changes only `fresh` and `queues` of the tasks themselves.

    `new_hosts` names hosts for which a task began to wait. `done_hosts` names hosts for which the
    last task ceased to wait. Both count only tasks that never failed. The reader empties them.
    """

    __slots__ = (
        "_again",
        "_all",
        "_by_host",
        "_by_rack",
        "_look",
        "_looked",
        "_loose",
        "_number",
        "_tasks",
        "done_hosts",
        "new_hosts",
    )

    def __init__(self, tasks: Sequence[TaskInProgress]) -> None:
        self._tasks = tasks
        self._number = 0  # how many tasks wait that never failed
        self._all: deque[TaskInProgress] = deque()
        self._loose: deque[TaskInProgress] = deque()  # no host is better than another
        self._looked = 0  # the next index that `look_for_homeless` examines
        self._look = (-1, 0)  # the `losses` of its present round, and how many tasks are left in it
        self._by_host: dict[HostName, HostTasks] = {}
        self._by_rack: dict[str, tuple[int, list[TaskInProgress]]] = {}  # made on first use
        self._again: dict[int, None] = {}  # tasks that failed or are urgent, in order; few
        self.new_hosts: list[HostName] = []
        self.done_hosts: list[HostName] = []
        for task in reversed(tasks):
            task.queues = tuple(map(self._queue, task.hosts))
            self._put(task)
        self.new_hosts = list(self._by_host)

    def __len__(self) -> int:
        return self._number + len(self._again)

    def __contains__(self, task: TaskInProgress) -> bool:
        return task.fresh or task.index in self._again

    @property
    def hosts(self) -> Iterable[HostName]:
        """All hosts that store data of a task, whether it waits or not."""
        return self._by_host

    @property
    def retries(self) -> bool:
        """Whether a task waits that failed before or is urgent."""
        return bool(self._again)

    @property
    def loose(self) -> bool:
        """Whether a task without preference waits, as far as the last look has shown."""
        return bool(self._loose) and self._head(self._loose) is not None

    @property
    def fresh(self) -> bool:
        """Whether a task that never failed waits."""
        return self._number > 0

    def add(self, task: TaskInProgress) -> None:
        """A free task begins to wait, behind all others."""
        task.fresh = True
        self._number += 1
        self._all.appendleft(task)
        self._loose.appendleft(task)

    def put_back(self, task: TaskInProgress, *, urgent: bool = False) -> None:
        """A task waits again. It goes before tasks that were never tried (as in Hadoop). If it is
        `urgent`, no host is better than another.
        """
        if task.failed_on or urgent:
            self._again[task.index] = None
        else:
            self._put(task)
            self.new_hosts += task.hosts
            self.done_hosts = [host for host in self.done_hosts if host not in task.hosts]
            self._by_rack.clear()

    def remove(self, task: TaskInProgress) -> None:
        """A task was taken."""
        if not task.fresh:
            self._again.pop(task.index, None)
            return
        task.fresh = False
        self._number -= 1
        for queue in task.queues:
            queue.left -= 1
            if not queue.left:
                self.done_hosts.append(queue.host)

    def waits_for(self, host: HostName) -> bool:
        """Whether a task waits that never failed and has its data on this host."""
        queue = self._by_host.get(host)
        return queue is not None and queue.left > 0

    def retry_for(
        self, host: HostName, others: Callable[[Set[HostName]], bool], now: float
    ) -> TaskInProgress | None:
        """The first task that failed before or is urgent, and may run on `host`.

        It may if it has not failed on this host, or has waited for AVOID_SECONDS, or if
        `others(hosts)` says that there are no agents except on the hosts where it failed.
        """
        for _, index in zip(range(LOOK_AT), self._again, strict=False):
            task = self._tasks[index]
            if (
                host not in task.failed_on
                or now - task.pending_since >= AVOID_SECONDS
                or not others(task.failed_on)
            ):
                return task
        return None

    def on_host(self, host: HostName) -> TaskInProgress | None:
        """The first task that never failed and has its data on this host."""
        queue = self._by_host.get(host)
        return self._head(queue) if queue is not None and queue.left else None

    def on_rack(
        self, rack: str, version: int, hosts: Collection[HostName]
    ) -> TaskInProgress | None:
        """The first task that never failed and has its data on one of the rack's `hosts`.

        The queue is made on first use, and again for each new `version` of the rack.
        """
        made, queue = self._by_rack.get(rack, (-1, None))
        if queue is None or made != version:
            at_hand = [host for host in self._by_host if host in hosts]
            tasks = {task.index for host in at_hand for task in self._by_host[host]}
            queue = [self._tasks[index] for index in sorted(tasks, reverse=True)]
            self._by_rack[rack] = (version, queue)
        return self._head(queue)

    def first(self) -> TaskInProgress | None:
        """The first task that never failed, wherever its data is."""
        return self._head(self._all)

    def without_preference(self, usable: Usable) -> TaskInProgress | None:
        """A task that never failed and has no better agent to wait for: it names no hosts, or none
        of its hosts is `usable`.
        """
        while (task := self._head(self._loose)) is not None:
            if not any(map(usable, task.hosts)):
                return task
            self._loose.pop()
        return None

    def look_for_homeless(self, usable: Usable, losses: int) -> bool:
        """Examine the next LOOK_AT tasks. Find the tasks that name hosts, none of which is
        `usable`.

        Each task is examined once per value of `losses`, a number that grows when hosts cease to be
        usable. Returns whether a task without preference waits now.
        """
        if self._head(self._loose) is not None:
            return True
        if self._look[0] != losses:
            self._look = (losses, len(self._tasks))
        some, found = min(LOOK_AT, self._look[1]), []
        self._look = (losses, self._look[1] - some)
        for _ in range(some):
            task = self._tasks[self._looked % len(self._tasks)]
            self._looked = task.index + 1
            if task.fresh and task.split is not None and not any(map(usable, task.hosts)):
                found.append(task)
        self._loose.extend(reversed(found))
        return bool(found)

    def _queue(self, host: HostName) -> HostTasks:
        queue = self._by_host.get(host)
        if queue is None:
            queue = self._by_host[host] = HostTasks(host)
        return queue

    def _put(self, task: TaskInProgress) -> None:
        """Put a task, which must not be in here, before all others."""
        # Drop taken tasks at the head, so that a task put back often is not in there as often.
        self._head(self._all)
        for queue in task.queues:
            self._head(queue)
        task.fresh = True
        self._number += 1
        self._all.append(task)
        for queue in task.queues:
            queue.left += 1
            queue.append(task)
        if not task.hosts:
            self._loose.append(task)

    @staticmethod
    def _head(queue: list[TaskInProgress] | deque[TaskInProgress]) -> TaskInProgress | None:
        while queue:
            task = queue[-1]
            if task.fresh:
                return task
            queue.pop()
        return None
