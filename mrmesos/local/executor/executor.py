"""TaskExecutor: runs free tasks on agents, in the style of `concurrent.futures`.

    with TaskExecutor() as executor:
        executor.execute(task)
        for task, value, exception in executor.pop_finished(wait=10): ...
        executor.submit(pow, 2, 10).result()

Thread: any. Results come on a thread of queue_link.py, which also calls the callbacks of futures.
"""

from __future__ import annotations

import atexit
import os
import secrets
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from mrmesos import conf as settings
from mrmesos.access.identity import current_user
from mrmesos.api.free_tasks import Consumption, FreeTaskLike, FunctionTask
from mrmesos.client.api_client import ApiProblem, Unreachable
from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.local.executor.cluster import ExecutorCluster, texts
from mrmesos.local.executor.errors import ExecutorLost
from mrmesos.local.executor.futures import TaskFuture
from mrmesos.local.executor.ledger import Finished, Ledger
from mrmesos.local.executor.queue_link import QueueLink
from mrmesos.local.executor.results import outcome, remove
from mrmesos.local.executor.specs import (
    NAME_CHARS,
    PRIORITIES,
    Pickler,
    name_of,
    need_of,
    travelling,
)
from mrmesos.resources import milli
from mrmesos.wire.job import FileKind, running_python
from mrmesos.wire.queue import AFTER_MAX, QueueSpec, TaskEnd, TaskSpec
from mrmesos.wire.task import AttemptError, ErrorKind
from mrmesos.wire.trace import within_trace

T = TypeVar("T")
LEAVE_SECONDS = 5.0
"""A shutdown without `wait` still waits this long until the JobTracker has cancelled all tasks."""
_open: weakref.WeakSet[TaskExecutor] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    for each in list(_open):
        each.shutdown(wait=False, cancel_futures=True)


