"""The core's data for pages and metrics. Each function copies a bounded piece of it.

Thread: the core's, between two events. So a piece must not be large: pages ask for the tasks of a
job in pieces of PIECE (and for jobs and agents in similar ones), and the core answers offers and
heartbeats between two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec import Struct

from mrmesos.jobtracker.core.messages.job_run import TaskRun
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.slot import SlotState
from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.jobtracker.core.state.queue_view import shared_views
from mrmesos.jobtracker.core.state.reports import counters_of, row_of, status_of, task_run
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts
from mrmesos.wire.cluster import AgentView, ClusterView, OffersView, PoolView
from mrmesos.wire.ids import AgentId, TaskKind
from mrmesos.wire.job import AttemptRow, JobSpec, JobStatus

PIECE = 500
_KINDS = tuple(TaskKind)


class Totals(Struct, frozen=True, kw_only=True):
    """Sums over all jobs of this life: by state, or by kind of task."""

    jobs: dict[str, int]
    ended: dict[str, int]
    waiting: dict[str, int]
    running: dict[str, int]
    launched: dict[str, int]
    failed: dict[str, int]
    killed: dict[str, int]
    speculative: dict[str, int]


class JobPiece(Struct, frozen=True):
    """Some tasks of a job in progress: their attempts and counters."""

    rows: list[AttemptRow]
    tasks: list[TaskRun]


def cluster_view(st: State) -> ClusterView:
    """Pools, offers and the rest, but `agents` is empty: there may be thousands."""
    trackers: dict[str, int] = {}
    for tracker in st.cluster.trackers.values():
        name = "silent" if tracker.silent else tracker.state.value.lower()
        trackers[name] = trackers.get(name, 0) + 1
    return ClusterView(
        now=st.now,
        connected=st.subscription.connected,
        framework_id=st.subscription.framework_id,
        scheduler="fair" if st.settings.fair else "fifo",
        agents=[],
        pools=_pools(st),
        offers=OffersView(
            st.offers.taken,
            dict(st.offers.declined),
            st.offers.last,
            st.offers.suppressed == st.settings.roles,
        ),
        faults={host: faults.count for host, faults in st.faults.by_host.items()},
        trackers=trackers,
        last_stderr=st.tracker_ends.last_stderr,
        shared=shared_views(st),
        queues=len(st.queues.live),
    )


def agent_ids(st: State) -> list[str]:
    """The ids of all agents."""
    return list(st.cluster.agents)


def agents_of(st: State, ids: Iterable[str]) -> list[AgentView]:
    """The views of those of these agents that are still known."""
    found = (st.cluster.agents.get(AgentId(agent_id)) for agent_id in ids)
    return [_agent(st, agent) for agent in found if agent is not None]


def _agent(st: State, agent: Agent) -> AgentView:
    held: dict[str, int] = {}
    used: dict[str, int] = {}
    slots = busy = 0
    tracker = agent.tracker
    if tracker is not None:
        _add(held, st.settings.tracker)
        for slot in tracker.slots.values():
            if slot.state is not SlotState.ENDING:
                slots += 1
                busy += slot.attempt is not None
            _add(held, slot.taken)
            if slot.attempt is not None:
                _add(used, slot.taken)
    avoided, until = _avoided(st, agent)
    return AgentView(
        id=agent.id,
        hostname=agent.hostname,
        rack=agent.rack,
        tracker=tracker.state.value if tracker is not None else "",
        tracker_id=tracker.id if tracker is not None else "",
        slots=slots,
        busy=busy,
        size=dict(agent.size),
        held=held,
        used=used,
        seen=agent.seen,
        avoided=avoided,
        until=until,
    )


def _add(held: dict[str, int], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        held[name] = held.get(name, 0) + amount


def _avoided(st: State, agent: Agent) -> tuple[str, float]:
    """Why no attempt starts on an agent, and until when. An infinite time is given as 0."""
    if agent.tracker is not None and agent.tracker.silent:
        return "its TaskTracker sends no heartbeats", 0.0
    if st.now >= agent.closes:
        return "its maintenance is near", 0.0
    if st.now >= agent.avoid_until:
        return "", 0.0
    faults = st.faults.by_host.get(agent.hostname)
    if faults is not None and faults.until > st.now:
        return f"{faults.count} jobs had failures here", agent.avoid_until
    if agent.launch_failures:
        return f"{agent.launch_failures} TaskTrackers did not start here", agent.avoid_until
    return "a TaskTracker was given up here", agent.avoid_until


def _pools(st: State) -> list[PoolView]:
    jobs: dict[str, list[JobInProgress]] = {name: [] for name in st.settings.pools}
    for job in st.jobs.values():
        jobs.setdefault(job.settings.pool, []).append(job)
    return [_pool(st, name, found) for name, found in sorted(jobs.items())]


def _pool(st: State, name: str, jobs: Iterable[JobInProgress]) -> PoolView:
    share = st.settings.pools.get(name)
    running = waiting = cpus = number = 0
    for job in jobs:
        number += 1
        running += len(job.running)
        waiting += len(job.maps.pending) + len(job.reduces.pending)
        cpus += job.running_maps * job.settings.map_need.get("cpus", 0)
        cpus += len(job.running_reduces) * job.settings.reduce_need.get("cpus", 0)
    return PoolView(
        name=name,
        weight=share.weight if share is not None else 1000,
        least=share.least if share is not None else 0,
        jobs=number,
        running=running,
        waiting=waiting,
        cpus=cpus,
    )


def totals(st: State) -> Totals:
    """Sums over all jobs, also those that have ended."""
    own = dict(st.totals.counters)
    jobs: dict[str, int] = {}
    waiting = dict.fromkeys(_KINDS, 0)
    running = dict.fromkeys(_KINDS, 0)
    for job in st.jobs.values():
        jobs[job.state.value] = jobs.get(job.state.value, 0) + 1
        waiting[job.first_kind] += len(job.maps.pending)
        waiting[TaskKind.REDUCE] += len(job.reduces.pending)
        running[job.first_kind] += job.running_maps
        running[TaskKind.REDUCE] += len(job.running_reduces)
        _add(own, job.counters.own)

    def of(what: str) -> dict[str, int]:
        return {kind.value: own.get(f"{what}_{kind.plural}", 0) for kind in _KINDS}

    return Totals(
        jobs=jobs,
        ended=dict(st.totals.jobs),
        waiting={kind.value: number for kind, number in waiting.items()},
        running={kind.value: number for kind, number in running.items()},
        launched=of("LAUNCHED"),
        failed=of("FAILED"),
        killed=of("KILLED"),
        speculative=of("SPECULATIVE"),
    )


def jobs_in_progress(st: State) -> list[str]:
    """The ids of the jobs in progress, in order of their submission."""
    return list(st.jobs)


def statuses_of(st: State, job_ids: Iterable[str]) -> list[JobStatus]:
    """The statuses of those of these jobs that are still in progress."""
    found = (st.jobs.get(job_id) for job_id in job_ids)
    return [status_of(job) for job in found if job is not None]


def job_head(st: State, job_id: str) -> tuple[JobStatus, JobSpec] | None:
    """The status of a job in progress, and its specification. None if it is not in progress."""
    job = st.jobs.get(job_id)
    return None if job is None else (status_of(job), job.spec)


def job_piece(st: State, job_id: str, start: int) -> JobPiece | None:
    """The PIECE tasks from number `start` on, maps first. None if the job is not in progress."""
    job = st.jobs.get(job_id)
    if job is None:
        return None
    rows: list[AttemptRow] = []
    tasks: list[TaskRun] = []
    for task in islice(_tasks(job, start), PIECE):
        tasks.append(task_run(task, counters_of(task))._replace(story=tuple(task.story)))
        rows += [row_of(attempt, st.cluster.trackers) for attempt in task.attempts]
    return JobPiece(rows, tasks)


def _tasks(job: JobInProgress, start: int) -> Iterator[TaskInProgress]:
    maps = job.maps.tasks
    if start < len(maps):
        yield from islice(maps, start, start + PIECE)
    begin = max(0, start - len(maps))
    yield from islice(job.reduces.tasks, begin, begin + PIECE)
