"""Small histories show how the core handles map outputs that reduces cannot fetch."""

from __future__ import annotations

import pytest

from mrmesos.jobtracker.core.handlers.fetch_failures import STANDS_SECONDS
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.state import queries
from mrmesos.wire.heartbeat import KillAttempt
from mrmesos.wire.ids import AgentId
from mrmesos.wire.task import AttemptProgress, AttemptState
from tests.jobtracker.harness import Hands, launches, long, of, reducing, started

LONG = STANDS_SECONDS + 1


def complain(
    hands: Hands, job: str, index: int, *maps: str, answered: bool = False, attempt: str = ""
) -> list[cmd.Command]:
    """A reduce cannot fetch these outputs (`m0` by default). With `answered`, they are damaged."""
    name = long(job, attempt or f"r{index}")
    failed = [long(job, each) for each in maps or ("m0",)]
    progress = AttemptProgress(
        attempt_id=name,
        progress=0.1,
        fetch_failed=failed,
        fetch_answered=failed if answered else [],
    )
    return hands.beat(hands.tracker_of[name], progress=[progress])


def keep_on(hands: Hands, *complaints: tuple[str, str, tuple[str, ...]]) -> list[cmd.Command]:
    """Reduces complain for a long time: (job, attempt, maps)."""
    commands: list[cmd.Command] = []
    for _ in range(int(LONG)):
        for job, attempt, maps in complaints:
            if long(job, attempt) in hands.running:
                commands += complain(hands, job, 0, *maps, attempt=attempt)
        commands += hands.later(1)
    return commands


def killed(commands: list[cmd.Command]) -> list[str]:
    return [kill.attempt_id for kill in of(commands, KillAttempt)]


def on(hands: Hands, job: str, name: str) -> str:
    """The host of an attempt."""
    return hands.agent_of[hands.tracker_of[long(job, name)]]


def fetched(hands: Hands, job: str, attempt: str) -> None:
    name = long(job, attempt)
    told = AttemptProgress(attempt_id=name, progress=0.5, fetched=True)
    hands.beat(hands.tracker_of[name], progress=[told])


# --- Whose fault


def test_one_complaint_of_many_reduces_is_not_enough() -> None:
    hands, job = reducing(5)
    for _ in range(9):
        complain(hands, job, 0)
    complain(hands, job, 1)
    assert hands.status(job).maps.succeeded == 1
    complain(hands, job, 2)
    assert hands.status(job).maps.succeeded == 0
    complain(hands, job, 3)
    hands.offer("x")
    hands.end(long(job, "m0.1"))
    complain(hands, job, 4)
    assert hands.status(job).maps.succeeded == 1, "that was about the old output"


def test_complaints_of_all_that_run_are_enough() -> None:
    hands, job = reducing(2)
    complain(hands, job, 0)
    assert hands.status(job).maps.succeeded == 1
    complain(hands, job, 1)
    assert hands.status(job).maps.succeeded == 0
    assert hands.status(job).maps.failed_attempts == 0


def test_only_those_are_asked_that_may_lack_it() -> None:
    hands, job = reducing(5)
    for name in ("r2", "r3", "r4"):
        fetched(hands, job, name)
    complain(hands, job, 0)
    assert hands.status(job).maps.succeeded == 1
    complain(hands, job, 1)
    assert hands.status(job).maps.succeeded == 0


def test_a_map_runs_again_once_however_many_reduces_complain() -> None:
    hands, job = reducing(8)
    for index in range(8):
        complain(hands, job, index)
    assert hands.status(job).maps.pending == 1
    hands.offer("x")
    hands.end(long(job, "m0.1"))
    for index in range(8):
        name = long(job, f"r{index}")
        old = AttemptProgress(attempt_id=name, progress=0.1, fetch_failed=[long(job, "m0")])
        hands.beat(hands.tracker_of[name], progress=[old])
    assert hands.status(job).maps.succeeded == 1
    assert hands.status(job).counters["job"]["LAUNCHED_MAPS"] == 2


def test_reduces_on_one_host_are_one_voice() -> None:
    hands = Hands()
    job = hands.job(maps=1, reduces=5)
    hands.offer("m")
    hands.end(long(job, "m0"))
    hands.offer("a", cpus=4)
    hands.later(1)
    hands.offer("a", cpus=4)
    assert hands.status(job).reduces.running == 5, "one is where the map ran"
    for name in [name for name, tracker in hands.tracker_of.items() if "_r_" in name]:
        if hands.agent_of[hands.tracker_of[name]] == "a":
            complain(hands, job, int(name.split("_")[4]))
    assert hands.status(job).maps.succeeded == 1


def test_what_a_reduce_on_its_own_host_cannot_fetch_is_at_fault() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=2)
    hands.offer("a", "b")
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"))
    hands.offer("a", "b")
    for left, name in ((1, "r0"), (0, "r1")):
        own = next(m for m in ("m0", "m1") if on(hands, job, m) == on(hands, job, name))
        complain(hands, job, 0, own, attempt=name)
        assert hands.status(job).maps.succeeded == left


