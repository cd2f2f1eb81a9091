"""On which agents a job's reduces can fetch all map output, and where its maps may leave output.

Comes in: the known cuts between hosts (reachability.py). Goes out: agents, or jobs that may not use
an agent. While no cut is known, all this costs almost no time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mrmesos.jobtracker.core.scheduling.job_set import NO_JOBS, JobSet
from mrmesos.wire.ids import HostName, TaskKind

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.agent import Agent
    from mrmesos.jobtracker.core.model.cluster import Cluster
    from mrmesos.jobtracker.core.model.job import JobInProgress
    from mrmesos.jobtracker.core.model.task import TaskAttempt
    from mrmesos.jobtracker.core.scheduling.job_index import JobIndex


def counted_on(job: JobInProgress, kind: TaskKind, agent: Agent, now: float) -> bool:
    """Whether a task of the job could start on an agent, if it has enough free."""
    return agent.takes(now) and job.fits(kind, agent) and job.suits(agent)


def waiting_reduces(job: JobInProgress) -> Iterator[TaskAttempt]:
    """The running reduces that still have to fetch map output."""
    for attempt in job.running_reduces.values():
        if not attempt.fetched and not attempt.kill_asked and attempt in attempt.task.running:
            yield attempt


def outputs_cut_from(cluster: Cluster, job: JobInProgress, host: HostName, now: float) -> int:
    """How many of the job's map outputs a reduce on this host could not fetch."""
    cut = cluster.reach.sources_cut_from(host, now)
    return sum(job.outputs.on_host.get(source, 0) for source in cut)


def readers(
    cluster: Cluster, job: JobInProgress, now: float, more: str = "", less: str = ""
) -> Iterator[Agent]:
    """The agents where a reduce could fetch every map output. This assumes that the host `more` had
    output, too, and that the host `less` had none.
    """
    # Before there is any output, the running maps decide where the output will be.
    outputs = job.outputs.on_host.keys() or {a.hostname for a in job.running.values() if more}
    for agent in cluster.agents.values():
        if counted_on(job, TaskKind.REDUCE, agent, now) and not any(
            source == more or (source in outputs and source != less)
            for source in cluster.reach.sources_cut_from(agent.hostname, now)
        ):
            yield agent


def barred(index: JobIndex, agent: Agent) -> tuple[JobSet, JobSet]:
    """Two sets: the jobs whose maps, and the jobs whose reduces, must use other agents because some
    hosts do not reach each other.
    """
    cluster, now = index.cluster, index.now
    reach = cluster.reach
    if reach.until <= now:
        return NO_JOBS, NO_JOBS
    unread = any(True for _ in reach.readers_cut_from(agent.hostname, now))
    blind = any(True for _ in reach.sources_cut_from(agent.hostname, now))
    maps = reduces = NO_JOBS
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
    """Whether another agent would be better. A reduce could not fetch here all that it could fetch
    elsewhere. A map's output could not be fetched from here as widely as from elsewhere.
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
    """Whether a map that runs again could leave its output on a host that all waiting reduces
    reach, so that an agent still reaches all outputs. This assumes no output on the host `less`.
    """
    trouble = _Trouble(cluster, job, now, less)
    return trouble.least == (False, False) and any(
        trouble.of(agent.hostname) == trouble.least
        for agent in cluster.agents.values()
        if counted_on(job, TaskKind.MAP, agent, now)
    )


class _Trouble:
    """How bad it would be to have map output on a host, as a pair to compare. The first part is
    worse: no agent would then reach all outputs. The second: a waiting reduce would not reach it.

    `least` is the pair for a host that everybody reaches. It needs no look at other agents.
    """

    def __init__(self, cluster: Cluster, job: JobInProgress, now: float, less: str = "") -> None:
        self._cluster, self._job, self._now, self._less = cluster, job, now, less
        self._waiting = {attempt.hostname for attempt in waiting_reduces(job)}
        self.least = (not self._read(""), False)

    def of(self, host: HostName) -> tuple[bool, bool]:
        cut = list(self._cluster.reach.readers_cut_from(host, self._now))
        if not cut:
            return self.least
        nobody = self.least[0] or not self._read(host)
        return nobody, any(reader in self._waiting for reader in cut)

    def _read(self, more: str) -> bool:
        found = readers(self._cluster, self._job, self._now, more, self._less)
        return next(found, None) is not None
