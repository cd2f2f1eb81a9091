from __future__ import annotations

from typing import Any

import pytest

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.policies import speculation
from mrmesos.jobtracker.core.scheduling.eligibility import SLOW_AGENT
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.heartbeat import EndSlot, KillAttempt
from mrmesos.wire.ids import AgentId, TaskKind
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptProgress, AttemptState
from tests.jobtracker.harness import Hands, error, launches, long, of, reducing, short, started


def tell(hands: Hands, job: str, **progress: float) -> list[cmd.Command]:
    """Trackers report their attempts' progress: `m3=0.5`, `m3_1=0.1` for its second attempt."""
    commands: list[cmd.Command] = []
    for name, part in progress.items():
        attempt = long(job, name.replace("_", "."))
        told = AttemptProgress(attempt_id=attempt, progress=part)
        commands += hands.beat(hands.tracker_of[attempt], progress=[told])
    return commands


def slow_map(reduces: int = 0, **conf: str) -> tuple[Hands, str]:
    """Four maps, each on its own agent. Three took 10 s, and one is at a tenth after 20 s."""
    hands = Hands()
    job = hands.job(maps=4, reduces=reduces, **conf)
    hands.offer("a", "b", "c", "d")
    hands.later(10)
    for name in ("m0", "m1", "m2"):
        hands.end(long(job, name))
    hands.later(10)
    tell(hands, job, m3=0.1)
    hands.later(1.5)
    return hands, job


def test_a_slow_map_runs_a_second_time_elsewhere() -> None:
    hands, job = slow_map()
    assert started(hands.offer("d")) == [], "not where it is slow"
    assert started(hands.offer("e")) == ["m3.1"]
    assert started(hands.offer("f")) == [], "two are enough"
    counters = hands.status(job).counters["job"]
    assert (counters["LAUNCHED_MAPS"], counters["SPECULATIVE_MAPS"]) == (5, 1)
    maps = hands.status(job).maps
    assert (maps.pending, maps.running, maps.succeeded) == (0, 1, 3), "tasks, not attempts"


def test_a_map_that_runs_again_after_all_were_done_may_be_slow() -> None:
    hands = Hands()
    job = hands.job(maps=4, reduces=1, reduce_memory_mb="100000")
    hands.offer("a", "b", "c", "d")
    hands.later(10)
    for name in ("m0", "m1", "m2", "m3"):
        hands.end(long(job, name))
    hands.later(2)
    hands.do(ev.TrackerLost(hands.tracker_of[long(job, "m3")], "d", 0))
    assert started(hands.offer("e")) == ["m3.1"]
    hands.later(20)
    tell(hands, job, m3_1=0.1)
    hands.later(1.5)
    assert started(hands.offer("f")) == ["m3.2"]


def test_attempts_are_looked_at_when_there_is_news_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[TaskKind] = []
    look = speculation._review

    def counted(st: State, job: JobInProgress, kind: TaskKind) -> None:
        looks.append(kind)
        look(st, job, kind)

    monkeypatch.setattr(speculation, "_review", counted)
    hands = Hands()
    job = hands.job(maps=2)
    hands.offer("a", "b")
    hands.later(20)
    assert len(looks) == 1, "nobody has told anything"
    tell(hands, job, m0=0.1)
    hands.later(0.5)
    assert len(looks) == 2


def test_offers_flow_again_for_it() -> None:
    hands = Hands()
    job = hands.job(maps=4)
    assert of(hands.offer("a", "b", "c", "d"), cmd.Suppress)
    hands.later(10)
    for name in ("m0", "m1", "m2"):
        assert of(hands.end(long(job, name)), EndSlot)
    hands.later(10)
    tell(hands, job, m3=0.1)
    assert of(hands.later(1.5), cmd.Revive)
    assert of(hands.offer("e"), cmd.Suppress)


def test_the_first_to_succeed_wins_and_the_other_is_killed() -> None:
    for winner, loser in (("m3", "m3.1"), ("m3.1", "m3")):
        hands, job = slow_map()
        (launch,) = launches(hands.offer("e"))
        hands.beat(launch.tracker_id)
        commands = hands.end(long(job, winner))
        assert [k.attempt_id for k in of(commands, KillAttempt)] == [long(job, loser)]
        assert not of(commands, cmd.CommitJob), "the loser may still write"
        assert hands.status(job).state is JobState.COMMITTING
        (commit,) = of(hands.end(long(job, loser)), cmd.CommitJob)
        assert short(commit.winners[3]) == winner, "though the other succeeded as well"
        assert hands.status(job).maps.succeeded == 4
        assert hands.status(job).counters["task"]["RECORDS"] == 20, "each task counts once"


