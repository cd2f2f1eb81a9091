"""Delay scheduling: how long a job waits for its data, when it waits again, and what this costs."""

from __future__ import annotations

import heapq
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.conf import ConfError
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.settings import Wait
from mrmesos.jobtracker.core.scheduling.delay_scheduling import REST
from mrmesos.jobtracker.core.state import queries
from mrmesos.wire.heartbeat import EndSlot, RunAttempt
from mrmesos.wire.ids import AgentId
from mrmesos.wire.task import AttemptState, Locality
from tests.jobtracker.harness import Hands, launches, of, scalar, spec, started


def offer(hands: Hands, **racks: str) -> list[str]:
    """Offer agents, each with its rack. Returns the attempts that begin."""
    made = []
    for agent, rack in racks.items():
        hands.offers += 1
        resources = (scalar("cpus", 1.0), scalar("mem", 8192.0))
        made.append(ev.Offer(f"o{hands.offers}", agent, agent, resources, rack=rack))
    return started(hands.do(ev.OffersReceived(tuple(made))))


def localities(hands: Hands, job_id: str) -> Counter[Locality]:
    report = queries.job_report(hands.core.st, job_id)
    assert report is not None
    return Counter(row.locality for row in report.attempts)


def test_node_then_rack_then_anywhere() -> None:
    hands = Hands()
    job = hands.job(*[("a",)] * 5, locality_wait_node="3", locality_wait_rack="2")
    racks = {"a": "/r", "b": "/r", "c": "/s"}
    assert offer(hands, **racks) == ["m0"]
    hands.now += 2.9
    assert offer(hands, b="/r", c="/s") == []
    hands.now += 0.1
    assert offer(hands, c="/s") == []
    assert offer(hands, b="/r") == ["m1"]
    hands.now += 1.9
    assert offer(hands, c="/s") == []
    hands.now += 0.1
    assert offer(hands, c="/s") == ["m2"]
    found = localities(hands, job)
    assert found == {Locality.NODE_LOCAL: 1, Locality.RACK_LOCAL: 1, Locality.ANY: 1}
    counters = hands.status(job).counters["job"]
    assert (counters["RACK_LOCAL_MAPS"], counters["OTHER_LOCAL_MAPS"]) == (1, 1)


def test_where_no_rack_is_known_only_the_node_is_waited_for() -> None:
    hands = Hands()
    hands.job(*[("a",)] * 3, locality_wait_node="1", locality_wait_rack="60")
    hands.offer("a", "b")
    hands.now += 1
    assert started(hands.offer("b")) == ["m1"]


def test_a_thousand_jobs_later_a_wait_ends_in_time_all_the_same() -> None:
    """The remaining jobs have new bits by then (JobIndex._renumber)."""
    hands = Hands()

    def go(job: str) -> None:
        hands.do(ev.KillAsked(job, "a test"))
        hands.do(ev.JobAborted(job))

    first = hands.job(("z",))
    stays = hands.job(*[("a",)] * 2, locality_wait_node="3", locality_wait_rack="0")
    go(first)
    assert started(hands.offer("a", "b")) == ["m0"]
    entry = hands.core.st.index.entries[stays]
    before = entry.bit
    for _ in range(1100):
        go(hands.job(("z",)))
    assert entry.bit.bit_length() < before.bit_length()
    hands.now += 2.9
    assert started(hands.offer("b")) == []
    hands.now += 0.1
    assert started(hands.offer("b")) == ["m1"]


def test_a_wait_may_be_a_number_of_chances() -> None:
    hands = Hands()
    hands.job(*[("a",)] * 5, locality_wait_node="3 offers")
    assert started(hands.offer("a", "b")) == ["m0"]
    hands.now += 1000
    assert started(hands.offer("b")) == [], "time does not matter"
    assert started(hands.offer("c")) == []
    assert started(hands.offer("d")) == ["m1"]


