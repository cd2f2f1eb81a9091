from __future__ import annotations

from collections import Counter

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.wire.heartbeat import KillAttempt
from mrmesos.wire.task import AttemptState
from tests.jobtracker.harness import Hands, launches, of

PREEMPTING = {
    "scheduler": "fair",
    "pools": "adhoc:min=2",
    "fairscheduler.preemption.timeout": "10",
}


def full_of_etl(slots: int = 6, **conf: str) -> tuple[Hands, str]:
    """A cluster of two agents that runs a job of the pool `etl`, and nothing else."""
    hands = Hands({**PREEMPTING, **{name.replace("_", "."): text for name, text in conf.items()}})
    etl = hands.job(maps=100, job_pool="etl", map_memory_mb="128")
    for agent in ("a", "b"):
        commands = hands.offer(agent, cpus=slots / 2)
        hands.beat(launches(commands)[0].tracker_id)
        hands.later(1)
    return hands, etl


def kills(commands: list[cmd.Command]) -> list[str]:
    return [kill.attempt_id for kill in of(commands, KillAttempt)]


def test_a_pool_gets_its_minimum_share_from_the_youngest_of_others() -> None:
    hands, etl = full_of_etl()
    adhoc = hands.job(maps=50, job_pool="adhoc", map_memory_mb="128")
    assert not kills(hands.later(10))
    killed = kills(hands.later(1))
    assert len(killed) == 2
    assert {hands.agent_of[hands.tracker_of[name]] for name in killed} == {"b"}, "the youngest"
    for name in killed:
        hands.end(name, AttemptState.KILLED)
    assert Counter(a.job_id for a in hands.running.values()) == {etl: 4, adhoc: 2}
    assert hands.status(etl).maps.failed_attempts == 0
    assert not kills(hands.later(60)), "it has what it is due"


def test_no_more_than_it_has_use_for() -> None:
    hands, _ = full_of_etl()
    hands.job(maps=1, job_pool="adhoc", map_memory_mb="128")
    assert len(kills(hands.later(11))) == 1


def test_kills_on_their_way_are_not_asked_for_twice() -> None:
    hands, _ = full_of_etl()
    hands.job(maps=9, job_pool="adhoc", map_memory_mb="128")
    assert len(kills(hands.later(11))) == 2
    assert not kills(hands.later(8))


def test_nobody_is_brought_below_its_own_share() -> None:
    hands, _ = full_of_etl(pools="adhoc:min=4;etl:min=5")
    hands.job(maps=9, job_pool="adhoc", map_memory_mb="128")
    assert len(kills(hands.later(60))) == 1


def test_never_without_being_asked_to() -> None:
    hands, _ = full_of_etl(fairscheduler_preemption_timeout="0")
    hands.job(maps=9, job_pool="adhoc", map_memory_mb="128")
    assert not kills(hands.later(60))
