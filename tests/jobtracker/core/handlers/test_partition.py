"""Status updates for slots on agents that Mesos cannot reach, and agents that return.

A Mesos 1.12 master sent these messages when an agent was stopped and continued later.
"""

from __future__ import annotations

import pytest

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.wire.ids import AgentId
from mrmesos.wire.task import AttemptState
from tests.jobtracker.harness import Hands, launches, of, short, started

LOST = (
    ("TASK_UNREACHABLE", "REASON_AGENT_REMOVED"),
    ("TASK_UNREACHABLE", "REASON_RECONCILIATION"),
    ("TASK_GONE", "REASON_RECONCILIATION"),
    ("TASK_GONE_BY_OPERATOR", "REASON_AGENT_REMOVED_BY_OPERATOR"),
    ("TASK_UNKNOWN", "REASON_RECONCILIATION"),
    ("TASK_DROPPED", "REASON_AGENT_DISCONNECTED"),
    ("TASK_LOST", "REASON_AGENT_DISCONNECTED"),
)


@pytest.mark.parametrize("up", [True, False], ids=["up", "starting"])
@pytest.mark.parametrize(("state", "reason"), LOST)
def test_the_attempt_runs_elsewhere_and_nobody_is_blamed(state: str, reason: str, up: bool) -> None:
    hands = Hands()
    job = hands.job(maps=1)
    launch = launches(hands.offer("a"))[0]
    if up:
        hands.update(launch.slot_id, "TASK_RUNNING")
        hands.beat(launch.tracker_id)
    hands.update(launch.slot_id, state, reason)
    assert launch.slot_id not in hands.core.st.cluster.slots
    assert hands.status(job).maps.pending == 1
    assert started(hands.offer("b")) == ["m0.1"]
    assert hands.core.st.tracker_ends.failed_launches == 0
    assert hands.status(job).counters["job"].get("FAILED_MAPS", 0) == 0
    if state in ("TASK_GONE", "TASK_DROPPED"):
        return
    # The agent was only unreachable. Its slots still run, and we end them.
    back = hands.update(launch.slot_id, "TASK_RUNNING", "REASON_AGENT_REREGISTERED")
    assert [kill.slot_id for kill in of(back, cmd.KillSlot)] == [launch.slot_id]


def test_an_agent_cut_off_with_all_it_ran_and_its_return() -> None:
    """UPDATE, RESCIND and FAILURE as recorded. Later RUNNING, and offers that name executors."""
    hands = Hands()
    job = hands.job(maps=2, reduces=1)
    one, two = launches(hands.offer("a", cpus=2.0))
    hands.beat(one.tracker_id)
    hands.end(one.first.attempt_id)
    for slot in list(hands.core.st.cluster.slots):
        hands.update(slot, "TASK_UNREACHABLE", "REASON_AGENT_REMOVED")
    hands.do(ev.OfferRescinded("o9"))
    hands.do(ev.AgentLost("a"))
    assert hands.status(job).maps.pending == 2, "the output of the first is out of reach, too"
    rerun = launches(hands.offer("b", cpus=2.0))
    assert sorted(short(launch.first.attempt_id) for launch in rerun) == ["m0.1", "m1.1"]

    late = hands.end(two.first.attempt_id, AttemptState.SUCCEEDED)
    assert late == [], "a TaskTracker that was given up is not heard"
    assert hands.status(job).maps.succeeded == 0
    commands = hands.update(two.slot_id, "TASK_RUNNING", "REASON_AGENT_REREGISTERED")
    assert [kill.slot_id for kill in of(commands, cmd.KillSlot)] == [two.slot_id]
    offer = hands.an_offer("a")
    back = ev.Offer(offer.offer_id, "a", "a", offer.resources, executor_ids=(one.tracker_id,))
    commands = hands.do(ev.OffersReceived((back,)))
    assert of(commands, cmd.ShutdownTracker) == [cmd.ShutdownTracker(one.tracker_id, AgentId("a"))]
    commands = hands.update(two.slot_id, "TASK_KILLED", uuid="u")
    assert of(commands, cmd.Acknowledge) == [cmd.Acknowledge(two.slot_id, AgentId("a"), "u")]
    for launch in rerun:
        hands.beat(launch.tracker_id)
        hands.end(launch.first.attempt_id)
    assert hands.status(job).maps.succeeded == 2


def test_a_launch_that_no_master_heard_of_is_no_failure_of_the_agent() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    for _ in range(12):
        launch = launches(hands.offer("a"))[0]
        hands.update(launch.slot_id, "TASK_DROPPED", "REASON_MASTER_DISCONNECTED")
    assert hands.core.st.tracker_ends.failed_launches == 0
    assert not hands.core.st.cluster.trackers
    assert hands.status(job).maps.pending == 1