def test_chances_and_times_can_follow_each_other() -> None:
    hands = Hands()
    hands.job(*[("a",)] * 5, locality_wait_node="2 offers", locality_wait_rack="4")
    assert offer(hands, a="/r") == ["m0"]
    assert offer(hands, b="/r", c="/s") == []
    assert offer(hands, b="/r", c="/s") == ["m1"], "b is on the rack"
    hands.now += 4
    assert offer(hands, c="/s") == ["m2"]


def test_without_a_wait_nothing_is_passed_over() -> None:
    hands = Hands()
    hands.job(("a",), ("b",), locality_wait_node="0", locality_wait_rack="0")
    assert started(hands.offer("b", "c")) == ["m1", "m0"], "but what is local goes first"


def test_a_rack_learnt_later_counts() -> None:
    hands = Hands()
    hands.job(*[("a",)] * 5, locality_wait_node="0", locality_wait_rack="9")
    assert offer(hands, a="/r", c="/s") == ["m0"]
    assert offer(hands, b="/r", d="/r") == ["m1", "m2"]
    assert offer(hands, e="") == []


def test_a_job_waits_anew_after_a_local_launch_while_others_use_what_it_passes_over() -> None:
    # The cluster is busy, and another job takes each chance. So waiting costs only this job's time,
    # and one wait without success must not give up the locality of all its maps.
    hands = Hands()
    job = hands.job(*[(f"d{i}",) for i in range(10)], locality_wait_node="3")
    hands.offer(*[f"d{i}" for i in range(10)], cpus=0.5)  # known agents that are too small
    hands.job(maps=1000)
    for i in range(10):
        for n in range(2):
            (other,) = launches(hands.offer(f"x{i}{n}"))
            assert other.first.job_id != job
            hands.now += 1.0
        (mine,) = launches(hands.offer(f"d{i}"))
        assert mine.first.job_id == job
    assert localities(hands, job) == {Locality.NODE_LOCAL: 10}


def test_after_a_wait_in_vain_a_job_is_strict_again_only_when_it_has_run_for_long() -> None:
    hands = Hands()
    hands.job(*[("a",)] * 40, locality_wait_node="3")
    assert started(hands.offer("a", "b")) == ["m0"]
    hands.now += 3
    assert started(hands.offer("b")) == ["m1"]
    hands.now += 3 * REST - 0.5
    assert started(hands.offer("a", "c")) == ["m2", "m3"], "a local launch does not make it strict"
    hands.now += 0.5
    assert started(hands.offer("a", "d")) == ["m4"]
    hands.now += 3
    assert started(hands.offer("d")) == ["m5"]


def test_hosts_that_are_avoided_or_lost_are_not_waited_for() -> None:
    hands = Hands()
    job = hands.job(*[("a",)] * 3, locality_wait_node="60")
    hands.job(maps=3)
    assert started(hands.offer("a", "b")) == ["m0", "m0"]
    cluster = hands.core.st.cluster
    cluster.avoid(cluster.agents[AgentId("a")], hands.now + 60)
    hands.later(0.5)
    assert launches(hands.offer("c"))[0].first.job_id == job
    cluster.agents[AgentId("a")].avoid_until = 0.0
    assert launches(hands.offer("d"))[0].first.job_id != job, "it is back"
    hands.do(ev.AgentLost("a"))
    hands.later(0.5)
    assert launches(hands.offer("e"))[0].first.job_id == job


def test_a_job_whose_hosts_are_all_unknown_never_waits() -> None:
    hands = Hands()
    hands.job(*[("elsewhere", f"far{i}") for i in range(300)], locality_wait_node="60")
    assert len(started(hands.offer("a", "b", cpus=400.0, mem=1e6))) == 300