class TaskExecutor(Executor):
    """Runs tasks: objects with `consumption()` and `run()`, and functions with arguments.

    By default, it starts a cluster on this host: `local_agents` agents of minimesos and a
    JobTracker. `master` names a Mesos cluster for a JobTracker of its own; `jobtracker` names a
    running JobTracker. `conf` has settings, as with `-D`; settings of jobs hold for all tasks.
    `global_resources` says how much of each global resource there is (`resources.global`), for a
    JobTracker of its own. `consumption` is the default for tasks that name none, and for submitted
    functions. `store` is a directory (a URI) for pickles that are too large for messages. All
    agents and this process must be able to write to it. `py_files` are modules for all tasks.

    `attach` is the id of a queue on `jobtracker`. Another executor has left it there, by `detach`
    or by its death. `pop_finished` then also returns the tasks of that executor, as their names.

    Raises ValueError for wrong arguments, ExecutorLost if the cluster does not start.
    """

    def __init__(
        self,
        *,
        jobtracker: str = "",
        master: str = "",
        local_agents: int | None = None,
        conf: Mapping[str, object] | None = None,
        global_resources: Mapping[str, float] | None = None,
        consumption: Consumption | None = None,
        store: str | Path = "",
        py_files: Sequence[str | Path] = (),
        name: str = "",
        attach: str = "",
    ) -> None:
        given = texts(conf or {})
        if attach and (not jobtracker or py_files):
            raise ValueError("attach is for a queue on a jobtracker; it has its own py_files")
        if global_resources:
            if jobtracker:
                raise ValueError(
                    "global_resources are a setting of the JobTracker; set resources.global there"
                )
            given[settings.RESOURCES_GLOBAL.name] = ";".join(
                f"{each}:{amount:g}" for each, amount in global_resources.items()
            )
        self._files, self._jobtracker = JobFiles(), jobtracker
        try:
            self._files.add(FileKind.PYTHON, map(str, py_files))
            self._cluster = ExecutorCluster(
                jobtracker=jobtracker,
                master=master,
                local_agents=local_agents,
                conf=given,
                store=str(store),
            )
        except UsageProblem as problem:
            self._files.close()
            raise ValueError(problem.message) from None
        except BaseException:
            self._files.close()
            raise
        self._ledger = Ledger()
        self._pickler = Pickler([Path(each) for each in py_files])
        try:
            base = self._cluster.conf
            self._default = {
                "cpus": milli(base.get_as(settings.MAP_CPUS)),
                "mem": milli(base.get_as(settings.MAP_MEMORY_MB)),
            }
            self._default = need_of(consumption or {}, self._default)
            self._link = self._take_over(attach) if attach else self._connect(name)
        except BaseException:
            self._cluster.close()
            self._files.close()
            raise
        _open.add(self)

    def _connect(self, name: str) -> QueueLink:
        """Make the queue on the JobTracker."""
        client = self._cluster.client()
        try:
            code = client.upload(self._pickler.code)
            for file, path in self._files.items():
                client.upload_file(file.sha256, path)
            queue_id = client.submit_queue(
                QueueSpec(
                    name=name or f"tasks of {current_user()}",
                    user=current_user(),
                    conf=within_trace(self._of_tasks(), os.environ),
                    code=code,
                    python=running_python(),
                    files=self._files.files,
                    store=self._cluster.store,
                )
            )
        except ApiProblem as problem:
            raise ValueError(str(problem)) from None
        except Unreachable as problem:
            raise ExecutorLost(self._cluster.last_words() or str(problem)) from None
        finally:
            client.close()
        return QueueLink(queue_id, self._cluster.client, self._ended, self._refused, self._no_more)

    def _take_over(self, queue_id: str) -> QueueLink:
        status = self._cluster.open_queue(queue_id)
        self._ledger = Ledger(status.highest, status.open + status.unread)
        return QueueLink(queue_id, self._cluster.client, self._ended, self._refused, self._no_more)

    def detach(self) -> str:
        """Leave the tasks to run on the JobTracker, and close the executor. Returns the id of the
        queue, for `attach`. The JobTracker kills the queue if no executor attaches to it within
        `queue.lease.seconds`.
        """
        self._check_usable()
        if not self._jobtracker:
            raise ValueError("detach is for a jobtracker: a cluster of our own ends with us")
        _open.discard(self)
        for live in self._ledger.close(drop=True):
            if live.future is not None:
                live.future.drop()
        self._link.leave()
        self._cluster.close()
        self._files.close()
        return self.queue_id

    def _of_tasks(self) -> dict[str, str]:
        known = settings.SETTINGS
        conf = self._cluster.conf
        return {n: t for n, t in conf.items() if n not in known or known[n].scope == "job"}

    @property
    def queue_id(self) -> str:
        """The id of its queue, for `mrmesos job status`."""
        return self._link.queue_id

    # Tasks.

    def execute(
        self,
        task: FreeTaskLike | Callable[[], Any],
        *,
        after: Iterable[Any] = (),
        retries: int = 0,
        priority: str = "",
        deadline: float = 0.0,
        timeout: float = 0.0,
        constraints: str = "",
        fail_if_impossible: bool = False,
        name: str = "",
    ) -> None:
        """Run a task. `pop_finished` says how it ended.

        It starts when all tasks of `after` have succeeded, and fails if one of them fails. After a
        failure it runs again, `retries` times at most. `priority` has the same values as for jobs.
        `timeout` limits one attempt, and `deadline` limits all attempts together, counted from now;
        both are in seconds, and 0 means no limit. `constraints` are written as in
        `job.constraints`. With `fail_if_impossible`, it fails at once if no known agent could run
        it. Otherwise it waits for one.

        A task that was cancelled may be executed again at once: it begins when its old run has
        ended. Raises ValueError or TypeError, with the reason in one line.
        """
        self._check_usable()
        if not isinstance(task, FreeTaskLike):
            if not callable(task):
                raise TypeError(f"{task!r:.100} has no consumption() and run(), and is no function")
            call: Callable[[], Any] = task
            asked: Consumption = {}
        else:
            call, asked = task.run, task.consumption()
        self._add(
            task,
            call,
            asked,
            None,
            name or name_of(task),
            after=tuple(after),
            retries=retries,
            priority=priority,
            deadline=deadline,
            timeout=timeout,
            constraints=constraints,
            fail_if_impossible=fail_if_impossible,
        )

    def execute_all(self, graph: Mapping[Any, Iterable[Any]], **options: Any) -> None:
        """Run the tasks of a graph: each task with the tasks that must succeed before it. The
        latter may also be tasks that were executed earlier. `options` are the options of `execute`.

        Raises ValueError if tasks wait for each other; then none of them runs.
        """
        wanted = {task: list(before) for task, before in graph.items()}
        try:
            order = [task for task in TopologicalSorter(wanted).static_order() if task in wanted]
        except CycleError as problem:
            circle = " -> ".join(name_of(task) for task in problem.args[1])
            raise ValueError(f"the tasks wait for each other: {circle}") from None
        for task in order:
            self.execute(task, after=wanted[task], **options)

    def _add(
        self,
        task: Any,
        call: Callable[[], Any],
        asked: Consumption,
        future: TaskFuture[Any] | None,
        name: str,
        *,
        after: Sequence[Any] = (),
        **options: Any,
    ) -> None:
        need = need_of(asked, self._default)
        if options.get("priority") and options["priority"] not in PRIORITIES:
            raise ValueError(f"priority={options['priority']!r}: one of {', '.join(PRIORITIES)}")
        if len(after) > AFTER_MAX:
            raise ValueError(f"{name} waits for {len(after):,} tasks, over {AFTER_MAX:,}")
        payload, stored = travelling(
            self._pickler.pickled(call, name), name, self._cluster.store, secrets.token_hex(8)
        )

        def send(key: int, keys: tuple[int, ...], behind: tuple[int, ...]) -> None:
            self._link.add(
                TaskSpec(
                    key=key,
                    name=name[:NAME_CHARS],
                    need=need,
                    payload=payload,
                    stored=stored,
                    after=keys,
                    behind=behind,
                    **options,
                )
            )

        self._ledger.add(task, name, stored, after, future, send)

    def cancel(self, task: Any) -> bool:
        """Cancel a task: kill it if it runs. `pop_finished` does not return it. Returns False if
        the task is not being executed, or was already returned.
        """
        known, key = self._ledger.cancel(task)
        if key:
            self._link.cancel(key)
        return known

    def pop_finished(self, wait: float = 0.0) -> list[Finished]:
        """The tasks that have ended since the last call, as (task, return value, exception), in the
        order of their ends. The exception is None if the task has succeeded.

        If there are none, this waits at most `wait` seconds for one. Raises ExecutorLost if the
        cluster has ended and no more can come.
        """
        return self._ledger.pop(wait)

    @property
    def unfinished(self) -> int:
        """The number of tasks that have not ended."""
        return len(self._ledger)

    # concurrent.futures.Executor

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn(*args, **kwargs)` in a worker. A FunctionTask has a consumption of its own.

        The future's `cancel` also ends a call that runs.
        """
        self._check_usable()
        call = (
            fn
            if isinstance(fn, FunctionTask) and not (args or kwargs)
            else FunctionTask(fn, *args, **kwargs)
        )
        future: TaskFuture[T] = TaskFuture(self._cancel_key)
        self._add(call, call.run, call.consumption(), future, name_of(call))
        return future

    def _cancel_key(self, key: int) -> None:
        if self._ledger.drop(key):
            self._link.cancel(key)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no further tasks. With `wait`, wait for the tasks that were executed. Without
        `wait`, or with `cancel_futures`, these tasks are cancelled, because a cluster of its own
        ends with the executor.
        """
        if not self._cluster.is_ours or self._ledger.closed:
            return
        _open.discard(self)
        for live in self._ledger.close(drop=cancel_futures or not wait):
            self._link.cancel(live.key)
            if live.future is not None:
                live.future.drop()
        self._link.close()
        try:
            if not self._ledger.lost:
                self._link.join(None if wait else LEAVE_SECONDS)
        finally:
            self._link.give_up()
            self._cluster.close()
            self._files.close()

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        """Wait for all tasks. After an error, cancel them."""
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def __enter__(self) -> Self:
        return self

    # On the thread that takes the ends.

    def _ended(self, end: TaskEnd) -> None:
        live = self._ledger.take(end.key)
        if live is None:  # cancelled, or a task of an earlier executor
            if self._ledger.is_earlier(end.key):
                self._ledger.finish_earlier(end.name, *outcome(end))
            remove(None, end.result)
            return
        value, problem = outcome(end)
        remove(live.stored, end.result)
        self._ledger.finish(live, value, problem)

    def _refused(self, key: int, words: str) -> None:
        error = AttemptError(kind=ErrorKind.INPUT, message=words)
        self._ended(TaskEnd(number=0, key=key, error=error))

    def _no_more(self, words: str) -> None:
        self._ledger.lose(self._cluster.last_words() or words)

    # Checks.

    def _check_usable(self) -> None:
        if not self._cluster.is_ours:
            raise RuntimeError(
                f"the executor belongs to the process that made it, and this one (pid "
                f"{os.getpid()}) was forked from that; make an executor here"
            )

    def __repr__(self) -> str:
        state = "closed" if self._ledger.closed else "lost" if self._ledger.lost else "open"
        return f"<TaskExecutor {self._cluster.where}, {self.queue_id}, {state}>"