def test_a_loser_that_does_not_end_holds_up_the_commit_only_so_long() -> None:
    hands, job = slow_map()
    (launch,) = launches(hands.offer("e"))
    hands.beat(launch.tracker_id)
    hands.end(long(job, "m3.1"))
    commands = hands.later(4)
    assert of(commands, cmd.KillSlot)
    assert not of(commands, cmd.CommitJob)
    assert of(hands.later(5), cmd.CommitJob)


def test_where_one_of_two_fails_the_other_goes_on() -> None:
    hands, job = slow_map()
    hands.offer("e")
    hands.fail(long(job, "m3"))
    assert hands.status(job).maps.running == 1
    assert hands.status(job).maps.failed_attempts == 1
    assert started(hands.offer("f")) == []
    assert of(hands.end(long(job, "m3.1")), cmd.CommitJob)


def test_where_both_fail_the_task_waits_again() -> None:
    hands, job = slow_map()
    hands.offer("e")
    hands.fail(long(job, "m3.1"))
    hands.fail(long(job, "m3"))
    assert started(hands.offer("d")) == started(hands.offer("e")) == []
    assert started(hands.offer("f")) == ["m3.2"]


def test_failures_of_losers_are_nobodys() -> None:
    hands, job = slow_map(reduces=1, map_maxattempts="1")
    (launch,) = launches(hands.offer("e"))
    hands.beat(launch.tracker_id)
    hands.end(long(job, "m3"))
    hands.end(long(job, "m3.1"), AttemptState.FAILED, error())
    assert hands.status(job).maps.failed_attempts == 0
    assert hands.status(job).state is JobState.RUNNING


def test_a_lost_tracker_leaves_the_backup() -> None:
    hands, job = slow_map()
    hands.offer("e")
    slow = hands.tracker_of[long(job, "m3")]
    hands.do(ev.TrackerLost(slow, "d", 9))
    maps = hands.status(job).maps
    assert (maps.pending, maps.running) == (0, 1)


def test_none_while_a_fresh_task_waits() -> None:
    hands, job = slow_map()
    other = hands.job(maps=1)
    commands = hands.offer("e")
    assert [launch.first.job_id for launch in launches(commands)] == [other]
    assert job != other
    assert started(hands.offer("f")) == ["m3.1"]


def test_none_where_it_is_not_wanted_or_too_early() -> None:
    hands, _ = slow_map(map_speculative="false")
    assert started(hands.offer("e")) == []
    hands, _ = slow_map(job_speculative_lag="60")
    assert started(hands.offer("e")) == []


def test_none_for_one_that_will_end_before_its_backup_could() -> None:
    hands, job = slow_map()
    tell(hands, job, m3=0.8)
    hands.later(1.5)
    assert started(hands.offer("e")) == []


def test_one_that_gets_no_further_wants_one_however_far_it_is() -> None:
    hands, job = slow_map()
    tell(hands, job, m3=0.99)
    hands.later(9)
    tell(hands, job, m3=0.99)
    hands.later(1.5)
    assert started(hands.offer("e")) == [], "that is less than maps take as a whole"
    tell(hands, job, m3=0.99)
    hands.later(1.5)
    assert started(hands.offer("e")) == ["m3.1"]


def test_none_for_one_that_nobody_told_of() -> None:
    hands = Hands()
    job = hands.job(maps=4)
    hands.offer("a", "b", "c", "d")
    hands.later(10)
    for name in ("m0", "m1", "m2"):
        hands.end(long(job, name))
    hands.later(30)
    assert started(hands.offer("e")) == []


def test_at_most_so_many_at_once() -> None:
    hands = Hands()
    two: dict[str, Any] = {"job.speculative.minimum-allowed-tasks": "2"}
    job = hands.job(maps=8, **two)
    hands.offer(*"abcdefgh")
    hands.later(10)
    for index in range(4):
        hands.end(long(job, f"m{index}"))
    hands.later(10)
    tell(hands, job, m4=0.11, m5=0.05, m6=0.07, m7=0.12)
    hands.later(1.5)
    assert started(hands.offer("i", "j", "k")) == ["m5.1", "m6.1"], "those that would end last"
    hands.end(long(job, "m5.1"))
    hands.end(long(job, "m5"), AttemptState.KILLED)
    tell(hands, job, m4=0.11, m7=0.12)
    hands.later(1.5)
    assert started(hands.offer("k")) == ["m4.1"]


