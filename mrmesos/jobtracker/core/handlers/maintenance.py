"""Agents with planned maintenance: we drain them before it, and leave them when it begins.

Comes in: the `unavailability` of offers, and inverse offers (Mesos' document "Maintenance
Primitives"). Goes out: answers to inverse offers, and shutdowns of TaskTrackers.

No attempt starts that would not end before the maintenance (`eligibility.barred`). Running attempts
may end by themselves until it begins. A TaskTracker whose map output is needed stays until then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mrmesos.jobtracker.core.handlers import trackers
from mrmesos.jobtracker.core.messages.commands import (
    AcceptInverseOffers,
    DeclineInverseOffers,
    ShutdownTracker,
)
from mrmesos.jobtracker.core.messages.events import InverseOffer, Unavailability
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.scheduling.eligibility import expected_seconds
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import AgentId

REFUSE_SECONDS_ACCEPTED = 3600.0
"""Filter of an accepted inverse offer. Mesos drops the filter when the schedule changes."""
REFUSE_SECONDS_DECLINED = 30.0
"""Mesos asks again after this long. Attempts that would not have ended in time may have ended by
then.
"""


def learn(st: State, agent: Agent, away: Unavailability | None) -> None:
    """Note when an agent will be away, as Mesos says, or that no maintenance is planned."""
    if away is not None and away.end <= st.now:
        away = None
    if away == agent.away:
        return
    agent.away = away
    st.cluster.losses += 1
    if away is None:
        agent.closes = math.inf
        st.cluster.closing.pop(agent.id, None)
        return
    agent.closes = away.start - st.settings.drain
    st.cluster.closing[agent.id] = agent
    st.cluster.avoiding_until = max(st.cluster.avoiding_until, away.end)


def asked_back(st: State, offers: Sequence[InverseOffer]) -> None:
    """Answer inverse offers. Accept one if, as far as we can tell, all attempts on the agent end
    in time, and no reduce still has to fetch map output from it.
    """
    accepted: list[str] = []
    declined: list[str] = []
    for offer in offers:
        known = st.cluster.agents
        agents = (
            list(known.values()) if not offer.agent_id else [known.get(AgentId(offer.agent_id))]
        )
        in_time = True
        for agent in agents:
            if agent is not None:
                learn(st, agent, offer.unavailability)
                agent.offer = None  # the next offer says it anew, even if it is doubled
                in_time &= _ends_in_time(st, agent)
        (accepted if in_time else declined).append(offer.offer_id)
    if accepted:
        st.emit(AcceptInverseOffers(tuple(accepted), REFUSE_SECONDS_ACCEPTED))
    if declined:
        st.emit(DeclineInverseOffers(tuple(declined), REFUSE_SECONDS_DECLINED))


def _ends_in_time(st: State, agent: Agent) -> bool:
    if agent.away is None:
        return True
    for slot in st.cluster.slots.values():
        attempt = slot.attempt
        if slot.agent_id != agent.id or attempt is None:
            continue
        job = st.jobs[attempt.task.job_id]
        if attempt.start + expected_seconds(job, attempt.task.kind) > agent.away.start:
            return False
    return not _is_fetched_from(st, agent)


def _is_fetched_from(st: State, agent: Agent) -> bool:
    """Whether a reduce still has to fetch map output from the agent. We cannot tell when it will
    be done, because it may wait for maps that have not run yet.
    """
    return any(
        indexes
        and (job := st.jobs.get(job_id)) is not None
        and job.needs_map_outputs
        and job.fetching
        for tracker in st.cluster.trackers_on(agent.id)
        for job_id, indexes in tracker.outputs.items()
    )


def tick(st: State) -> None:
    """Act on maintenance that begins or ends now."""
    for agent in list(st.cluster.closing.values()):
        if agent.away is None or st.now >= agent.away.end:
            learn(st, agent, None)
        elif st.now >= agent.away.start:
            for tracker in st.cluster.trackers_on(agent.id):
                st.emit(ShutdownTracker(tracker.id, agent.id))
                trackers.gone(st, tracker, "its agent is in maintenance", by_mesos=False)
