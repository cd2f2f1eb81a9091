"""JobTrackers that die at any moment and are restored from their journal, in worlds of faults."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages.events import HeartbeatReceived
from mrmesos.jobtracker.core.messages.journal_records import TrackerRecord
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults import histories
from mrmesos.simulator.faults.crashing import CrashingWorld
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.ids import AgentId, TrackerId, parse_attempt
from mrmesos.wire.job import JobState
from tests.jobtracker.harness import core_module

FAST, SLOW = 60, 460


def killed_only(seed: int) -> CrashingWorld:
    return CrashingWorld(seed, FaultPlan(), crash=0.02, jobs=3)


def anything(seed: int) -> CrashingWorld:
    return CrashingWorld(seed, crash=0.01, power=0.3, removed=0.1)


def run(seed: int, make: Callable[[int], CrashingWorld]) -> CrashingWorld:
    world = make(seed)
    if story := histories.story_of(world):
        pytest.fail(f"MRMESOS_SIM_SEED={seed} {make.__name__}\n{story}")
    return world


def test_no_finished_task_runs_again_however_often_it_is_killed() -> None:
    lives = 0
    for seed in range(40):
        world = run(seed, killed_only)
        lives += world.life
        for status in queries.job_statuses(world.core.st):
            assert status.state is JobState.SUCCEEDED
            report = queries.job_report(world.core.st, status.job_id)
            assert report is not None
            won: dict[str, float] = {}
            for row in report.attempts:
                task = parse_attempt(row.id).task_id
                if row.state == "SUCCEEDED" and row.end is not None:
                    won[task] = min(row.end, won.get(task, row.end))
            assert len(won) == status.maps.total + status.reduces.total
            for row in report.attempts:
                assert row.start <= won[parse_attempt(row.id).task_id], "run again"
    assert lives > 40


def test_it_comes_back_amid_any_faults_even_of_power() -> None:
    lives = sum(run(seed, anything).life for seed in range(FAST))
    assert lives > FAST


@pytest.mark.parametrize("same_command", [True, False])
def test_a_tracker_first_heard_after_a_restart_is_its_agents_own(same_command: bool) -> None:
    """Otherwise the agent would get a second TaskTracker, or no work if that does not fit."""
    core = JobTracker(Conf({}), "202611201200", journal=True)
    launched = TrackerRecord(
        id="tracker_202611201130_1",
        agent_id="S1",
        hostname="host1",
        agent_address="",
        rack="",
        resources=(),
        launched=1000.0,
        url="",
        leaving=False,
    )
    core.restore([launched], 1010.0, life=1, same_command=same_command)
    agent = core.st.cluster.agents[AgentId("S1")]
    assert agent.tracker is None, "its launch may never have left the JobTracker"
    beat = Heartbeat(
        tracker_id=launched.id,
        agent_id="S1",
        hostname="host1",
        url="http://host1:1",
        sequence=1,
        acknowledged=0,
        slots=[],
    )
    core.handle(HeartbeatReceived(beat), 1011.0)
    tracker = core.st.cluster.trackers[TrackerId(launched.id)]
    assert agent.tracker is (tracker if same_command else None)


BROKEN: dict[str, tuple[str, object]] = {
    "numbers of actions begin anew": ("mailbox._NUMBERS_OF_A_LIFE", 0),
    "numbers of attempts are given twice": ("restore.ATTEMPTS_OF_A_LIFE", 0),
    "nobody is adopted": ("trackers.adopt", lambda *_: None),
    "what nobody knows runs on": ("tracker_recovery.kill_slot", lambda *_: None),
    "slots are not journaled": ("journal_changes.Changes.slot", lambda *_: None),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_guard_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, mutant = BROKEN[fault]
    module, _, name = where.partition(".")
    monkeypatch.setattr(f"{core_module(module).__name__}.{name}", mutant)
    for seed in range(100):  # the first few catch most mutants, but some need rare histories
        for make in (killed_only, anything):
            try:
                make(seed).run()
            except Exception:  # noqa: BLE001 - whatever it broke
                return
    pytest.fail("no world is any the worse for it")


@pytest.mark.parametrize(
    "number",
    [
        8389,  # a TaskTracker was first heard by the JobTracker after the one that launched it
        10605,  # a map's output was lost while the end of its second attempt was awaited
    ],
)
def test_it_comes_back_where_it_once_did_not(number: int) -> None:
    _, story = histories.run(number)
    assert not story


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, SLOW, 50))
def test_it_comes_back_in_many_worlds(first: int) -> None:
    for seed in range(first, first + 50):
        run(seed, anything)


@pytest.mark.skipif("MRMESOS_SIM_SEED" not in os.environ, reason="replays one seed")
@pytest.mark.parametrize("make", [killed_only, anything])
def test_replay(make: Callable[[int], CrashingWorld]) -> None:
    print("\n".join(run(int(os.environ["MRMESOS_SIM_SEED"]), make).history))
