"""Why a job waits: each reason is made on purpose, and the answer never differs from findTask's."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mrmesos.jobtracker.core.handlers import offers as offers_module
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.policies.agent_reasons import look
from mrmesos.jobtracker.core.policies.explanation import waiting_of
from mrmesos.jobtracker.core.policies.quota import Quota
from mrmesos.jobtracker.core.scheduling.eligibility import TRIAL_SILENCES, Fit
from mrmesos.jobtracker.core.scheduling.find_task import (
    Choice,
    Found,
    Nothing,
    NotYet,
    find_task,
)
from mrmesos.jobtracker.core.scheduling.job_entry import JobEntry
from mrmesos.jobtracker.core.scheduling.job_order import Fair
from mrmesos.resources import describe
from mrmesos.wire.explain import Reason, Why
from mrmesos.wire.ids import SETS, AgentId, HostName, TaskKind
from mrmesos.wire.job import JobState
from mrmesos.wire.task import ErrorKind
from tests.jobtracker.harness import (
    SILENCE,
    Hands,
    launches,
    long,
    reducing,
    scalar,
    spec,
    splits,
    started,
)
from tests.jobtracker.journaled import JournaledHands


def reasons(hands: Hands, job_id: str, task: str = "") -> dict[Why, Reason]:
    """The reasons by kind; those of maps before those of reduces."""
    waiting = waiting_of(hands.core.st, hands.core.st.jobs[job_id], task)
    found: dict[Why, Reason] = {}
    for reason in waiting.reasons:
        found.setdefault(reason.why, reason)
    return found


def only(hands: Hands, job_id: str) -> Reason:
    (reason,) = reasons(hands, job_id).values()
    return reason


def test_a_job_is_planned_first() -> None:
    hands = Hands()
    job_id = hands.core.next_job_id()
    hands.do(ev.JobSubmitted(job_id, spec(), "token"))
    reason = only(hands, job_id)
    assert (reason.why, reason.words) == (Why.PLANNING, "its splits are being planned")


def test_no_offer() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    reason = only(hands, job)
    assert (reason.why, reason.words) == (Why.NO_OFFER, "no offers received from Mesos")
    hands.offer("a")  # it starts
    hands.now += 1
    other = hands.job(maps=1)
    hands.now += 3
    assert reasons(hands, other)[Why.NO_OFFER].words == "no offers received from Mesos"


def test_an_agent_that_was_not_offered_since_the_job_waits() -> None:
    hands = Hands()
    hands.offer("a", "b")
    hands.now += 60
    job = hands.job(maps=2, map_memory_mb="8000")
    hands.now += 1
    hands.offer("b", mem=100)
    reason = reasons(hands, job)[Why.NO_OFFER]
    assert (reason.words, reason.agents) == ("Mesos has not offered a since it waits", 1)


def test_offers_too_small_of_what_and_by_how_much() -> None:
    hands = Hands()
    hands.offer("a", "b", cpus=8)
    hands.now += 1
    job = hands.job(maps=1, map_cpus="2", map_memory_mb="1024")
    hands.offer("a", cpus=1.5)
    hands.offer("b", cpus=4, mem=512)
    reason = only(hands, job)
    assert reason.why is Why.TOO_SMALL
    assert reason.agents == 2
    assert reason.words == (
        "the offers are too small: the last one of a lacked 0.5 CPUs for a map, which needs 2 "
        "CPUs, 1 GiB of memory, with its TaskTracker"
    )
    assert "map.cpus" in reason.help


def test_more_than_any_agent_has() -> None:
    hands = Hands()
    job = hands.job(maps=1, map_memory_mb="16384")
    hands.offer("a")
    reason = only(hands, job)
    assert reason.why is Why.TOO_LARGE
    assert "needs 1 CPU, 16 GiB of memory" in reason.words
    assert "the nearest agent lacks 8,320 MiB of memory" in reason.help


def test_constraints_that_no_agent_or_only_some_meet() -> None:
    hands = Hands()
    nowhere = hands.job(maps=1, job_constraints="rack = nowhere")
    hands.offer("a", "b")
    assert only(hands, nowhere).words == (
        "none of the 2 agents known meets what it asks: rack = nowhere"
    )
    here = hands.job(maps=1, job_constraints="hostname = a", job_priority="VERY_HIGH")
    hands.offer("a", cpus=0.2)
    hands.offer("b")
    found = reasons(hands, here)
    assert found[Why.CONSTRAINT].words == "b does not meet what it asks: hostname = a"
    assert found[Why.TOO_SMALL].agents == 1


def test_a_role_that_nobody_has_or_another_role() -> None:
    hands = Hands({"mesos.role": "etl,adhoc"})
    job = hands.job(maps=1, job_role="web")
    assert "role web" in only(hands, job).words
    hands.do(ev.KillAsked(job, "me"))
    hands.do(ev.JobAborted(job))
    job = hands.job(maps=1, job_role="etl")
    resources = (scalar("cpus", 4.0), scalar("mem", 8192.0))
    hands.do(ev.OffersReceived((ev.Offer("o", "a", "a", resources, role="adhoc"),)))
    assert reasons(hands, job)[Why.ROLE].words == "a offers to another role than etl"


def test_locality_with_the_seconds_left() -> None:
    hands = Hands()
    job = hands.job(("a",), ("a",), locality_wait_node="3", locality_wait_rack="0")
    hands.offer("a", "b")
    hands.now += 1.2
    hands.offer("b")
    reason = reasons(hands, job)[Why.LOCALITY]
    assert reason.words == "waits for an agent that stores its data (a), at most 1.8 s more"
    assert reason.agents == 1
    assert "locality.wait.node" in reason.help


def test_locality_with_the_chances_left() -> None:
    hands = Hands()
    job = hands.job(("a",), ("a",), locality_wait_node="20 offers", locality_wait_rack="0")
    hands.offer("a", "b")
    hands.offer("b")
    left = hands.core.st.index.entries[job].clock
    words = reasons(hands, job)[Why.LOCALITY].words
    assert words.endswith(f"at most {20 - left.skipped} further chances")
    assert left.skipped


def test_a_job_behind_another() -> None:
    hands = Hands()
    first, second = hands.job(maps=5), hands.job(maps=1)
    hands.offer("a")
    found = reasons(hands, second)
    assert found[Why.TURN].words == f"waits behind {first}"
    assert Why.NEXT not in found


def test_below_the_share() -> None:
    hands = Hands({"scheduler": "fair", "pools": "etl:weight=3;adhoc:weight=1"})
    hands.job(maps=9, job_pool="etl")
    mine = hands.job(maps=9, job_pool="adhoc")
    hands.offer("a", cpus=4.5)
    order = hands.core.st.index.order
    assert isinstance(order, Fair)
    pool = next(p for p in order.pools() if p.name == "adhoc")
    assert pool.used
    reason = reasons(hands, mine)[Why.SHARE]
    assert reason.words.startswith(
        f"pool adhoc uses {describe({'cpus': pool.used})} of the 1.12 due"
    )
    assert "etl has less of its share and goes first" in reason.words


def test_over_the_quota() -> None:
    hands = Hands({"mesos.cpus.max": "1"})
    job = hands.job(maps=2)
    hands.offer("a", "b")
    assert reasons(hands, job)[Why.QUOTA].words == "this JobTracker may hold no more than 1 CPU"


def test_a_resource_of_the_whole_cluster_is_exhausted() -> None:
    hands = Hands({"resources.global": "licenses:1"})
    first = hands.job(maps=1, map_resources_global="licenses:1")
    hands.offer("a")
    second = hands.job(maps=1, map_resources_global="licenses:1", job_priority="VERY_HIGH")
    hands.now += 1
    hands.offer("b")
    reason = reasons(hands, second)[Why.GLOBAL_RESOURCE]
    assert reason.words == f"waits for licenses: 1 of 1 are in use by {first}"
    assert "resources.global" in reason.help


def test_a_job_that_no_agent_could_run_may_fail_at_once() -> None:
    strict: dict[str, Any] = {"job.fail-if-impossible": "true"}
    hands = Hands()
    hands.offer("a", mem=4096)
    patient = hands.job(maps=1, map_memory_mb="8000")
    asked = [
        hands.job(maps=1, map_memory_mb="8000", **strict),
        hands.job(maps=1, reduces=1, reduce_memory_mb="8000", **strict),
    ]
    hands.now += 1
    assert [hands.status(job).state for job in asked] == [JobState.RUNNING] * 2, "no offer yet"
    hands.offer("a", mem=4096)
    hands.do(ev.Tick())
    assert hands.status(patient).state is JobState.RUNNING
    for job, kind in zip(asked, ("map", "reduce"), strict=True):
        error = hands.core.st.jobs[job].ending.error
        assert error is not None
        assert error.kind is ErrorKind.SETTINGS
        assert error.message.startswith("the largest offer seen had ")
        assert kind in error.message


def test_a_job_that_fits_an_agent_full_of_our_slots_is_possible() -> None:
    """After a restart of the JobTracker, the agent offers only what they leave free."""
    hands = JournaledHands()
    own = hands.core.st.settings.tracker["mem"] // 1000
    hands.job(maps=2, map_memory_mb="1500")
    hands.offer("a", cpus=4.1, mem=4000 + own)
    assert len(hands.running) == 2
    hands.beat(hands.tracker_of[next(iter(hands.running))])
    hands.restart()
    strict: dict[str, Any] = {"job.fail-if-impossible": "true"}
    fits = hands.job(maps=1, map_memory_mb="4000", map_cpus="4", **strict)
    large = hands.job(maps=1, map_memory_mb="4001", **strict)
    wide = hands.job(maps=1, map_cpus="4.2", **strict)
    hands.do(ev.Registered("framework"))
    hands.now += 1
    hands.offer("a", cpus=2.2, mem=1000)
    hands.later(1)
    states = [hands.core.st.jobs[job].state for job in (fits, large, wide)]
    assert states == [JobState.RUNNING, JobState.ABORTING, JobState.ABORTING]


@pytest.mark.parametrize("kind", ["map", "reduce"])
def test_an_impossible_job_starts_nothing_before_it_fails(kind: str) -> None:
    """Not even tasks of its other kind. With a ratio of 0, reduces start beside waiting maps."""
    strict: dict[str, Any] = {"job.fail-if-impossible": "true", f"{kind}.memory.mb": "8000"}
    eager = {"job.reduce.slowstart.completedmaps": "0", "map.reduce.ratio": "0"}
    hands = Hands()
    job = hands.job(maps=1, reduces=1, **strict, **eager)
    hands.now += 1
    hands.offer("a", cpus=4, mem=4096)
    assert not hands.running
    assert hands.core.st.jobs[job].state is JobState.ABORTING
    possible = hands.job(maps=1, reduces=1, **strict | {f"{kind}.memory.mb": "1000"}, **eager)
    hands.now += 1
    hands.offer("a", cpus=4, mem=4096)
    assert long(possible, "m0") in hands.running
    assert long(possible, "r0") in hands.running


@pytest.mark.parametrize("news", ["offered", "lost"])
def test_a_restored_job_is_judged_when_the_last_size_is_known(news: str) -> None:
    """The first offers after a restart may come without one of the agents that the journal names.
    The job is judged as soon as its size is known, or it is gone: reduces that would fit do not
    start in between.
    """
    hands = JournaledHands()
    hands.job(maps=2)
    hands.offer("a", "b")
    assert len(hands.running) == 2
    strict: dict[str, Any] = {"job.fail-if-impossible": "true", "map.memory.mb": "80000"}
    eager = {"job.reduce.slowstart.completedmaps": "0", "map.reduce.ratio": "0"}
    job = hands.job(maps=1, reduces=1, **strict, **eager)
    hands.restart()
    hands.do(ev.Registered("framework"))
    hands.offer("a", cpus=0.1, mem=100)
    assert hands.core.st.jobs[job].state is JobState.RUNNING, "b may be large enough"
    if news == "lost":
        hands.do(ev.AgentLost(AgentId("b")))
    else:
        hands.offer("b", cpus=4)
    assert hands.core.st.jobs[job].state is JobState.ABORTING
    assert long(job, "r0") not in hands.running


def test_a_slot_that_a_session_kept_starts_nothing_of_an_impossible_job() -> None:
    """Offers came while the job was planned, so it can be judged before the next ones."""
    strict = {"job_fail-if-impossible": "true", "map_memory_mb": "64000", "map_reduce_ratio": "0"}
    hands = Hands()
    first = hands.job(maps=1, session="s")
    hands.offer("a", cpus=2)
    hands.beat(hands.tracker_of[long(first, "m0")])
    job = hands.core.next_job_id()
    eager = spec(1, job_reduce_slowstart_completedmaps="0", **strict)
    hands.do(ev.JobSubmitted(job, replace(eager, session="s"), "token"))
    hands.now += 0.1
    hands.offer("b")
    hands.end(long(first, "m0"))
    assert hands.core.st.slots.held
    assert not started(hands.do(ev.JobPlanned(job, splits(()))))
    assert hands.core.st.jobs[job].state is JobState.ABORTING


def test_reduces_wait_for_a_resource_of_the_whole_cluster() -> None:
    hands = Hands({"resources.global": "licenses:1"})
    job = hands.job(maps=1, reduces=2, reduce_resources_global="licenses:1")
    hands.offer("a", cpus=8)
    hands.end(long(job, "m0"))
    hands.now += 1
    hands.offer("b")
    assert hands.status(job).reduces.running == 1
    reason = reasons(hands, job)[Why.GLOBAL_RESOURCE]
    assert reason.kind is TaskKind.REDUCE
    assert reason.words == f"waits for licenses: 1 of 1 are in use by {job}"
    assert reason.help == "resources.global, reduce.resources.global"
    running = hands.core.st.jobs[job].running
    hands.end(next(iter(running)))
    hands.offer("b")
    assert hands.status(job).reduces.running == 1, "it is free again"


def test_slow_start_and_the_ratio() -> None:
    hands = Hands()
    job = hands.job(maps=4, reduces=1)
    hands.offer("a", cpus=8)
    hands.end(long(job, "m0"))
    reason = only(hands, job)
    assert reason.why is Why.SLOW_START
    assert reason.words == "reduces start when 4 of the 4 maps are done; 1 are"
    assert "slowstart" in reason.help
    eager = hands.job(
        maps=4, reduces=2, job_reduce_slowstart_completedmaps="0", job_priority="VERY_HIGH"
    )
    hands.offer("b", cpus=1.2)
    assert reasons(hands, eager)[Why.RATIO].words.startswith("while maps wait, 2 maps run for each")


def test_blacklisted_by_the_job_and_by_all() -> None:
    hands = Hands()
    hands.offer(*"abcdef")
    hands.now += 1
    job = hands.job(maps=1, job_maxtaskfailures_per_tracker="1", map_maxattempts="9")
    hands.offer("a")
    hands.now += 1
    hands.fail(long(job, "m0"))
    hands.now += 1
    hands.offer("a")
    reason = reasons(hands, job)[Why.BLACKLISTED]
    assert reason.words == "too many of its attempts failed on a"
    assert reason.agents == 1


def test_failed_here_before() -> None:
    hands = Hands()
    hands.offer("b")
    job = hands.job(maps=1, job_maxtaskfailures_per_tracker="9")
    hands.offer("a")
    hands.now += 1
    hands.fail(long(job, "m0"))
    hands.now += 1
    hands.offer("a")
    reason = reasons(hands, job)[Why.FAILED_HERE]
    assert "failed on a before" in reason.words
    task = hands.core.st.jobs[job].maps.tasks[0].id
    waiting = waiting_of(hands.core.st, hands.core.st.jobs[job], task)
    assert f"{task}: pending" in waiting.facts
    assert "1 attempts failed, on a" in waiting.facts


def test_reduces_are_spread() -> None:
    hands, _ = reducing(1)
    two = hands.job(maps=1, reduces=4, job_priority="VERY_HIGH")
    hands.offer("m", cpus=1)
    hands.end(long(two, "m0"))
    hands.offer("m", cpus=9)
    found = reasons(hands, two)
    assert found[Why.SPREAD].words.startswith("m runs its share of the reduces")


def test_agents_that_get_nothing_now() -> None:
    hands = Hands()
    hands.offer("a", "b", "c")
    hands.now += 1
    job = hands.job(maps=1)
    hands.offer("a", "b", "c", cpus=0.5)
    agents = hands.core.st.cluster.agents
    agents[AgentId("a")].closes = hands.now
    agents[AgentId("b")].avoid_until = hands.now + 60
    found = reasons(hands, job)
    assert found[Why.MAINTENANCE].words == "the maintenance of a is near"
    assert found[Why.AVOIDED].words == "TaskTrackers did not start, or fell silent, on b"


def test_output_that_is_moved() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    hands.offer("a")
    hands.end(long(job, "m0"))
    reason = only(hands, job)
    assert (reason.why, reason.words) == (Why.ENDING, "its output is moved or removed")


def test_a_tasktracker_that_is_silent() -> None:
    hands = Hands({SILENCE: "5"})
    job = hands.job(maps=4)
    hands.offer("a")
    hands.later(8)
    said = {r.words for r in waiting_of(hands.core.st, hands.core.st.jobs[job]).reasons}
    assert "the TaskTracker on a sends no heartbeats" in said
    assert "TaskTrackers not heard for 5 s: a" in said
    assert Why.SILENT in reasons(hands, job)


def test_a_task_that_runs_alone() -> None:
    hands = Hands()
    job = hands.job(maps=4)
    hands.offer("a", cpus=1.2)
    (attempt,) = hands.core.st.jobs[job].running.values()
    attempt.task.silences = TRIAL_SILENCES  # its TaskTrackers fell silent before (test_silence.py)
    hands.core.st.index.trials = True
    hands.now += 1
    hands.offer("a", cpus=4)
    words = reasons(hands, job)[Why.ALONE].words
    assert words == "a task that TaskTrackers fell silent with runs alone on a"


def test_hosts_that_do_not_reach_each_other() -> None:
    hands = Hands()
    hands.offer("m", "a", "b")
    job = hands.job(maps=1, reduces=2)
    hands.offer("m", cpus=1.2)
    hands.end(long(job, "m0"))
    hands.core.st.cluster.reach.failed(HostName("a"), HostName("m"), hands.now)
    hands.offer("a", cpus=4)
    reason = reasons(hands, job)[Why.CUT]
    assert reason.agents == 1
    assert reason.words == "a cannot fetch map output from m"


def test_reduces_that_made_room_for_maps() -> None:
    hands = Hands()
    half = {"job_reduce_slowstart_completedmaps": "0.5"}
    job = hands.job(maps=2, reduces=2, map_cpus="1.5", **half)
    lost, kept = (launches(hands.offer(agent, cpus=1.7))[0] for agent in "ab")
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"))
    hands.beat(kept.tracker_id)
    hands.do(ev.TrackerLost(lost.tracker_id, "a", 9))  # a map and a reduce must run again
    hands.later(9)
    (victim,) = hands.core.st.jobs[job].running_reduces.values()
    assert victim.kill_asked == "makes room for maps that its job waits for"
    reason = reasons(hands, job)[Why.MAPS_FIRST]
    assert reason.words.startswith("reduces wait until a map has started")


def test_each_reason_is_made_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [why.name for why in Why if f"Why.{why.name}" not in text] == []


def test_no_master_goes_before_all_else() -> None:
    hands = Hands()
    job = hands.job(maps=1, map_memory_mb="999999")
    hands.offer("a")
    hands.do(ev.Disconnected())
    assert only(hands, job).why is Why.NO_MASTER


def test_nothing_keeps_it() -> None:
    hands = Hands()
    hands.offer("a")
    first = hands.job(maps=1, job_constraints="hostname = b")
    hands.offer("b")
    assert started(hands.offer("a")) == []
    job = hands.job(maps=1, job_priority="VERY_HIGH")
    assert hands.core.st.jobs[first].running
    hands.core.st.cluster.agents[AgentId("a")].seen = hands.now + 1
    hands.core.st.offers.last = hands.now + 1
    assert reasons(hands, job)[Why.NEXT].words == "the next offer of a starts a map"


def test_a_task_that_does_not_wait_has_no_reasons() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=1)
    hands.offer("a")
    live = hands.core.st.jobs[job]
    running = next(task for task in live.maps.tasks if task.running)
    waiting = waiting_of(hands.core.st, live, running.id)
    assert waiting.reasons == []
    assert "runs on a for 0 s" in waiting.facts[1]
    assert (waiting.waiting, waiting.running) == (2, 1)
    for unknown in ("task_1_1_m_000000", f"{running.id}9", "nonsense"):
        with pytest.raises(KeyError):
            waiting_of(hands.core.st, live, unknown)


# --- The same rules


@pytest.mark.parametrize("seed", range(12))
def test_the_answer_is_that_of_find_task(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random histories: before each choice for an offer, each job is asked what keeps it from the
    agent. findTask then starts only a job that nothing keeps; and if it starts none, each job has a
    reason that findTask's answer confirms.
    """

    def wait_of(entry: JobEntry) -> tuple[int, bool]:
        """By what a choice ends a job's wait for locality: its level, or maps without a home."""
        return entry.clock.level, bool(hands.core.st.index.loose & entry.bit)

    asked = dict.fromkeys((Found, NotYet, Nothing), 0)

    def checked(index: object, agent: Agent, tracker: object, fits: object, role: str) -> Choice:
        st = hands.core.st
        st.index.flush()
        quota = Quota(st) if st.settings.cap else None
        before = {
            (entry.job.id, kind): look(st, entry, kind, agent, quota).why
            for entry in st.index.entries.values()
            for kind in SETS
            if (entry.job.wants_map if kind is TaskKind.MAP else entry.job.wants_reduce)
        }
        waits = {entry.job.id: wait_of(entry) for entry in st.index.entries.values()}
        choice = find_task(index, agent, tracker, fits, role)  # type: ignore[arg-type]
        asked[type(choice)] += 1
        if isinstance(choice, Found):
            why = before.get((choice.job.id, choice.task.kind), Why.NEXT)
            ended_now = waits[choice.job.id] != wait_of(st.index.entries[choice.job.id])
            if not choice.task.running:  # else it is a second attempt
                assert why is Why.NEXT or (why is Why.LOCALITY and ended_now), before
        else:
            assert Why.NEXT not in before.values(), (choice, before)
            if isinstance(choice, NotYet):
                later = (Why.LOCALITY, Why.SPREAD, Why.FAILED_HERE)
                assert any(why in later for why in before.values()), before
        return choice

    monkeypatch.setattr(offers_module, "find_task", checked)
    dice = random.Random(seed)
    conf = {"scheduler": dice.choice(("fifo", "fair"))}
    if dice.random() < 0.3:
        conf["mesos.cpus.max"] = "6"
    hands = Hands(conf)
    agents = "abcdef"
    for _ in range(60):
        hands.now += dice.choice((0.01, 0.2, 1.0, 3.0))
        step = dice.random()
        if step < 0.15 and len(hands.core.st.jobs) < 6:
            hosts = [tuple(dice.sample(agents, 2)) if dice.random() < 0.7 else () for _ in range(4)]
            hands.job(
                *hosts,
                reduces=dice.randrange(3),
                map_cpus=dice.choice(("0.5", "1", "2")),
                reduce_memory_mb=dice.choice(("512", "4096")),
                map_maxattempts="99",
                reduce_maxattempts="99",
                job_maxtaskfailures_per_tracker="2",
                locality_wait_node=dice.choice(("0", "2", "5 offers")),
                job_constraints=dice.choice(("", "", "hostname != a")),
                job_reduce_slowstart_completedmaps=dice.choice(("0", "1")),
            )
        elif step < 0.55:
            some = dice.sample(agents, dice.randrange(1, 4))
            offers = []
            for name in some:
                offer = hands.an_offer(name, dice.choice((0.4, 1.0, 3.0)), dice.choice((600, 9000)))
                offers.append(offer)
            hands.do(ev.OffersReceived(tuple(offers)))
        elif step < 0.9 and hands.running:
            attempt = dice.choice(sorted(hands.running))
            if dice.random() < 0.3:
                hands.fail(attempt)
            else:
                hands.end(attempt)
        else:
            hands.do(ev.Tick())
    assert asked[Found] > 3
    assert asked[NotYet] + asked[Nothing] > 3


def test_what_a_slot_lacks_is_empty_if_it_fits() -> None:
    dice = random.Random(1)
    for _ in range(2000):
        free = {"cpus": dice.randrange(0, 3000, 10), "mem": dice.randrange(0, 3000)}
        beside = {"cpus": 10, "mem": 128} if dice.random() < 0.5 else {}
        fit = Fit(free, beside, dice.choice((0, 10)))
        need = {"cpus": dice.randrange(10, 2000), "mem": dice.randrange(1, 2000)}
        assert fit.fits(need) == (not fit.lacks(need))