def test_a_part_of_the_running_attempts_may_have_one() -> None:
    hands = Hands()
    most: dict[str, Any] = {
        "job.speculative.minimum-allowed-tasks": "1",
        "job.speculative.speculative-cap-running-tasks": "0.75",
    }
    job = hands.job(maps=8, **most)
    hands.offer(*"abcdefgh")
    hands.later(10)
    for index in range(4):
        hands.end(long(job, f"m{index}"))
    hands.later(10)
    tell(hands, job, m4=0.11, m5=0.05, m6=0.07, m7=0.12)
    hands.later(1.5)
    assert len(started(hands.offer("i", "j", "k", "l"))) == 3, "0.75 of four"


@pytest.mark.parametrize(("threshold", "backups"), [("1.0", ["m3.1"]), ("3.0", [])])
def test_how_slow_counts_as_slow(threshold: str, backups: list[str]) -> None:
    """Its rate is 0.47 of the mean, 1.7 deviations below it."""
    hands = Hands()
    limit: dict[str, Any] = {"job.speculative.slowtaskthreshold": threshold}
    job = hands.job(maps=4, **limit)
    hands.offer("a", "b", "c", "d")
    hands.later(10)
    for name in ("m0", "m1", "m2"):
        hands.end(long(job, name))
    hands.later(2.5)
    tell(hands, job, m3=0.5)
    hands.later(1.5)
    assert started(hands.offer("e")) == backups


def test_none_on_a_slow_agent() -> None:
    hands, job = slow_map()
    agents = hands.core.st.cluster.agents
    assert agents[AgentId("d")].pace < SLOW_AGENT < agents[AgentId("c")].pace
    other = hands.job(maps=1)
    hands.offer("z")
    hands.later(100)
    hands.end(long(other, "m0"))
    agents[AgentId("z")].pace = 0.5
    tell(hands, job, m3=0.2)
    hands.later(1.5)
    assert started(hands.offer("z")) == []
    assert started(hands.offer("c")) == ["m3.1"]


def test_reduces_are_not_slow_while_they_wait_for_maps() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=3, job_reduce_slowstart_completedmaps="0", map_reduce_ratio="0")
    hands.offer(*"abcde")
    assert hands.status(job).reduces.running == 3
    hands.end(long(job, "m0"))
    hands.later(60)
    tell(hands, job, r0=0.3, r1=0.3, r2=0.01)
    hands.later(1.5)
    hands.end(long(job, "m1"))
    hands.later(5)
    tell(hands, job, r0=0.8, r1=0.8, r2=0.01)
    hands.later(4)
    assert started(hands.offer("x")) == [], "5 s are too early to tell"
    hands.end(long(job, "r0"))
    hands.end(long(job, "r1"))
    hands.later(10)
    tell(hands, job, r2=0.02)
    hands.later(1.5)
    assert started(hands.offer("x")) == ["r2.1"]
    (news,) = [c for c in hands.offer("y") if isinstance(c, cmd.DeclineOffers)]
    assert news.refuse_seconds > 1
    hands.end(long(job, "r2.1"))
    (commit,) = of(hands.end(long(job, "r2"), AttemptState.KILLED), cmd.CommitJob)
    assert [short(name) for name in commit.winners] == ["r0", "r1", "r2.1"]


def test_none_of_a_reduce_whose_map_outputs_are_gone() -> None:
    """Lost outputs are made again only when a reduce has to fetch them. A backup would have to."""
    for gone in (True, False):
        hands, job = reducing(4)
        for index in range(4):
            name = long(job, f"r{index}")
            told = AttemptProgress(attempt_id=name, progress=0.1, fetched=True)
            hands.beat(hands.tracker_of[name], progress=[told])
        hands.later(10)
        for index in range(3):
            hands.end(long(job, f"r{index}"))
        hands.later(10)
        name = long(job, "r3")
        told = AttemptProgress(attempt_id=name, progress=0.15, fetched=True)
        hands.beat(hands.tracker_of[name], progress=[told])
        hands.later(1.5)
        if gone:
            hands.do(ev.TrackerLost(hands.tracker_of[long(job, "m0")], "m", 9))
        assert started(hands.offer("x")) == ([] if gone else ["r3.1"])
