from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mrmesos.api.split import Split
from mrmesos.jobtracker.core.model.pending_tasks import PendingTasks
from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.wire.ids import HostName, TaskKind

hosts = st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple)
steps = st.lists(
    st.tuples(st.sampled_from(["local", "first", "back", "failed"]), st.sampled_from("abc")),
    max_size=60,
)


@given(where=st.lists(hosts, max_size=12), steps=steps)
def test_the_index_agrees_with_a_plain_scan(
    where: list[tuple[str, ...]], steps: list[tuple[str, str]]
) -> None:
    tasks = [
        TaskInProgress("job_1_0001", TaskKind.MAP, i, Split((), 1, w)) for i, w in enumerate(where)
    ]
    pending = PendingTasks(tasks)
    waiting = set(range(len(tasks)))
    taken: list[int] = []
    for step, host in steps:
        fresh = {i for i in waiting if not tasks[i].failed_on}
        if step in ("local", "first"):
            task = pending.on_host(HostName(host)) if step == "local" else pending.first()
            could = {i for i in fresh if step == "first" or host in where[i]}
            assert (task is None) == (not could)
            if task is not None:
                assert task.index in could
                pending.remove(task)
                waiting.discard(task.index)
                taken.append(task.index)
        elif taken:
            task = tasks[taken.pop()]
            if step == "failed":
                task.failed_on.add(HostName(host))
            pending.put_back(task)
            waiting.add(task.index)
            if not task.failed_on:
                assert pending.first() is task, "what came back goes first"
        assert len(pending) == len(waiting)
        fresh = {i for i in waiting if not tasks[i].failed_on}
        for each in "abc":
            assert pending.waits_for(HostName(each)) == any(each in where[i] for i in fresh)
        assert all((task in pending) == (task.index in waiting) for task in tasks)
        again = {i for i in waiting if tasks[i].failed_on}
        found = pending.retry_for(HostName(host), lambda _: True, 0.0)
        assert (found is None) == all(host in tasks[i].failed_on for i in again)
        assert (pending.retry_for(HostName(host), lambda _: False, 0.0) is None) == (not again)
