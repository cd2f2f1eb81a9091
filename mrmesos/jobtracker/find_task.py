"""findTask: the next attempt for an agent with room, or none. docs/scheduling.md describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mrmesos.jobtracker.cluster import Agent, Cluster, Tracker
from mrmesos.jobtracker.job import JobInProgress
from mrmesos.jobtracker.task import TaskInProgress
from mrmesos.mesos.resources import Amounts
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.task import Locality


@dataclass(frozen=True, slots=True)
class Found:
    """A task to start here."""

    job: JobInProgress
    task: TaskInProgress
    locality: Locality


@dataclass(frozen=True, slots=True)
class NotYet:
    """Some task would fit but waits, until `until` at most, for an agent that suits it better."""

    until: float


@dataclass(frozen=True, slots=True)
class Nothing:
    """No task that may run now fits here. `wanted`: some may run, but they are too large."""

    wanted: bool


Choice = Found | NotYet | Nothing


def find_task(
    jobs: Iterable[JobInProgress],
    cluster: Cluster,
    agent: Agent,
    tracker: Tracker | None,
    fits: Callable[[Amounts], bool],
    now: float,
) -> Choice:
    """The next task for `agent`, where `fits(need)` says what there is room for.

    Jobs in the order of `jobs`; one that waits for locality lets those behind it pass. Changes
    nothing but the job's note of when it first passed over a chance.
    """
    wanted, until = False, None
    for job in jobs:
        if not job.hungry:
            continue
        wanted = True
        for kind in _kinds(job, tracker):
            if not fits(job.settings.need(kind)):
                continue
            choice = (
                _find_map(job, cluster, agent, now)
                if kind is TaskKind.MAP
                else _find_reduce(job, cluster, agent, now)
            )
            if isinstance(choice, Found):
                return choice
            if choice is not None:
                until = choice.until if until is None else min(until, choice.until)
    return Nothing(wanted) if until is None else NotYet(until)


def _kinds(job: JobInProgress, tracker: Tracker | None) -> tuple[TaskKind, ...]:
    """The kinds that wait, the one first whose turn it is by the map/reduce ratio."""
    if not job.wants_reduce:
        return (TaskKind.MAP,)
    if not job.wants_map:
        return (TaskKind.REDUCE,)
    maps = reduces = 0
    for slot in tracker.slots.values() if tracker is not None else ():
        if slot.attempt is not None:
            if slot.attempt.task.kind is TaskKind.MAP:
                maps += 1
            else:
                reduces += 1
    if (reduces + 1) * job.settings.ratio <= maps:
        return (TaskKind.REDUCE, TaskKind.MAP)
    return (TaskKind.MAP, TaskKind.REDUCE)


def _find_map(
    job: JobInProgress, cluster: Cluster, agent: Agent, now: float
) -> Found | NotYet | None:
    pending = job.pending_maps
    task = pending.retry_for(agent.id, lambda than: cluster.has_others(than, now), now)
    if task is None:
        task = pending.local_to(agent.hosts)
    if task is None:
        task = pending.unplaced(cluster.hosts)
    if task is not None:
        return Found(job, task, _locality(task, agent))
    task = pending.first()
    if task is None:
        # All that wait failed here before: another agent is to try them first.
        return NotYet(now + 1.0)
    if job.skipped_since is None:
        job.skipped_since = now
    until = job.skipped_since + job.settings.wait_node
    return NotYet(until) if now < until else Found(job, task, Locality.ANY)


def _find_reduce(
    job: JobInProgress, cluster: Cluster, agent: Agent, now: float
) -> Found | NotYet | None:
    pending = job.pending_reduces
    task = pending.retry_for(agent.id, lambda than: cluster.has_others(than, now), now)
    if task is None:
        task = pending.first()
    return NotYet(now + 1.0) if task is None else Found(job, task, Locality.ANY)


def _locality(task: TaskInProgress, agent: Agent) -> Locality:
    hosts = task.split.hosts if task.split is not None else ()
    return Locality.NODE_LOCAL if any(h in hosts for h in agent.hosts) else Locality.ANY
