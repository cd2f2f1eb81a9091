"""Hosts that are avoided: by one job whose attempts fail there, or by all jobs.

This follows Hadoop's JobInProgress.addTrackerTaskFailure and JobTracker.FaultyTrackersInfo. A job
avoids a host where several of its attempts failed. If that job succeeds in the end, the host gets a
fault. So a job with bad code does not make any host faulty. After several faults, all jobs avoid
the host. Faults are forgiven one by one. Neither list holds more than a third of the suitable
hosts: if everything fails, the hosts are not the cause.

Mesos reports a lost agent only to a framework that is connected at that moment, and it has no list
of agents. So a job that waits for long counts only the agents in sight. While work waits, Mesos
offers every agent with free resources again within seconds. An agent that was not offered is gone
or full, and helps in neither case.
"""

from __future__ import annotations

from collections.abc import Collection

from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.cluster import Faults
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.pending_tasks import AVOID_SECONDS
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import SETS, HostName
from mrmesos.wire.job import JobState

HOSTS_NAMED = 5
LOOK_SECONDS = 15.0
_EVER = float("-inf")


def _in_sight(agent: Agent, since: float) -> bool:
    return agent.tracker is not None or agent.seen >= since


def _hosts_of(st: State, job: JobInProgress, since: float = _EVER) -> set[HostName]:
    """The hosts in sight that could run all tasks of the job, ignoring failures there."""
    agents, demand = st.cluster.agents.values(), job.settings.demand
    kinds = [kind for kind in SETS if job.of(kind).tasks]
    return {
        agent.hostname
        for agent in agents
        if _in_sight(agent, since)
        and demand.suits(agent)
        and all(job.fits(kind, agent) for kind in kinds)
    }


def failed(st: State, job: JobInProgress, attempt: TaskAttempt) -> None:
    """An attempt failed. After several failures on one host, its job starts nothing there."""
    host = attempt.hostname
    count = job.hosts.failures[host] = job.hosts.failures.get(host, 0) + 1
    if count < job.settings.failures_per_host or host in job.hosts.shunned:
        return
    if 3 * (len(job.hosts.shunned) + 1) <= len(_hosts_of(st, job)):
        st.index.shun(job, host)
        job.count("BLACKLISTED_HOSTS")


def succeeded(st: State, job: JobInProgress) -> None:
    """A job succeeded. Each host that it avoided gets a fault."""
    for host in job.hosts.shunned:
        faults = st.faults.by_host.setdefault(host, Faults(0, st.now))
        faults.count += 1
        more = faults.count - st.settings.faults_max
        given_up = sum(other.until > st.now for other in st.faults.by_host.values())
        third = len(st.cluster.hostnames()) // 3
        if more >= 0 and (faults.until > st.now or given_up < third):
            faults.until = faults.since + (more + 1) * st.settings.forgive
            for agent in st.cluster.hosts.get(host, ()):
                seen(st, agent)


def seen(st: State, agent: Agent) -> None:
    """An agent appeared, or our data about it or its host has changed."""
    host = agent.hostname
    faults = st.faults.by_host.get(host)
    if faults is not None and faults.until > max(st.now, agent.avoid_until):
        st.cluster.avoid(agent, faults.until)
    if faults is not None or host in st.index.shunned:
        st.faults.checked = -1  # an avoided host is back, so more than a third may be avoided now


def came_up(st: State, agent: Agent) -> None:
    """A TaskTracker started. Forget earlier failures to start, but keep its host's faults."""
    agent.launch_failures, agent.avoid_until = 0, 0.0
    seen(st, agent)


def tick(st: State) -> None:
    """Forgive faults by time. If the cluster has shrunk, use some avoided hosts again."""
    for host, faults in list(st.faults.by_host.items()):
        while faults.count and st.now - faults.since >= st.settings.forgive:
            faults.count -= 1
            faults.since += st.settings.forgive
        if not faults.count:
            del st.faults.by_host[host]
    waiting = []
    if st.now - st.faults.looked >= LOOK_SECONDS:
        waiting = [job for job in st.jobs.values() if _waits_long(st, job)]
    if st.faults.checked == st.cluster.losses and not waiting:
        return
    st.faults.checked, st.faults.looked = st.cluster.losses, st.now
    _use_again(st, waiting)


def _waits_long(st: State, job: JobInProgress) -> bool:
    """Whether a job has waited for AVOID_SECONDS, as a failed task waits for another host."""
    return job.waits.idle_since is not None and st.now - job.waits.idle_since >= AVOID_SECONDS


def _use_again(st: State, waiting: list[JobInProgress]) -> None:
    """Use hosts again, so that no more than a third is avoided."""
    since = st.now - AVOID_SECONDS
    avoided = [host for host, faults in st.faults.by_host.items() if faults.until > st.now]
    missed = any(not _hosts_of(st, job, since).isdisjoint(avoided) for job in waiting)
    agents = st.cluster.agents.values()
    known = {a.hostname for a in agents if _in_sight(a, since if missed else _EVER)}
    for host in _too_many(avoided, known):
        st.faults.by_host[host].until = 0.0
        for agent in st.cluster.hosts[host]:
            agent.avoid_until = 0.0
    for job in st.jobs.values():
        if job.hosts.shunned and job.state is JobState.RUNNING:
            known = _hosts_of(st, job, since if _waits_long(st, job) else _EVER)
            for host in _too_many(list(job.hosts.shunned), known):
                st.index.forgive(job, host)


def _too_many(hosts: list[HostName], known: set[HostName]) -> list[HostName]:
    """The hosts to use again if more than a third of `known` is avoided: the oldest first."""
    here = [host for host in hosts if host in known]
    return here[: max(0, len(here) - len(known) // 3)]


def words(st: State, job: JobInProgress) -> str:
    """A text: the hosts that the job cannot use, and why. Empty if there are none."""
    known = st.cluster.hostnames()
    mine = [host for host in job.hosts.shunned if host in known]
    avoided = [h for h, faults in st.faults.by_host.items() if faults.until > st.now and h in known]
    said = []
    if mine:
        said.append(f"too many of its attempts failed on {named(mine)}")
    if avoided:
        said.append(f"jobs that succeeded had too many failures on {named(avoided)}")
    return "; ".join(said)


def named(hosts: Collection[str]) -> str:
    """A text: the first HOSTS_NAMED of the hosts, and how many more there are."""
    more = len(hosts) - HOSTS_NAMED
    return ", ".join(sorted(hosts)[:HOSTS_NAMED]) + (f" and {more} more" if more > 0 else "")
