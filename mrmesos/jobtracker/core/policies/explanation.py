"""Why the tasks of a job wait, by the rules that choose tasks.

Comes in: the state between two events, and a job. Goes out: reasons, the weightiest first. Nothing
that decides is changed.

For each agent, findTask's own search runs for this job alone (agent_reasons.py). So the answer
cannot differ from what the scheduler does, and a test compares both over random histories. A new
rule that holds for a whole job, such as a limit on a resource of the whole cluster, is one more
function in `_RULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.policies import agent_reasons, silence
from mrmesos.jobtracker.core.policies.host_faults import named
from mrmesos.jobtracker.core.policies.quota import Quota
from mrmesos.jobtracker.core.scheduling.eligibility import Fit
from mrmesos.jobtracker.core.scheduling.job_order import Fair
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, describe
from mrmesos.wire.explain import Reason, WaitingTasks, Why
from mrmesos.wire.ids import TaskKind, parse_attempt
from mrmesos.wire.job import JobState

AGENTS_MAX = 1000
"""Most agents that one explanation looks at: those that were offered last."""


def explain(st: State, job: JobInProgress, agents: Sequence[Agent]) -> Iterator[Reason]:
    """Why tasks of this job wait: first the rules for the whole job, then the reasons on these
    agents. Empty if no task waits.
    """
    if job.state is JobState.PREP:
        yield Reason(why=Why.PLANNING, words=job.waits.words or "its splits are being planned")
    elif job.state is not JobState.RUNNING:
        yield Reason(why=Why.ENDING, words=job.waits.words or "its output is moved or removed")
    else:
        st.index.flush()
        for kind in (job.first_kind, TaskKind.REDUCE):
            if len(job.of(kind).pending):
                yield from _of_kind(st, job, kind, agents)
        if words := silence.words(st):
            yield Reason(why=Why.SILENT, words=words)


def _of_kind(
    st: State, job: JobInProgress, kind: TaskKind, agents: Sequence[Agent]
) -> Iterator[Reason]:
    if (not_yet := _not_yet(job, kind)) is not None:
        yield not_yet
        return
    behind = False
    for rule in _RULES:
        if (reason := rule(st, job, kind)) is not None:
            yield reason
            behind |= reason.why is Why.TURN
            if reason.why in _ENOUGH:
                return
    entry = st.index.entries[job.id]
    for reason in agent_reasons.reasons(st, entry, kind, agents, _since(job, kind)):
        if reason.why is not Why.NEXT or not behind:
            yield reason


def waiting_words(st: State, job: JobInProgress, agents: Sequence[Agent]) -> str:
    """The same in one line, for lists of jobs: the first reason that holds for the whole job, or
    all that depend on agents.
    """
    said: dict[str, None] = {}
    for reason in explain(st, job, agents):
        if reason.why in _FIRST and not reason.agents:
            return "; ".join(filter(None, (reason.words, silence.words(st))))
        if reason.why not in _LATER:
            said[reason.words] = None
    return "; ".join(said)


def waiting_of(st: State, job: JobInProgress, task_name: str = "") -> WaitingTasks:
    """The answer for a job, or for one of its tasks (an id). Raises KeyError for an unknown one."""
    agents = agent_reasons.seen_last(st, AGENTS_MAX)
    reasons, facts = list(explain(st, job, agents)), list[str]()
    if task_name:
        kind, facts = _of_task(st, job, task_name)
        reasons = [each for each in reasons if kind and each.kind in ("", kind)]
    return WaitingTasks(
        waiting=len(job.maps.pending) + len(job.reduces.pending),
        running=len(job.running),
        reasons=reasons,
        facts=facts,
        last_offer=st.offers.last,
        declined=dict(st.offers.declined),
    )


# --- Rules for whole jobs


def _not_yet(job: JobInProgress, kind: TaskKind) -> Reason | None:
    """Why no reduce may start at all (JobInProgress.wants_reduce). None if one may."""
    if kind is not TaskKind.REDUCE or job.wants_reduce:
        return None
    maps, done = len(job.maps.tasks), job.maps.done
    if done < job.maps_for_reduces:
        return Reason(
            why=Why.SLOW_START,
            kind=kind,
            words=f"reduces start when {job.maps_for_reduces} of the {maps} maps are done; "
            f"{done} are",
            help="a smaller job.reduce.slowstart.completedmaps lets them fetch earlier",
        )
    if job.waits.reduces_blocked:
        return None  # _blocked has the words
    if job.waits.maps_first:
        words = "reduces wait until a map has started: they made room for maps of this job"
        return Reason(why=Why.MAPS_FIRST, kind=kind, words=words)
    return Reason(
        why=Why.RATIO,
        kind=kind,
        words=f"while maps wait, {job.settings.ratio:g} maps run for each reduce; "
        f"{job.running_maps} maps and {len(job.running_reduces)} reduces run",
        help="a smaller map.reduce.ratio starts reduces earlier",
    )


def _no_master(st: State, _job: JobInProgress, kind: TaskKind) -> Reason | None:
    if st.subscription.connected:
        return None
    return Reason(why=Why.NO_MASTER, kind=kind, words="not connected to the Mesos master")


def _nobody_suits(st: State, job: JobInProgress, kind: TaskKind) -> Reason | None:
    """Why no known agent suits the job, however much is free there."""
    demand, agents = job.settings.demand, st.cluster.agents.values()
    if demand.role and demand.role not in st.settings.roles:
        words = f"wants resources of role {demand.role}, which this JobTracker does not have"
        return Reason(why=Why.ROLE, kind=kind, words=words, help="job.role, or mesos.role")
    if not agents or any(demand.suits(agent) for agent in agents):
        return None
    asked = demand.constraints.text or "to have no GPUs"
    words = f"none of the {len(agents)} agents known meets what it asks: {asked}"
    return Reason(why=Why.CONSTRAINT, kind=kind, words=words, help="job.constraints")


def _too_large(st: State, job: JobInProgress, kind: TaskKind) -> Reason | None:
    """The largest offer may lack a resource that only few agents have, such as GPUs."""
    need, own = job.settings.need(kind), st.settings.tracker
    if not st.offers.largest:
        return None
    largest = dict(st.offers.largest)
    largest["mem"] = largest.get("mem", 0) - own["mem"]
    nearest, least = dict[str, int](), math.inf
    for room in (largest, *(st.cluster.whole_room(agent) for agent in st.cluster.agents.values())):
        if not (lacks := Fit(room).lacks(need)):
            return None
        if (part := _part(lacks, need)) < least:
            nearest, least = lacks, part
    words = (
        f"the largest offer seen had {describe(st.offers.largest)}, but a {kind} needs "
        f"{describe(need)}, and {describe({'mem': own['mem']})} for its TaskTracker"
    )
    lower = f"{agent_reasons.need_help(kind)} lower the need"
    if kind is TaskKind.FREE:
        lower = f"{agent_reasons.need_help(kind)} says what it needs"
    helps = f"the nearest agent lacks {describe(nearest)}; {lower}"
    return Reason(why=Why.TOO_LARGE, kind=kind, words=words, help=helps)


def _blocked(st: State, job: JobInProgress, kind: TaskKind) -> Reason | None:
    """Why the job may start nothing, however much is free on agents: global resources, or its
    queue.
    """
    name = job.waits.reduces_blocked if kind is TaskKind.REDUCE else job.blocked
    if not name:
        return None
    if job.paused:
        return Reason(why=Why.GLOBAL_RESOURCE, kind=kind, words=job.paused)
    shared = st.index.shared
    users = [each.id for each in shared.wanting.get(name, {}).values() if each.running]
    held, total = shared.held.get(name, 0) / 1000, shared.total.get(name, 0) / 1000
    by = f" by {named(users)}" if users else ""
    return Reason(
        why=Why.GLOBAL_RESOURCE,
        kind=kind,
        words=f"waits for {name}: {held:g} of {total:g} are in use{by}",
        help="resources.global, reduce.resources.global"
        if kind is TaskKind.REDUCE
        else "resources.global, map.resources.global",
    )


def impossible(st: State, job: JobInProgress) -> str:
    """Why no agent could run tasks of a job that wait. Empty if one could, or if we cannot know."""
    if not sizes_known(st, job):
        return ""
    for kind in (job.first_kind, TaskKind.REDUCE):
        for rule in (_nobody_suits, _too_large) if len(job.of(kind).pending) else ():
            if (reason := rule(st, job, kind)) is not None:
                return reason.words
    return ""


def sizes_known(st: State, job: JobInProgress) -> bool:
    """Whether agents were offered since the job came, and all known agents have been offered.

    An agent that we know only from the journal has not been offered yet, so its size is unknown.
    """
    agents, since = st.cluster.agents.values(), max(job.submitted, st.subscription.since)
    offered = st.offers.last is not None and st.offers.last >= since
    return offered and len(agents) > 0 and all(agent.size for agent in agents)


def _part(lacks: Amounts, need: Amounts) -> float:
    """The largest part of the need that is missing."""
    return max(lack / max(1, need[name]) for name, lack in lacks.items())


def _turn(st: State, job: JobInProgress, kind: TaskKind) -> Reason | None:
    """Another job that runs or wants to run. Its turn comes before this job's."""
    older = True
    for other in st.jobs.values():
        if other is job:
            older = False
            continue
        steps = other.settings.priority - job.settings.priority
        before = other.running if st.settings.fair else steps < 0 or (older and not steps)
        if before and (other.running or other.has_work):
            words = f"waits behind {other.id}"
            return Reason(why=Why.TURN, kind=kind, words=words, help="job.priority, job.pool")
    return None


