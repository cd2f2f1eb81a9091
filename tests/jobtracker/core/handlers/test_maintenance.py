"""Agents with planned maintenance are drained before it, and left when it begins."""

from __future__ import annotations

import math

from msgspec.structs import replace

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import AgentId
from mrmesos.wire.task import AttemptProgress
from tests.jobtracker.harness import Hands, launches, long, of, started

DRAIN = 300.0


class Planned(Hands):
    """Hands with agents that will be in maintenance from a given time on."""

    def offer_away(
        self, agent: str, start: float | None, end: float = math.inf, cpus: float = 2.0
    ) -> list[cmd.Command]:
        offer = self.an_offer(agent, cpus)
        away = None if start is None else ev.Unavailability(start, end)
        return self.do(
            ev.OffersReceived(
                (
                    ev.Offer(
                        offer.offer_id,
                        offer.agent_id,
                        offer.hostname,
                        offer.resources,
                        unavailability=away,
                    ),
                )
            )
        )

    def ask_back(self, start: float, agent: str = "", end: float = math.inf) -> list[cmd.Command]:
        away = ev.Unavailability(start, end)
        return self.do(ev.InverseOffersReceived((ev.InverseOffer("i1", agent, away),)))


def test_no_attempt_starts_shortly_before_a_maintenance() -> None:
    hands = Planned()
    hands.job(maps=8)
    commands = hands.offer_away("a", hands.now + DRAIN - 1)
    assert not launches(commands)
    assert [c.refuse_seconds for c in of(commands, cmd.DeclineOffers)] == [5.0]
    assert launches(hands.offer_away("b", hands.now + DRAIN + 60))
    assert not launches(hands.offer_away("c", hands.now - 1, hands.now + 60))
    assert launches(hands.offer_away("d", hands.now - 60, hands.now - 1)), "it is over"


def test_a_plan_that_is_withdrawn() -> None:
    hands = Planned()
    hands.job(maps=8)
    assert not launches(hands.offer_away("a", hands.now + 10))
    assert launches(hands.offer_away("a", None))


def test_an_offer_that_comes_again_after_an_inverse_offer_says_its_plan_again() -> None:
    hands = Planned()
    soon, later = (
        ev.Unavailability(hands.now + wait, math.inf) for wait in (DRAIN - 1, DRAIN + 60)
    )
    offer = replace(hands.an_offer("a"), unavailability=soon)
    hands.do(ev.OffersReceived((offer,)))
    hands.do(ev.InverseOffersReceived((ev.InverseOffer("i1", "a", later),)))
    hands.job(maps=1)
    assert not launches(hands.do(ev.OffersReceived((offer,))))


def test_a_job_whose_attempts_take_long_stays_off_earlier() -> None:
    hands = Planned()
    job = hands.job(maps=8)
    hands.core.st.jobs[job].maps.pace.add(500.0)
    assert not launches(hands.offer_away("a", hands.now + 990))
    assert launches(hands.offer_away("b", hands.now + 1010)), "twice the average are left"
    other = hands.job(maps=8)
    commands = hands.offer_away("a", hands.now + 990)
    assert {launch.first.job_id for launch in launches(commands)} == {other}


def test_a_slot_on_an_agent_that_goes_away_ends_with_its_attempt() -> None:
    hands = Planned()
    hands.job(maps=8)
    launch = launches(hands.offer_away("a", None, cpus=1.0))[0]
    hands.beat(launch.tracker_id)
    answers = hands.ask_back(hands.now + 100, "a")
    assert of(answers, cmd.AcceptInverseOffers) == [cmd.AcceptInverseOffers(("i1",), 3600.0)]
    commands = hands.end(launch.first.attempt_id)
    assert not started(commands)
    assert [action.slot_id for action in of(commands, hb.EndSlot)] == [launch.slot_id]


def test_what_cannot_end_in_time_is_said() -> None:
    hands = Planned()
    job = hands.job(maps=8)
    launch = launches(hands.offer_away("a", None, cpus=1.0))[0]
    hands.beat(launch.tracker_id)
    hands.core.st.jobs[job].maps.pace.add(500.0)
    answers = hands.ask_back(hands.now + 400, "a")
    assert of(answers, cmd.DeclineInverseOffers) == [cmd.DeclineInverseOffers(("i1",), 30.0)]
    answers = hands.ask_back(hands.now + 1001)
    assert of(answers, cmd.AcceptInverseOffers), "of all agents, and later"


def test_an_agent_with_map_output_that_a_reduce_has_yet_to_fetch_is_not_given_back() -> None:
    """The agent's slots had ended, but on a real cluster four maps had to run a second time."""
    hands = Planned()
    job = hands.job(maps=2, reduces=1, reduce_memory_mb="4096")
    for launch in launches(hands.offer("a", cpus=2.0, mem=4096)):
        hands.beat(launch.tracker_id)
        hands.end(launch.first.attempt_id)
        hands.update(launch.slot_id, "TASK_FINISHED")
    refused = [cmd.DeclineInverseOffers(("i1",), 30.0)]
    assert of(hands.ask_back(hands.now + 3600, "a"), cmd.DeclineInverseOffers) == refused
    assert of(hands.ask_back(hands.now + 3600), cmd.DeclineInverseOffers) == refused
    assert of(hands.ask_back(hands.now + 3600, "b"), cmd.AcceptInverseOffers), "nothing is there"
    (launch,) = launches(hands.offer("b"))
    hands.beat(launch.tracker_id)
    assert of(hands.ask_back(hands.now + 3600, "a"), cmd.DeclineInverseOffers) == refused
    told = AttemptProgress(attempt_id=long(job, "r0"), progress=0.5, fetched=True)
    hands.beat(launch.tracker_id, progress=[told])
    assert of(hands.ask_back(hands.now + 3600, "a"), cmd.AcceptInverseOffers), "all is fetched"


def test_when_the_time_has_come_what_is_left_is_ended_and_runs_elsewhere() -> None:
    hands = Planned()
    hands.job(maps=3, reduces=1)
    one, two = launches(hands.offer_away("a", None))
    hands.beat(one.tracker_id)
    hands.ask_back(hands.now + 60, "a", hands.now + 120)
    hands.end(one.first.attempt_id)
    hands.later(59)
    assert one.tracker_id in hands.core.st.cluster.trackers, "its output may be needed"
    commands = hands.later(2)
    assert of(commands, cmd.ShutdownTracker) == [cmd.ShutdownTracker(one.tracker_id, AgentId("a"))]
    assert two.slot_id in {kill.slot_id for kill in of(commands, cmd.KillSlot)}
    assert not hands.core.st.attempts
    assert sorted(started(hands.offer("b", cpus=4.0))) == ["m0.1", "m1.1", "m2"]
    hands.later(60)
    assert hands.core.st.cluster.agents[AgentId("a")].takes(hands.now), "it is over"


def test_maps_whose_data_is_on_an_agent_that_closes_do_not_wait_for_it() -> None:
    hands = Planned()
    hands.offer_away("a", hands.now + 10)
    hands.job(("a",), locality_wait_node="30")
    assert launches(hands.offer("b"))


def test_a_rescinded_inverse_offer_changes_nothing() -> None:
    hands = Planned()
    assert not hands.do(ev.InverseOfferRescinded("i7"))