def test_damage_that_is_told_is_made_again_at_once() -> None:
    hands, job = reducing(5)
    complain(hands, job, 0, answered=True)
    assert hands.status(job).maps.pending == 1
    hands.offer("x")
    hands.end(long(job, "m0.1"))
    commands = complain(hands, job, 0, "m0.1", answered=True)
    assert killed(commands) == [long(job, "r0")], "the map is not to blame a second time"
    assert hands.status(job).maps.succeeded == 1


def test_a_map_whose_output_is_damaged_waits_for_no_host_with_its_data() -> None:
    hands = Hands()
    job = hands.job(("m",), reduces=1, reduce_memory_mb="4096")
    hands.offer("m", mem=2048)
    hands.end(long(job, "m0"))
    hands.offer("a", "m", mem=6144)
    complain(hands, job, 0, answered=True)
    assert [launch.agent_id for launch in launches(hands.offer("x"))] == ["x"]


def test_a_host_that_finds_damage_everywhere_does_not_condemn_the_others() -> None:
    hands = Hands()
    job = hands.job(maps=8, reduces=1)
    hands.offer(*"abcdefgh")
    for index in range(8):
        hands.end(long(job, f"m{index}"))
    bad = [f"m{index}" for index in range(7)]
    assert killed(complain(hands, job, 0, *bad, answered=True)) == [long(job, "r0")]
    assert hands.status(job).maps.succeeded == 6, "two of three hosts were believed"


# --- Complaints that stand too long


def test_two_damaged_segments_of_two_reduces_end_the_wait() -> None:
    """Each reduce has fetched what the other lacks, and never reports that it has."""
    hands = Hands()
    job = hands.job(maps=6, reduces=2, reduce_memory_mb="4096")
    hands.offer("m", "n", mem=2048)
    for index in range(6):
        hands.end(long(job, f"m{index}"))
    hands.offer("a", "b")
    assert hands.status(job).reduces.running == 2
    keep_on(hands, (job, "r0", ("m0",)), (job, "r1", ("m1",)))
    assert hands.status(job).maps.pending == 2
    assert "r0" not in hands.status(job).waiting


def test_the_job_says_who_cannot_fetch_from_where() -> None:
    hands, job = reducing(2)
    complain(hands, job, 0)
    hands.later(0.5)
    assert hands.status(job).waiting == "reduces on a cannot fetch 1 map output from m"
    name = long(job, "r0")
    hands.beat(hands.tracker_of[name], progress=[AttemptProgress(attempt_id=name, progress=0.3)])
    hands.later(0.5)
    assert hands.status(job).waiting == "", "it was taken back"


def test_the_reason_stays_when_another_attempt_of_the_job_begins() -> None:
    hands = Hands()
    job = hands.job(maps=1, reduces=2, reduce_memory_mb="4096")
    hands.offer("m", mem=2048)
    hands.end(long(job, "m0"))
    hands.offer("a")
    complain(hands, job, 0)
    hands.later(0.5)
    assert started(hands.offer("b")) == ["r1"]
    assert hands.status(job).waiting == "reduces on a cannot fetch 1 map output from m"


def test_it_says_which_hosts_it_avoids_while_none_will_do() -> None:
    hands = Hands()
    job = hands.job(maps=1, reduces=1, reduce_memory_mb="4096")
    hands.offer("m", mem=2048)
    hands.end(long(job, "m0"))
    hands.offer("a")
    hands.offer("b", mem=100)
    agent = hands.core.st.cluster.agents[AgentId("b")]
    agent.size["mem"] = agent.offered_room["mem"] = 8_192_000  # an earlier offer had this much
    keep_on(hands, (job, "r0", ("m0",)))
    hands.end(long(job, "r0"), AttemptState.KILLED)
    assert started(hands.offer("a")) == []
    for _ in range(10):
        hands.later(1)
        hands.offer("a")
    assert hands.status(job).waiting.endswith("; a cannot fetch map output from m")


@pytest.mark.parametrize("fetched", [True, False])
def test_what_is_taken_back_leads_to_nothing(fetched: bool) -> None:
    hands, job = reducing(3)
    name = long(job, "r0")
    for _ in range(8):
        complain(hands, job, 0)
        hands.later(5)
        told = AttemptProgress(attempt_id=name, progress=0.3, fetched=fetched)
        commands = hands.beat(hands.tracker_of[name], progress=[told])
        commands += hands.later(5)
        assert killed(commands) == []
    assert hands.status(job).maps.succeeded == 1


