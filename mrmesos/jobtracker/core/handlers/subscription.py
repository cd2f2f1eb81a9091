"""Our subscription to the master: when it begins, and which roles' offers we want in it."""

from __future__ import annotations

from mrmesos.jobtracker.core.messages.commands import Revive, Suppress
from mrmesos.jobtracker.core.policies import reconciliation, warm_trackers
from mrmesos.jobtracker.core.state.state import State

REVIVE_SECONDS = 1.0
"""Least time between two REVIVE calls if there is no new work."""
REVIVE_NEW_WORK_SECONDS = 0.1


def registered(st: State, framework_id: str) -> None:
    """In a new subscription no role is suppressed, and our earlier calls are forgotten."""
    take_id(st, framework_id)
    st.subscription.connected, st.subscription.since = True, st.now
    st.offers.suppressed = frozenset()
    st.offers.new_work = st.has_work()  # drop filters of the old subscription
    reconciliation.begin(st)


def take_id(st: State, framework_id: str) -> None:
    """Keep the framework's id, also in the journal. An empty id: Mesos forgot the framework."""
    if framework_id != st.subscription.framework_id:
        st.subscription.framework_id = framework_id
        st.changes.framework(framework_id)


def want_offers(st: State) -> None:
    """Suppress the roles that no task waits for, and revive the others."""
    flow, roles = st.offers, st.settings.roles
    wanted = warm_trackers.wanted_roles(st)
    if not wanted and flow.suppressed == roles:  # no work
        flow.new_work = False
        return
    if wanted == roles and not flow.suppressed and not flow.new_work:  # all offers come already
        return
    unwanted = roles - wanted - flow.suppressed
    if unwanted:
        flow.suppressed |= unwanted
        st.emit(Suppress(_named(unwanted, roles)))
    if not wanted:
        flow.new_work = False
        return
    wait = REVIVE_NEW_WORK_SECONDS if flow.new_work else REVIVE_SECONDS
    revived = wanted if flow.new_work else wanted & flow.suppressed
    if revived and st.now - flow.revived >= wait:
        flow.suppressed, flow.new_work, flow.revived = flow.suppressed - revived, False, st.now
        st.emit(Revive(_named(revived, roles)))


def _named(some: frozenset[str], roles: frozenset[str]) -> tuple[str, ...]:
    """An empty role list means all roles, as in Mesos' SUPPRESS and REVIVE calls."""
    return () if some == roles else tuple(sorted(some))
