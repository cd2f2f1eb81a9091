"""What keeps the tasks of a job from starting on each agent: findTask's search, for one job alone.

Comes in: an agent, with the rest of its last offer. Goes out: one reason for each agent, and texts
for all agents with the same reason.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.pending_tasks import AVOID_SECONDS
from mrmesos.jobtracker.core.policies import host_faults
from mrmesos.jobtracker.core.policies.host_faults import named
from mrmesos.jobtracker.core.policies.quota import Quota
from mrmesos.jobtracker.core.scheduling import output_placement
from mrmesos.jobtracker.core.scheduling.delay_scheduling import NODE
from mrmesos.jobtracker.core.scheduling.eligibility import Fit, barred, on_trial
from mrmesos.jobtracker.core.scheduling.find_task import SPREAD_SECONDS, find_for
from mrmesos.jobtracker.core.scheduling.job_entry import JobEntry
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, describe
from mrmesos.wire.explain import Reason, Why
from mrmesos.wire.ids import TaskKind

PAIRS_NAMED = 3

_ORDER = (
    Why.NEXT,
    Why.LOCALITY,
    Why.SPREAD,
    Why.TOO_SMALL,
    Why.NO_OFFER,
    Why.FAILED_HERE,
    Why.ALONE,
    Why.MAINTENANCE,
    Why.SILENT,
    Why.AVOIDED,
    Why.BLACKLISTED,
    Why.CUT,
    Why.CONSTRAINT,
    Why.ROLE,
)
"""The reason that is nearest to a start comes first."""

_NOTHING: Amounts = {}


class Seen(NamedTuple):
    """The reason why a job starts no task on an agent now. NEXT: there is none."""

    why: Why
    lacks: Amounts = _NOTHING


def look(st: State, entry: JobEntry, kind: TaskKind, agent: Agent, quota: Quota | None) -> Seen:
    """The reason why a task of this kind does not start on an agent, with the rest of its last
    offer. The steps follow those of handlers/offers.py and findTask.
    """
    job, tracker, now = entry.job, agent.tracker, st.now
    if not agent.takes(now):
        if agent.avoid_until > now:
            faults = st.faults.by_host.get(agent.hostname)
            given_up = faults is not None and faults.until > now
            return Seen(Why.BLACKLISTED if given_up else Why.AVOIDED)
        return Seen(Why.MAINTENANCE if now >= agent.closes else Why.SILENT)
    if st.index.trials and tracker is not None and on_trial(tracker):
        return Seen(Why.ALONE)
    if barred(st.index, agent, agent.role)[kind is TaskKind.REDUCE] & entry.bit:
        return Seen(_bar(job, agent))
    if output_placement.is_barred(st.cluster, job, kind, agent, now):
        return Seen(Why.CUT)
    own = st.settings.tracker
    left = _left(st, agent)
    fit = Fit(
        left if quota is None else quota.within(left), own if tracker is None else {}, own["cpus"]
    )
    if lacks := fit.lacks(job.settings.need(kind)):
        return Seen(Why.TOO_SMALL, lacks)
    if find_for(st.index, agent, fit.fits, entry, kind) is not None:
        return Seen(Why.NEXT)
    if not job.of(kind).pending.fresh:
        return Seen(Why.FAILED_HERE)
    return Seen(Why.SPREAD if kind is TaskKind.REDUCE else Why.LOCALITY)


def _bar(job: JobInProgress, agent: Agent) -> Why:
    demand = job.settings.demand
    if agent.hostname in job.hosts.shunned:
        return Why.BLACKLISTED
    if not demand.suits(agent):
        return Why.CONSTRAINT
    return Why.MAINTENANCE if demand.met_by(agent, agent.role) else Why.ROLE


def _left(st: State, agent: Agent) -> Amounts:
    """The rest of the last offer, without the resources of later launches."""
    tracker = agent.tracker
    if tracker is None:
        return agent.free
    left = dict(agent.free)
    taken = [slot.taken for slot in tracker.slots.values() if slot.launched >= agent.seen]
    if tracker.launched >= agent.seen:
        taken.append(st.settings.tracker)
    for amounts in taken:
        for name, amount in amounts.items():
            left[name] = left.get(name, 0) - amount
    return left


def seen_last(st: State, most: int) -> list[Agent]:
    """The agents that were offered last."""
    return heapq.nlargest(most, st.cluster.agents.values(), key=lambda agent: agent.seen)


def reasons(
    st: State, entry: JobEntry, kind: TaskKind, agents: Iterable[Agent], since: float
) -> list[Reason]:
    """The reasons why these agents run none of the job's waiting tasks of this kind. The tasks have
    waited since `since`.
    """
    quota = Quota(st) if st.settings.cap else None
    seen: dict[Why, list[tuple[Agent, Seen]]] = {}
    for agent in agents:
        one = look(st, entry, kind, agent, quota)
        if one.why is Why.NEXT and agent.seen < since:
            one = Seen(Why.NO_OFFER)
        seen.setdefault(one.why, []).append((agent, one))
    return [
        Reason(
            why=why,
            kind=kind,
            words=_words(st, entry, kind, why, seen[why]),
            agents=len(seen[why]),
            help=need_help(kind) if why is Why.TOO_SMALL else _HELP.get(why, ""),
        )
        for why in _ORDER
        if why in seen
    ]


_HELP = {
    Why.LOCALITY: "a smaller locality.wait.node or locality.wait.rack starts it elsewhere sooner",
    Why.NO_OFFER: "the agent is full, or Mesos offers it to other frameworks",
    Why.CONSTRAINT: "job.constraints",
    Why.ROLE: "job.role",
    Why.BLACKLISTED: "job.maxtaskfailures.per.tracker; look at the errors of the failed attempts",
}


def need_help(kind: TaskKind) -> str:
    """The place that says what a task of this kind needs."""
    if kind is TaskKind.FREE:
        return "the consumption() of the task"
    return f"{kind}.cpus, {kind}.memory.mb, {kind}.resources"


def _words(
    st: State, entry: JobEntry, kind: TaskKind, why: Why, seen: list[tuple[Agent, Seen]]
) -> str:
    hosts = named([agent.hostname for agent, _ in seen])
    job = entry.job
    match why:
        case Why.NEXT:
            return f"the next offer of {hosts} starts a {kind}"
        case Why.LOCALITY:
            return _words_of_wait(st, entry)
        case Why.SPREAD:
            return (
                f"{hosts} runs its share of the reduces; others may take more, for at most "
                f"{SPREAD_SECONDS:g} s"
            )
        case Why.TOO_SMALL:
            return _words_of_lack(job, kind, seen)
        case Why.NO_OFFER:
            return f"Mesos has not offered {hosts} since it waits"
        case Why.FAILED_HERE:
            return (
                f"the waiting {kind}s failed on {hosts} before; they wait for other hosts, at most "
                f"{AVOID_SECONDS:g} s"
            )
        case Why.ALONE:
            return f"a task that TaskTrackers fell silent with runs alone on {hosts}"
        case Why.MAINTENANCE:
            return f"the maintenance of {hosts} is near"
        case Why.SILENT:
            return f"the TaskTracker on {hosts} sends no heartbeats"
        case Why.AVOIDED:
            return f"TaskTrackers did not start, or fell silent, on {hosts}"
        case Why.BLACKLISTED:
            return host_faults.words(st, job)
        case Why.CUT:
            return cuts(st, job) or f"map output cannot be fetched from or to {hosts}"
        case Why.CONSTRAINT:
            asked = job.settings.demand.constraints.text or "to have no GPUs"
            return f"{hosts} does not meet what it asks: {asked}"
        case Why.ROLE:
            return f"{hosts} offers to another role than {job.settings.demand.role}"
    raise AssertionError(why)


def _words_of_wait(st: State, entry: JobEntry) -> str:
    clock, pending = entry.clock, entry.job.maps.pending
    stored = named([host for host in pending.hosts if pending.waits_for(host)])
    where = f"an agent that stores its data ({stored})"
    if clock.level != NODE:
        where = "an agent in a rack that stores its data"
    if clock.wait.offers:
        left = f"{clock.wait.offers - clock.skipped} further chances"
    else:
        since = st.now if clock.since is None else clock.since
        left = f"{max(0.0, since + clock.wait.seconds - st.now):.1f} s more"
    return f"waits for {where}, at most {left}"


def _words_of_lack(job: JobInProgress, kind: TaskKind, seen: list[tuple[Agent, Seen]]) -> str:
    need = job.settings.need(kind)

    def distance(one: tuple[Agent, Seen]) -> float:
        return max(lack / max(1, need[name]) for name, lack in one[1].lacks.items())

    agent, nearest = min(seen, key=distance)
    own = "" if agent.tracker is not None else ", with its TaskTracker"
    return (
        f"the offers are too small: the last one of {agent.hostname} lacked "
        f"{describe(nearest.lacks)} for a {kind}, which needs {describe(need)}{own}"
    )


def cuts(st: State, job: JobInProgress) -> str:
    """A text: the hosts that are avoided because they cannot fetch the job's map output."""
    if not job.needs_map_outputs:
        return ""
    return some_pairs(
        f"{agent.hostname} cannot fetch map output from {source}"
        for agent in st.cluster.agents.values()
        for source in st.cluster.reach.sources_cut_from(agent.hostname, st.now)
        if source in job.outputs.on_host
    )


def some_pairs(words: Iterable[str]) -> str:
    """The first few of these texts, and how many there are."""
    said = list(words)
    more = f"and so on, {len(said)} pairs of hosts in all" if len(said) > PAIRS_NAMED else ""
    return "; ".join(filter(None, (*said[:PAIRS_NAMED], more)))