def test_declines_while_waiting_let_the_agent_come_back_soon() -> None:
    hands = Hands()
    hands.job(("a",), ("a",), locality_wait_node="3")
    (decline,) = of(hands.offer("a", "b"), cmd.DeclineOffers)
    assert decline.offer_ids == ("o2",)
    assert decline.refuse_seconds == 0.5
    assert not hands.core.st.offers.suppressed


@given(number=st.integers(0, 10**6))
def test_waits_read_as_they_are_written(number: int) -> None:
    assert Wait.parse(f"{number} offers") == Wait(offers=number)
    assert Wait.parse(f" {number}.5") == Wait(seconds=number + 0.5)


@pytest.mark.parametrize("text", ["", "-1", "nan", "soon", "3 skips", "1.5 offers", "-2 offers"])
def test_what_is_no_wait_is_refused(text: str) -> None:
    with pytest.raises(ConfError, match=r"locality\.wait\.rack"):
        JobTracker.check_spec(spec(locality_wait_rack=text))


# --- SPARK-18886 ---------------------------------------------------------------------------------


class OneSlotAgents:
    """Agents of one CPU. Once a second, an allocator offers what is free."""

    def __init__(self, agents: int, seconds: float) -> None:
        self.hands = Hands()
        self.seconds = seconds
        self.free = {f"h{i}": 0.0 for i in range(agents)}  # until when its filter holds
        self.heap: list[tuple[float, str]] = []
        self.where: dict[str, str] = {}

    def run(self, job: str) -> float:
        """The time until the last of the job's maps has ended."""
        hands, begin = self.hands, self.hands.now
        next_offers = next_tick = begin
        while not hands.status(job).state.value.startswith("COMM"):
            ends = self.heap[0][0] if self.heap else next_offers
            hands.now = max(hands.now, min(ends, next_offers, next_tick))
            if self.heap and hands.now == ends:
                self.carry_out(hands.end(heapq.heappop(self.heap)[1], AttemptState.SUCCEEDED))
            elif hands.now == next_offers:
                next_offers += 1.0
                names = [name for name, until in self.free.items() if until <= hands.now]
                if names and not hands.core.st.offers.suppressed:
                    self.carry_out(hands.offer(*names))
            else:
                next_tick += 0.5
                self.carry_out(hands.do(ev.Tick()))
        return hands.now - begin

    def carry_out(self, commands: list[cmd.Command]) -> None:
        hands = self.hands
        for accept in of(commands, cmd.AcceptOffers):
            for launch in accept.launches:
                self.where[launch.slot_id] = launch.agent_id
                del self.free[launch.agent_id]
                heapq.heappush(self.heap, (hands.now + self.seconds, launch.first.attempt_id))
        for run in of(commands, RunAttempt):
            heapq.heappush(self.heap, (hands.now + self.seconds, run.attempt.attempt_id))
        for end in of(commands, EndSlot):
            hands.update(end.slot_id, "TASK_FINISHED")
            self.free[self.where[end.slot_id]] = 0.0


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("wait", ["1", "3", "30 offers"])
def test_one_host_with_all_the_data_does_not_hold_the_others_up(seconds: float, wait: str) -> None:
    # SPARK-18886: 500 short maps all prefer one host, and 50 hosts are free. Spark reset its clock
    # at every local launch, so 49 hosts stood idle.
    world = OneSlotAgents(50, seconds)
    job = world.hands.job(*[("h0",)] * 500, locality_wait_node=wait)
    ideal = 500 / 50 * seconds
    took = world.run(job)
    print(f"{seconds} s a map, wait {wait}: {took:.1f} s, ideal {ideal} s")
    assert took <= 2 * ideal


def test_with_data_everywhere_nothing_leaves_its_host() -> None:
    world = OneSlotAgents(20, 0.7)
    job = world.hands.job(*[(f"h{i % 20}", f"h{(i + 7) % 20}") for i in range(300)])
    world.run(job)
    found = localities(world.hands, job)
    assert found[Locality.NODE_LOCAL] >= 295, found