def test_a_reduce_that_only_waits_is_started_where_it_can_fetch() -> None:
    hands, job = reducing(3)
    commands = keep_on(hands, (job, "r0", ("m0",)))
    name = long(job, "r0")
    assert killed(commands) == [name]
    assert hands.status(job).maps.succeeded == 1
    assert started(hands.end(name, AttemptState.KILLED)) == [], "not where it could not fetch"
    assert started(hands.end(long(job, "r1"))) == ["r0.1"]


def test_it_is_the_output_after_all_where_it_cannot_be_fetched_from_there_either() -> None:
    hands, job = reducing(3)
    keep_on(hands, (job, "r0", ("m0",)))
    hands.end(long(job, "r0"), AttemptState.KILLED)
    assert started(hands.offer("x", "y")) == ["r0.1"]
    complain(hands, job, 0, attempt="r0.1")
    assert hands.status(job).maps.pending == 1


def test_where_no_host_can_fetch_all_maps_run_again_where_one_can() -> None:
    hands = Hands()
    job = hands.job(maps=6, reduces=2)
    hands.offer("a", "b")
    for index in range(6):
        hands.end(long(job, f"m{index}"))
    hands.offer("a", "b")
    hands.later(1)
    hands.offer("a", "b")
    where = {h: [f"m{i}" for i in range(6) if on(hands, job, f"m{i}") == h] for h in "ab"}
    reduce_of = {on(hands, job, name): name for name in ("r0", "r1")}
    keep_on(
        hands,
        (job, reduce_of["a"], tuple(where["b"])),
        (job, reduce_of["b"], tuple(where["a"])),
    )
    again = hands.status(job).maps.pending
    assert again == 3, "the outputs of one host alone"
    home = next(host for host in "ab" if hands.core.st.jobs[job].outputs.on_host.keys() == {host})
    other = "ab".replace(home, "")
    assert started(hands.offer(other)) == [], "whose outputs those of the other could not fetch"
    assert len(started(hands.offer(home, cpus=3))) == 3


def test_two_camps_choose_one_host_and_not_each_its_own() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=2)
    hands.offer("a", "b")
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"))
    hands.offer("a", "b")
    foreign = ("m1", "m0") if on(hands, job, "r0") == on(hands, job, "m0") else ("m0", "m1")
    keep_on(hands, (job, "r0", foreign[:1]), (job, "r1", foreign[1:]))
    assert hands.status(job).maps.pending == 1


def test_a_silent_agent_is_nowhere_to_go() -> None:
    hands, job = reducing(2, {"tasktracker.silence.seconds": "10"})
    hands.beat(hands.tracker_of[long(job, "r1")])
    hands.later(60)  # only r0 is still heard
    commands = keep_on(hands, (job, "r0", ("m0",)))
    assert not any("could not fetch" in kill.reason for kill in of(commands, KillAttempt))
    assert hands.status(job).maps.pending == 1, "made again where it can be fetched"
    assert hands.core.st.jobs[job].fetch.moves == {}


def test_a_reduce_is_not_moved_for_ever() -> None:
    hands = Hands()
    job = hands.job(maps=1, reduces=1, reduce_memory_mb="4096")
    hands.offer("m", mem=2048)
    hands.end(long(job, "m0"))
    hands.offer("a")
    output, number = "m0", 0
    for _ in range(60):
        if hands.status(job).state.ended:
            break
        attempt = next((n for n in hands.running if "_r_" in n), None)
        if attempt is not None:
            short_name = f"r0.{attempt.rsplit('_', 1)[1]}".removesuffix(".0")
            for name in killed(keep_on(hands, (job, short_name, (output,)))):
                hands.end(name, AttemptState.KILLED)
        hands.offer(*"abcd")
        hands.offer("m", mem=2048)
        for name in [n for n in hands.running if "_m_" in n]:
            hands.end(name)
            number = int(name.rsplit("_", 1)[1])
            output = f"m0.{number}"
        if queries.job_status(hands.core.st, job) is None or not hands.core.st.jobs:
            break
    assert number > 3, "the map ran again"


# --- Complaints about outputs that do not exist


def test_complaints_about_nothing_change_nothing() -> None:
    hands, job = reducing(1)
    name = long(job, "r0")
    wrong = ["", "attempt_1_0001_m_000000_0", long(job, "m7"), long(job, "r0"), long(job, "m0.9")]
    progress = AttemptProgress(attempt_id=name, progress=0.1, fetch_failed=wrong)
    assert hands.beat(hands.tracker_of[name], progress=[progress]) == []
    hands.later(30)
    assert hands.status(job).maps.succeeded == 1


def test_a_map_that_runs_again_as_the_job_commits_is_ended() -> None:
    hands, job = reducing(1)
    complain(hands, job, 0, answered=True)
    (launch,) = launches(hands.offer("x"))
    hands.beat(launch.tracker_id)
    commands = hands.end(long(job, "r0"))
    assert killed(commands) == [long(job, "m0.1")]
    hands.do(ev.JobCommitted(job))
    assert not hands.core.st.attempts
    hands.end(long(job, "m0.1"), AttemptState.KILLED)
