from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mrmesos.jobtracker.core.handlers import offers
from mrmesos.jobtracker.core.handlers.offer_batch import Batch, Offered
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.scheduling.find_task import Choice, find_task
from mrmesos.jobtracker.core.scheduling.job_index import JobIndex
from mrmesos.resources import total
from mrmesos.wire.heartbeat import EndSlot
from mrmesos.wire.ids import AgentId
from tests.jobtracker.harness import Hands, launches, long, of, scalar, spec, splits, started
from tests.jobtracker.journaled import JournaledHands


def test_work_spreads_over_agents() -> None:
    hands = Hands()
    hands.job(maps=5)
    got = launches(hands.offer("a", "b", cpus=4.0))
    assert [one.agent_id for one in got] == ["a", "a", "a", "b", "b"]
    assert [one.first.attempt_id[-8:-2] for one in got] == [
        "000000",
        "000002",
        "000004",
        "000001",
        "000003",
    ]


def test_offers_that_nobody_uses_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small job brings offers of thousands of agents."""
    looked_at: list[str] = []
    look = Batch.look

    def noted(batch: Batch, place: int) -> Offered:
        looked_at.append(batch.agents[place].id)
        return look(batch, place)

    monkeypatch.setattr(Batch, "look", noted)
    hands = Hands()
    hands.job(maps=2)
    agents = [f"a{number}" for number in range(50)]
    assert [one.agent_id for one in launches(hands.offer(*agents))] == ["a0", "a1"]
    assert looked_at == ["a0", "a1"], "then no task waits"


def test_agents_that_all_tasks_pass_over_are_not_looked_at_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def noted(index: JobIndex, agent: Agent, *rest: Any) -> Choice:
        asked.append(agent.id)
        return find_task(index, agent, *rest)

    monkeypatch.setattr(offers, "find_task", noted)
    hands = Hands()
    hands.job(("z",))
    hands.offer("z", cpus=0.1)  # z is in the cluster, so the map waits for it
    asked.clear()
    small = hands.an_offer("small", mem=64.0)
    batch = (*(hands.an_offer(name) for name in "abcd"), small)
    commands = hands.do(ev.OffersReceived(batch))
    assert asked == ["a"], "the others get the same answer"
    refused = {d.refuse_seconds: d.offer_ids for d in of(commands, cmd.DeclineOffers)}
    assert refused == {
        offers.REFUSE_SECONDS_LOCALITY: tuple(offer.offer_id for offer in batch[:4]),
        hands.core.st.settings.refuse_busy: (small.offer_id,),
    }
    agents = hands.core.st.cluster.agents
    assert [agents[AgentId(offer.agent_id)].passed for offer in batch] == [1000.0] * 4 + [None]


def test_an_offer_that_comes_again_is_read_only_once() -> None:
    """As in the simulator, which makes an offer once and uses it until the agent changes."""
    hands = Hands()
    whole, half = hands.an_offer("a", cpus=2.0), hands.an_offer("a", cpus=1.0)
    unknown = replace(hands.an_offer("b"), executor_ids=("tracker_of_nobody",))
    for _ in range(2):
        commands = hands.do(ev.OffersReceived((whole, half, unknown)))
        [shutdown] = of(commands, cmd.ShutdownTracker)
        assert shutdown.tracker_id == "tracker_of_nobody", "as often as it is offered"
    hands.job(maps=3)
    assert started(hands.do(ev.OffersReceived((half,)))) == ["m0"], "not what both had together"


def test_an_agent_of_two_cpus_runs_two_attempts_of_one() -> None:
    hands = Hands()
    job = hands.job(maps=6)
    got = launches(hands.offer("a", cpus=2.0))
    assert len(got) == 2
    cpus = [total(one.resources)["cpus"] for one in got]
    assert cpus == [980, 980], "each leaves a TaskTracker's share"
    assert got[0].tracker_resources is got[1].tracker_resources
    assert total(got[0].tracker_resources) == {"cpus": 20, "mem": 128_000}
    assert total(got[0].resources)["mem"] == 1_024_000
    # Both slots go on with attempts of one CPU.
    assert started(hands.end(long(job, "m0"))) == ["m2"]
    assert started(hands.end(long(job, "m1"))) == ["m3"]


def test_what_one_slot_gives_back_is_enough_for_another_frameworks() -> None:
    ours, theirs = Hands(), Hands()
    ours.job(maps=3)
    theirs.job(maps=3)
    first, _ = launches(ours.offer("a", cpus=2.0))
    kept = total(first.tracker_resources)["cpus"] + total(first.resources)["cpus"]
    assert len(launches(theirs.offer("a", cpus=2.0 - kept / 1000))) == 1, "and for its TaskTracker"


def test_a_slot_for_a_tracker_that_runs_is_like_its_others() -> None:
    hands = Hands()
    hands.job(maps=3)
    one, other = launches(hands.offer("a", cpus=2.0))
    hands.beat(one.tracker_id)
    hands.update(one.slot_id, "TASK_FAILED")
    (again,) = launches(hands.offer("a", cpus=0.98))
    assert total(again.resources)["cpus"] == 980
    assert again.tracker_id == other.tracker_id
    assert again.tracker_resources is other.tracker_resources


def test_several_offers_of_one_agent_are_one() -> None:
    hands = Hands()
    hands.job(maps=1)
    offers = (hands.an_offer("a", 0.5, 700.0), hands.an_offer("a", 0.5, 700.0))
    (accept,) = of(hands.do(ev.OffersReceived(offers)), cmd.AcceptOffers)
    assert accept.offer_ids == ("o1", "o2")
    assert total(accept.launches[0].resources) == {"cpus": 980, "mem": 1_024_000}


def test_what_is_reserved_goes_first_and_keeps_its_marks() -> None:
    hands = Hands()
    hands.job(maps=1, map_resources="db_connections:2")
    mine = {"role": "us", "allocation_info": {"role": "us"}}
    resources = (
        scalar("cpus", 4.0, role="*"),
        scalar("cpus", 0.5, **mine),
        scalar("mem", 4096.0, role="*"),
        scalar("db_connections", 3.0, role="*"),
        scalar("mem", 9999.0, role="*", revocable={}),
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 9}]}},
    )
    (launch,) = launches(hands.do(ev.OffersReceived((ev.Offer("o", "a", "a", resources),))))
    pieces = [*launch.tracker_resources, *launch.resources]
    assert sum(p["scalar"]["value"] for p in pieces if p.get("role") == "us") == 0.5
    assert total(launch.resources)["db_connections"] == 2000
    assert not any("revocable" in piece for piece in pieces)


def test_filters_say_why_offers_are_refused() -> None:
    hands = Hands({"offer.refuse.seconds.idle": "300", "offer.refuse.seconds.busy": "5"})
    (decline,) = of(hands.offer("a"), cmd.DeclineOffers)
    assert decline.refuse_seconds == 300, "no work"
    hands.job(maps=3)
    (decline,) = of(hands.offer("a", cpus=0.5), cmd.DeclineOffers)
    assert decline.refuse_seconds == 5, "too small"
    (accept,) = of(hands.offer("a", cpus=1.5), cmd.AcceptOffers)
    assert accept.refuse_seconds == 5, "the rest is too small"
    (accept,) = of(hands.offer("b", cpus=8), cmd.AcceptOffers)
    assert accept.refuse_seconds == 300, "nothing more waits"


def test_offers_are_suppressed_without_work_and_revived_with_it() -> None:
    hands = Hands()
    assert hands.core.st.offers.suppressed
    job = hands.core.next_job_id()
    assert of(hands.do(ev.JobSubmitted(job, spec(), "t")), cmd.Revive) == []
    assert len(of(hands.do(ev.JobPlanned(job, splits((), ()))), cmd.Revive)) == 1
    assert of(hands.later(5), cmd.Revive) == [], "once is enough"
    assert len(of(hands.offer("a", "b"), cmd.Suppress)) == 1
    hands.do(ev.Disconnected())
    assert of(hands.do(ev.Registered("f")), cmd.Suppress), "a new subscription starts unsuppressed"


def test_a_new_subscription_with_work_drops_old_filters() -> None:
    hands = Hands()
    hands.job(maps=1)
    hands.do(ev.Disconnected())
    hands.now += 1
    assert len(of(hands.do(ev.Registered("f")), cmd.Revive)) == 1


def test_a_map_that_runs_again_does_not_wait_for_a_filter() -> None:
    hands = Hands()
    job = hands.job(("a",), reduces=2)
    hands.offer("a")
    hands.end(long(job, "m0"))
    assert set(hands.running) == {long(job, "r0")}
    hands.now += 5
    (decline,) = of(hands.offer("b", cpus=0.5), cmd.DeclineOffers)
    assert decline.refuse_seconds == 5, "b is too small for the other reduce"
    hands.now += 1
    assert len(of(hands.do(ev.AgentLost("a")), cmd.Revive)) == 1


def test_a_retry_revives_but_never_in_a_storm() -> None:
    hands = Hands()
    job = hands.job(*[()] * 20, map_maxattempts="1000")
    hands.offer(*"abcdefghijklmnopqrst")
    revives = 0
    for index in range(20):
        hands.now += 0.01
        revives += len(of(hands.fail(long(job, f"m{index}")), cmd.Revive))
    assert revives <= 1
    assert len(of(hands.later(3.0), cmd.Revive)) <= 1


def test_reduces_that_the_free_slots_cannot_all_take_revive_offers() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=3)
    hands.offer("a", cpus=2)
    assert len(of(hands.end(long(job, "m0")), EndSlot)) == 1
    hands.now += 1
    commands = hands.end(long(job, "m1"))
    assert started(commands) == ["r0"]
    assert len(of(commands, cmd.Revive)) == 1


def test_a_tracker_that_mesos_knows_and_we_do_not_is_shut_down() -> None:
    hands = Hands()
    offer = ev.Offer("o", "a", "a", (scalar("cpus", 1.0),), executor_ids=("tracker_old_1",))
    (shutdown,) = of(hands.do(ev.OffersReceived((offer,))), cmd.ShutdownTracker)
    assert shutdown.tracker_id == "tracker_old_1"


sizes = st.tuples(st.floats(0.01, 16).map(lambda x: round(x, 3)), st.integers(32, 20000))


@given(
    offers=st.lists(st.tuples(st.sampled_from("abc"), sizes), min_size=1, max_size=8),
    jobs=st.lists(st.tuples(st.integers(0, 6), sizes), min_size=1, max_size=3),
)
def test_never_more_is_taken_than_was_offered(
    offers: list[tuple[str, tuple[float, int]]], jobs: list[tuple[int, tuple[float, int]]]
) -> None:
    hands = Hands()
    for maps, (cpus, mem) in jobs:
        hands.job(maps=maps, map_cpus=str(cpus), map_memory_mb=str(max(128, mem)))
    made = tuple(hands.an_offer(agent, cpus, float(mem)) for agent, (cpus, mem) in offers)
    commands = hands.do(ev.OffersReceived(made))
    answered: list[str] = []
    for command in commands:
        if isinstance(command, cmd.AcceptOffers | cmd.DeclineOffers):
            answered += command.offer_ids
    assert sorted(answered) == sorted(offer.offer_id for offer in made)
    by_id = {offer.offer_id: offer for offer in made}
    for accept in of(commands, cmd.AcceptOffers):
        mine = [by_id[offer_id] for offer_id in accept.offer_ids]
        assert len({offer.agent_id for offer in mine}) == 1
        offered = total(r for offer in mine for r in offer.resources)
        taken = total(r for launch in accept.launches for r in launch.resources)
        for name, amount in total(accept.launches[0].tracker_resources).items():
            taken[name] += amount
        assert all(taken[name] <= offered[name] for name in taken)
        assert all(total(one.resources)["cpus"] >= 10 for one in accept.launches)


def test_agents_that_hold_the_data_are_asked_first() -> None:
    hands = Hands()
    hands.job(("c",), locality_wait_node="0", locality_wait_rack="0")
    (launch,) = launches(hands.offer("a", "b", "c"))
    assert launch.agent_id == "c", "even by a job that does not wait"


def test_an_offer_unlike_the_last_of_its_agent_is_read_anew() -> None:
    hands = Hands()
    hands.job(maps=9)
    assert not launches(hands.offer("a", cpus=0.5))
    assert not launches(hands.offer("a", cpus=0.5))
    assert len(launches(hands.offer("a", cpus=2.0))) == 2
    assert not launches(hands.offer("a", cpus=0.5))
    assert len(launches(hands.offer("a", cpus=1.0))) == 1


def test_the_room_of_an_agent_whose_tasktracker_died_with_the_jobtracker() -> None:
    """The journal has the TaskTracker. A new one takes its part of what the agent offers now."""
    hands = JournaledHands()
    own = hands.core.st.settings.tracker["mem"]
    hands.job(maps=1)
    hands.offer("a", mem=2048)
    hands.beat(hands.tracker_of[next(iter(hands.running))])
    hands.restart()
    hands.do(ev.Registered("framework"))
    hands.now += 1
    hands.offer("a", mem=2048)
    agent = hands.core.st.cluster.agents[AgentId("a")]
    assert agent.tracker is not None
    assert agent.offered_room["mem"] == 2_048_000 - own
    beside = replace(hands.an_offer("a", mem=2048), executor_ids=(agent.tracker.id,))
    hands.do(ev.OffersReceived((replace(beside, resources=(scalar("mem", 2047.0),)),)))
    assert agent.offered_room["mem"] == 2_047_000
