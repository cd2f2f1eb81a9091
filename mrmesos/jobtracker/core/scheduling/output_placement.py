"""Where a job's reduces can fetch all of its map output, and where its maps may leave theirs.

All of it is as far as is known (reachability.py). While no cut between hosts is believed, nothing
here takes any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mrmesos.wire.ids import TaskKind

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.cluster import Agent, Cluster
    from mrmesos.jobtracker.core.model.job import JobInProgress
    from mrmesos.jobtracker.core.model.task import TaskAttempt
    from mrmesos.jobtracker.core.scheduling.job_index import JobIndex


def counted_on(job: JobInProgress, kind: TaskKind, agent: Agent, now: float) -> bool:
    """Whether a task of the job could be started on an agent, if there is room."""
    return agent.takes(now) and job.fits(kind, agent) and job.suits(agent)


def waiting_reduces(job: JobInProgress) -> Iterator[TaskAttempt]:
    """The running reduces that have yet to fetch some map output."""
    for attempt in job.running_reduces.values():
        if not attempt.fetched and not attempt.kill_asked and attempt in attempt.task.running:
            yield attempt


def outputs_cut_from(cluster: Cluster, job: JobInProgress, host: str, now: float) -> int:
    """How many of the job's map outputs a reduce on a host could not fetch."""
    cut = cluster.reach.sources_cut_from(host, now)
    return sum(job.outputs_on.get(source, 0) for source in cut)


def readers(
    cluster: Cluster, job: JobInProgress, now: float, more: str = "", less: str = ""
) -> Iterator[Agent]:
    """The agents where a reduce could fetch every map output, were there some on the host `more`,
    and none on the host `less`.
    """
    # Before any output is there, those that run decide where the others are to be.
    outputs = job.outputs_on.keys() or {a.hostname for a in job.running.values() if more}
    for agent in cluster.agents.values():
        if counted_on(job, TaskKind.REDUCE, agent, now) and not any(
            source == more or (source in outputs and source != less)
            for source in cluster.reach.sources_cut_from(agent.hostname, now)
        ):
            yield agent


def barred(index: JobIndex, agent: Agent) -> tuple[int, int]:
    """The jobs whose maps, and those whose reduces, would do better on other agents, as there are
    hosts that do not reach one another. Sets of jobs are integers, as in `job_index`.
    """
    cluster, now = index.cluster, index.now
    reach = cluster.reach
    if reach.until <= now:
        return 0, 0
    unread = any(True for _ in reach.readers_cut_from(agent.hostname, now))
    blind = any(True for _ in reach.sources_cut_from(agent.hostname, now))
    maps = reduces = 0
    if unread or blind:
        backups = (*index.backups.values(), *index.unheard.values())
        waiting = {entry.job.id for entry in index.entries_of(index.maps | index.reduces)}
        for job_id in waiting | {job.id for job in backups}:
            if (entry := index.entries.get(job_id)) is not None:
                if unread and is_barred(cluster, entry.job, TaskKind.MAP, agent, now):
                    maps |= entry.bit
                if blind and is_barred(cluster, entry.job, TaskKind.REDUCE, agent, now):
                    reduces |= entry.bit
    return maps, reduces


def is_barred(
    cluster: Cluster, job: JobInProgress, kind: TaskKind, agent: Agent, now: float
) -> bool:
    """A reduce would lack here what it could fetch elsewhere; the output of a map would be reached
    by fewer than elsewhere.
    """
    if cluster.reach.until <= now or not job.needs_map_outputs:
        return False
    if kind is TaskKind.MAP:
        return _map_barred(cluster, job, agent, now)
    lacks = outputs_cut_from(cluster, job, agent.hostname, now) > 0
    return lacks and any(True for _ in readers(cluster, job, now))


def _map_barred(cluster: Cluster, job: JobInProgress, agent: Agent, now: float) -> bool:
    if not any(True for _ in cluster.reach.readers_cut_from(agent.hostname, now)):
        return False
    trouble = _Trouble(cluster, job, now)
    mine = trouble.of(agent.hostname)
    return mine > trouble.least and any(
        trouble.of(other.hostname) < mine
        for other in cluster.agents.values()
        if other.hostname != agent.hostname and counted_on(job, TaskKind.MAP, other, now)
    )


def reachable_by_all(cluster: Cluster, job: JobInProgress, now: float, less: str = "") -> bool:
    """Whether a map that runs again could leave its output where all that wait reach it, and that
    of others, were there none on the host `less`.
    """
    trouble = _Trouble(cluster, job, now, less)
    return trouble.least == (False, False) and any(
        trouble.of(agent.hostname) == trouble.least
        for agent in cluster.agents.values()
        if counted_on(job, TaskKind.MAP, agent, now)
    )


class _Trouble:
    """What map output on a host would bring: whether no agent would reach all outputs then, which
    is the worse; and whether a reduce that waits would not reach it. `least`: where nobody is cut
    from the host, which is known without a look at other agents.
    """

    def __init__(self, cluster: Cluster, job: JobInProgress, now: float, less: str = "") -> None:
        self._cluster, self._job, self._now, self._less = cluster, job, now, less
        self._waiting = {attempt.hostname for attempt in waiting_reduces(job)}
        self.least = (not self._read(""), False)

    def of(self, host: str) -> tuple[bool, bool]:
        cut = list(self._cluster.reach.readers_cut_from(host, self._now))
        if not cut:
            return self.least
        nobody = self.least[0] or not self._read(host)
        return nobody, any(reader in self._waiting for reader in cut)

    def _read(self, more: str) -> bool:
        found = readers(self._cluster, self._job, self._now, more, self._less)
        return next(found, None) is not None
