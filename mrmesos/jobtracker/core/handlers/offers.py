"""Answers to offers. Every offer is answered at once: accepted with slots, or declined.

Comes in: all offers of one message. Goes out: AcceptOffers and DeclineOffers, each with a filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mrmesos.jobtracker.core.handlers import jobs
from mrmesos.jobtracker.core.handlers.offer_batch import Batch, Offered
from mrmesos.jobtracker.core.messages.commands import AcceptOffers, DeclineOffers, SlotLaunch
from mrmesos.jobtracker.core.messages.events import Offer
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.policies import warm_trackers
from mrmesos.jobtracker.core.policies.dispatch import new_slot, new_tracker, start_attempt
from mrmesos.jobtracker.core.policies.quota import Quota
from mrmesos.jobtracker.core.scheduling.eligibility import Fit
from mrmesos.jobtracker.core.scheduling.find_task import Choice, Found, NotYet, find_task
from mrmesos.jobtracker.core.scheduling.quick_answer import all_wait, differs, map_needs
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, Pool

REFUSE_SECONDS_LOCALITY = 0.5
"""Filter of an offer that we decline because each task waits for a better agent. Mesos' allocator
keeps a filter for at least an allocation interval (1 s). In between, it can offer the agent to
other frameworks.
"""
NO_WORK = "no task waits"


def receive(st: State, offers: Sequence[Offer]) -> None:
    """Answer all offers of one message.

    In each round, every agent takes one more task, so that work spreads. The rounds end when no
    agent takes another task. Then each offer is accepted or declined.
    """
    st.offers.last = st.now
    batch = Batch(st, offers)
    if st.offers.unjudged:
        jobs.judge_new(st)
    before = st.index.chances.passed, st.index.chances.again
    st.index.count_idle(sum(batch.passed.values()))
    _place(st, batch)
    _place_warm_trackers(st, batch)
    _note_passed(st, batch)
    st.index.chances.offered(before)
    _answer(st, batch)


def _note_passed(st: State, batch: Batch) -> None:
    """Note which agents all tasks passed over. `receive` counted the idle ones before the choice,
    so those that are used now are subtracted again.
    """
    taken = 0
    for place in sorted({*batch.passed, *batch.passing, *batch.seen}):
        entry, idle = batch.seen.get(place), batch.passed.get(place, False)
        passed = isinstance(batch.choice(place), NotYet)
        unused = idle and not (entry is not None and entry.launches)
        taken += idle and not (passed and unused)
        st.index.chances.passed += passed and not unused
        batch.agents[place].passed = st.now if passed else None
    st.index.count_idle(-taken)


def _near(st: State, batch: Batch) -> list[int]:
    """The places of agents that store data of waiting maps. They go first. So a job whose data is
    on an offered agent neither waits nor reads over the network.
    """
    st.index.flush()
    hosts = [host for host, jobs in st.index.hosts.items() if jobs]
    if len(hosts) < len(batch.agents):  # a small job's data is on few of the agents
        return batch.of({agent for host in hosts for agent in st.cluster.hosts.get(host, ())})
    stored_on = st.index.stored_on
    return [place for place, agent in enumerate(batch.agents) if stored_on(agent)]


def _place(st: State, batch: Batch) -> None:
    """Go round the agents until no agent takes another task, or no task waits."""
    quota = Quota(st) if st.settings.cap else None
    near = _near(st, batch)
    taking = _ask(st, batch, near, quota)
    if st.index.has_work:
        first = set(near)
        others = [place for place in range(len(batch.agents)) if place not in first]
        taking += _ask(st, batch, others, quota)
    while taking and st.index.has_work:
        taking = [entry for entry in taking if st.index.has_work and _place_one(st, entry, quota)]


def _ask(st: State, batch: Batch, places: Iterable[int], quota: Quota | None) -> list[Offered]:
    """Ask for a first task on each of these agents. Returns those that take one."""
    index, taking = st.index, list[Offered]()
    alike = quota is None and batch.groups is None and not index.trials
    waiting: list[Amounts] | None = None  # the needs of all waiting tasks, if `all_wait`
    for place in places:
        if waiting is None:
            if not index.has_work:
                break
            if alike and all_wait(index):
                waiting = map_needs(index)
        agent = batch.agents[place]
        if not agent.takes(st.now):
            continue
        if waiting is not None and not differs(index, agent):
            if _fits_any(st, agent, waiting):
                batch.passing.add(place)
            continue
        entry, waiting = batch.look(place), None
        if _place_one(st, entry, quota):
            taking.append(entry)
    return taking


def _fits_any(st: State, agent: Agent, needs: Iterable[Amounts]) -> bool:
    return any(map(_fit(st, agent, agent.free).fits, needs))


def _fit(st: State, agent: Agent, free: Amounts) -> Fit:
    own = st.settings.tracker
    return Fit(free, own if agent.tracker is None else {}, own["cpus"])


def _place_one(st: State, entry: Offered, quota: Quota | None) -> bool:
    tracker = entry.agent.tracker
    fit = _fit(st, entry.agent, entry.free if quota is None else quota.within(entry.free))
    choice = entry.choice = find_task(st.index, entry.agent, tracker, fit.fits, entry.role)
    if not isinstance(choice, Found):
        return False
    pool = entry.pool
    if pool is None:
        pool = entry.pool = Pool(entry.resources)
        entry.free = pool.free
    need = choice.job.settings.need(choice.task.kind)
    taken = fit.asks(need)
    if quota is not None:
        quota.spend(taken, fit.beside)
    if tracker is None:
        tracker = new_tracker(st, entry.agent, pool)
    resources = pool.take(taken)
    slot = new_slot(st, tracker, entry.role, need, taken)
    first = start_attempt(st, choice, slot, tracker)
    entry.launches.append(
        SlotLaunch(slot.id, tracker.id, slot.agent_id, resources, tracker.resources, first)
    )
    return True


def _place_warm_trackers(st: State, batch: Batch) -> None:
    wanted = warm_trackers.missing(st)
    quota = Quota(st) if wanted > 0 and st.settings.cap else None
    for place, agent in enumerate(batch.agents) if wanted > 0 else ():
        if wanted <= 0 or agent.tracker is not None or not agent.takes(st.now):
            continue
        entry = batch.look(place)
        pool = Pool(entry.resources)
        free = pool.free if quota is None else quota.within(pool.free)
        entry.warm_tracker = warm_trackers.place(st, agent, entry.role, free, pool)
        if entry.warm_tracker is not None:
            wanted -= 1
            if quota is not None:
                quota.spend(st.settings.tracker, warm_trackers.NEED)


def _answer(st: State, batch: Batch) -> None:
    wanted = bool(warm_trackers.wanted_roles(st))
    declined: dict[float, list[str]] = {}
    for place in range(len(batch.agents)) if wanted else sorted(batch.seen):
        agent, entry = batch.agents[place], batch.seen.get(place)
        choice = batch.choice(place)
        refuse = _refuse_seconds(st, agent, choice) if wanted else st.settings.refuse_idle
        ids = [offer.offer_id for offer in batch.group(place)]
        if entry is not None and entry.used:
            st.offers.taken += len(ids)
            st.emit(AcceptOffers(tuple(ids), tuple(entry.launches), refuse, entry.warm_tracker))
        elif wanted:
            declined.setdefault(refuse, []).extend(ids)
            _count_declined(st, _reason(st, agent, choice), len(ids))
    if not wanted and (unused := batch.unused()):  # most offers
        declined[st.settings.refuse_idle] = unused
        _count_declined(st, NO_WORK, len(unused))
    for refuse, offer_ids in declined.items():
        st.emit(DeclineOffers(tuple(offer_ids), refuse))


def _count_declined(st: State, reason: str, number: int) -> None:
    st.offers.declined[reason] = st.offers.declined.get(reason, 0) + number


def _reason(st: State, agent: Agent, choice: Choice) -> str:
    """Why nothing starts on an agent although tasks wait, in words for people."""
    if agent.avoid_until > st.now:
        return "the agent is avoided"
    if st.now >= agent.closes:
        return "the agent's maintenance is near"
    if not agent.takes(st.now):
        return "the TaskTracker there is silent"
    if isinstance(choice, NotYet):
        return "tasks wait for a better agent"
    return "no waiting task fits or may run there"


def _refuse_seconds(st: State, agent: Agent, choice: Choice) -> float:
    if agent.avoid_until > st.now:
        return min(st.settings.refuse_busy, max(0.5, agent.avoid_until - st.now))
    if isinstance(choice, NotYet):
        return REFUSE_SECONDS_LOCALITY
    return st.settings.refuse_busy