def _share(st: State, job: JobInProgress, kind: TaskKind) -> Reason | None:
    """How much of its share the job's pool has, if other pools go first."""
    order, entry = st.index.order, st.index.entries[job.id]
    if not isinstance(order, Fair):
        return None
    pools = {pool.name: pool for pool in order.pools()}
    mine = pools[entry.rank.pool]
    waiting = st.index.maps | st.index.reduces
    first = [pool for pool in pools.values() if pool.key < mine.key and pool.jobs.all & waiting]
    if not first:
        return None
    weights = sum(pool.share.weight for pool in pools.values())
    due = max(mine.share.least, st.cluster.size.get("cpus", 0) * mine.share.weight // weights)
    words = (
        f"pool {mine.name} uses {describe({'cpus': mine.used})} of the {due / 1000:.3g} due to it; "
        f"{named([pool.name for pool in first])} has less of its share and goes first"
    )
    help_words = "the pool's weight and min in pools"
    return Reason(why=Why.SHARE, kind=kind, words=words, help=help_words)


def _over_quota(st: State, job: JobInProgress, kind: TaskKind) -> Reason | None:
    need, own = job.settings.need(kind), st.settings.tracker
    if not st.settings.cap or Quota(st).allows({**need, "mem": need["mem"] + own["mem"]}):
        return None
    words = f"this JobTracker may hold no more than {describe(st.settings.cap)}"
    names = "mesos.cpus.max, mesos.mem.max.mb, mesos.gpus.max"
    return Reason(why=Why.QUOTA, kind=kind, words=words, help=names)


def _no_offer(st: State, job: JobInProgress, kind: TaskKind) -> Reason | None:
    if st.offers.last is not None and st.offers.last >= _since(job, kind):
        return None
    return Reason(
        why=Why.NO_OFFER,
        kind=kind,
        words="no offers received from Mesos",
        help="look at the master's agents: full, or held by other frameworks, or by quota",
    )


def _since(job: JobInProgress, kind: TaskKind) -> float:
    """Since when tasks of a kind have waited for an offer."""
    if job.waits.idle_since is not None:
        return job.waits.idle_since
    first = job.of(kind).pending.first()
    return first.pending_since if first is not None else job.submitted


_RULES: tuple[Callable[[State, JobInProgress, TaskKind], Reason | None], ...] = (
    _no_master,
    _nobody_suits,
    _too_large,
    _blocked,
    _turn,
    _share,
    _over_quota,
    _no_offer,
)
_FIRST = (
    Why.PLANNING,
    Why.NO_MASTER,
    Why.ROLE,
    Why.CONSTRAINT,
    Why.TOO_LARGE,
    Why.GLOBAL_RESOURCE,
    Why.TURN,
    Why.QUOTA,
    Why.NO_OFFER,
)
"""Lists of jobs show only the first of these reasons."""
_LATER = (Why.SLOW_START, Why.MAPS_FIRST, Why.RATIO, Why.SHARE)
"""Reasons that lists of jobs leave out."""
_ENOUGH = (Why.NO_MASTER, Why.ROLE, Why.CONSTRAINT, Why.TOO_LARGE, Why.GLOBAL_RESOURCE)
"""If one of these reasons holds, the offers of single agents do not matter."""


# --- One task


def _of_task(st: State, job: JobInProgress, name: str) -> tuple[str, list[str]]:
    """The kind of a task if it waits (else empty), and what is known of it."""
    try:
        parsed = parse_attempt(f"{name.replace('task', 'attempt', 1)}_0")
    except ValueError:
        raise KeyError(name) from None
    kind, tasks = parsed.kind, job.of(parsed.kind).tasks
    if parsed.job_id != job.id or parsed.index >= len(tasks):
        raise KeyError(name)
    task = tasks[parsed.index]
    facts = [f"{task.id}: {task.state.lower()}"]
    if task.hosts:
        facts.append(f"its data is on {named(task.hosts)}")
    if task.failed_on:
        facts.append(f"{task.failures} attempts failed, on {named(task.failed_on)}")
    for attempt in task.running:
        seconds = st.now - attempt.start
        facts.append(
            f"{attempt.id} runs on {attempt.hostname} for {seconds:.0f} s, "
            f"{attempt.progress:.0%} done{': ' if attempt.status else ''}{attempt.status}"
        )
    if task in job.of(kind).pending:
        facts.append(f"it has waited for {st.now - task.pending_since:.0f} s")
        return kind.value, facts
    return "", facts
