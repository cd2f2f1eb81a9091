"""Hot spares: TaskTrackers kept alive ahead of need (`trackers.minimum`).

Mesos starts an executor with a task only. So a spare begins with a slot that has no attempt and
next to no resources, which ends as soon as it runs if no task waits by then.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.handlers.launches import new_slot, new_tracker
from mrmesos.jobtracker.core.messages.commands import SpareLaunch
from mrmesos.jobtracker.core.model.cluster import Agent, Tracker, TrackerState
from mrmesos.jobtracker.core.model.fit import LEAST_CPUS, Fit
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, Pool

NEED = {"cpus": LEAST_CPUS, "mem": 0}
"""Of the slot: Mesos has no tasks without resources."""


def missing(st: State) -> int:
    """How many TaskTrackers are to be started ahead of need; negative where there are more."""
    minimum = st.settings.trackers_minimum
    if not minimum or st.closing:
        return 0
    known = sum(agent.takes(st.now) for agent in st.cluster.agents.values())
    staying = sum(t.state is not TrackerState.LEAVING for t in st.cluster.trackers.values())
    return min(minimum, max(1, known)) - staying


def wanted_roles(st: State) -> frozenset[str]:
    """Our roles whose resources some task waits for, or a spare."""
    roles = st.settings.roles
    return roles if missing(st) > 0 else st.index.hungry_roles(roles)


def dispensable(st: State, tracker: Tracker) -> bool:
    """Whether an idle TaskTracker may leave."""
    if not st.settings.trackers_minimum:
        return True
    agent = st.cluster.agents.get(tracker.agent_id)
    return missing(st) < 0 or agent is None or not agent.takes(st.now)


def place(st: State, agent: Agent, role: str, free: Amounts, pool: Pool) -> SpareLaunch | None:
    """Start a spare on an agent without a TaskTracker, where `free` of `pool` may be taken."""
    if agent.tracker is not None or not Fit(free, st.settings.tracker).fits(NEED):
        return None
    tracker = new_tracker(st, agent, pool)
    slot = new_slot(st, tracker, role, NEED, NEED)
    return SpareLaunch(slot.id, tracker.id, agent.id, pool.take(NEED), tracker.resources)
