"""Warm TaskTrackers, started before they are needed (`trackers.minimum`).

Mesos starts an executor only together with a task. So a warm one starts with a slot that has no
attempt and almost no resources. That slot ends as soon as it runs, unless a task waits by then.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.messages.commands import WarmTrackerLaunch
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.tracker import Tracker, TrackerState
from mrmesos.jobtracker.core.policies.dispatch import new_slot, new_tracker
from mrmesos.jobtracker.core.scheduling.eligibility import LEAST_CPUS, Fit
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, Pool

NEED = {"cpus": LEAST_CPUS, "mem": 0}
"""The resources of such a first slot. Mesos does not launch a task without resources."""


def missing(st: State) -> int:
    """How many TaskTrackers to start before they are needed. Negative if there are too many."""
    minimum = st.settings.trackers_minimum
    if not minimum or st.closing:
        return 0
    known = sum(agent.takes(st.now) for agent in st.cluster.agents.values())
    staying = sum(_stays(st, tracker) for tracker in st.cluster.trackers.values())
    return min(minimum, max(1, known)) - staying


def _stays(st: State, tracker: Tracker) -> bool:
    """Whether a TaskTracker counts. It does not if it has ended or is silent, or if its agent takes
    no work. Otherwise a healthy TaskTracker would leave in its place.
    """
    if tracker.ended is not None or tracker.silent or tracker.state is TrackerState.LEAVING:
        return False
    agent = st.cluster.agents.get(tracker.agent_id)
    return agent is None or agent.is_open(st.now)


def wanted_roles(st: State) -> frozenset[str]:
    """Our roles that want offers, because a task or a warm TaskTracker waits for them."""
    roles = st.settings.roles
    if st.settings.trackers_minimum and missing(st) > 0:
        return roles
    return st.index.roles_with_work(roles)


def dispensable(st: State, tracker: Tracker) -> bool:
    """Whether an idle TaskTracker may leave."""
    if not st.settings.trackers_minimum or tracker.silent:
        return True
    agent = st.cluster.agents.get(tracker.agent_id)
    return missing(st) < 0 or agent is None or not agent.is_open(st.now)


def place(
    st: State, agent: Agent, role: str, free: Amounts, pool: Pool
) -> WarmTrackerLaunch | None:
    """Start one from `pool`, if the agent has no TaskTracker and the new one fits into `free`."""
    if agent.tracker is not None or not Fit(free, st.settings.tracker).fits(NEED):
        return None
    tracker = new_tracker(st, agent, pool)
    slot = new_slot(st, tracker, role, NEED, NEED)
    return WarmTrackerLaunch(slot.id, tracker.id, agent.id, pool.take(NEED), tracker.resources)
