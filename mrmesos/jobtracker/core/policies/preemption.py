"""Preemption: a pool that waits too long below its minimum share takes from pools above theirs.

As in Hadoop's fair scheduler (FairScheduler.preemptTasksIfNecessary), attempts are killed, the
youngest first, because they lose the least work. A killed attempt is not a failure, and its task
runs again. Preemption is off unless `fairscheduler.preemption.timeout` is set.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.policies.dispatch import kill_attempt
from mrmesos.jobtracker.core.scheduling.job_order import Fair
from mrmesos.jobtracker.core.scheduling.job_set import JobSet
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import TaskKind


def tick(st: State) -> None:
    """Find pools that have waited too long below their minimum share, and preempt for them."""
    order, after = st.index.order, st.settings.preempt_after
    if not after or not isinstance(order, Fair):
        return
    st.index.flush()
    waiting = st.index.maps | st.index.reduces
    before, st.starved = st.starved, {}
    due = 0
    for pool in order.pools():
        wanting = pool.jobs.all & waiting
        if not wanting or pool.used >= pool.share.least:
            continue
        since = before.get(pool.name, st.now)
        if st.now - since >= after:
            since = st.now
            due += min(pool.share.least - pool.used, _wanted(st, wanting))
        st.starved[pool.name] = since
    if due:
        _take_back(st, order, due)


def _wanted(st: State, jobs: JobSet) -> int:
    """The cost of all waiting tasks of these jobs, in thousandths of a CPU."""
    wanted = 0
    for entry in st.index.entries_of(jobs):
        job = entry.job
        wanted += entry.map_cost * len(job.maps.pending)
        wanted += entry.reduce_cost * len(job.reduces.pending) * job.wants_reduce
    return wanted


def _take_back(st: State, order: Fair, due: int) -> None:
    """Kill attempts until their cost reaches `due`. Attempts that are being killed already count.
    No pool falls below its own share through this.
    """
    pools = order.pools()
    cpus, weights = st.cluster.size.get("cpus", 0), sum(pool.share.weight for pool in pools)
    above = {
        pool.name: pool.used - max(pool.share.least, cpus * pool.share.weight // weights)
        for pool in pools
    }
    ending_first_then_youngest = sorted(
        st.attempts.values(), key=lambda a: (bool(a.kill_asked), a.start, a.id), reverse=True
    )
    for attempt in ending_first_then_youngest:
        entry = st.index.entries.get(attempt.task.job_id)
        if due <= 0 or entry is None:
            continue
        cost = entry.reduce_cost if attempt.task.kind is TaskKind.REDUCE else entry.map_cost
        pool = entry.rank.pool
        if attempt.kill_asked or above[pool] >= cost:
            above[pool] -= cost
            due -= cost
            kill_attempt(st, attempt, "another pool is below its minimum share")
