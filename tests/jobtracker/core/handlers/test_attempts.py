from __future__ import annotations

import msgspec
import pytest

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.transitions import BadTransition
from mrmesos.wire.heartbeat import MapOutputs
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptProgress, AttemptState
from tests.jobtracker.harness import Hands, launches, long, of, reducing, short, started


def told(commands: list[object]) -> list[list[str]]:
    """The map outputs that some commands announce; `-m1` if map 1's is withdrawn."""
    return [
        [short(o.attempt_id) if o.attempt_id else f"-m{o.map_index}" for o in news.outputs]
        for news in of(commands, MapOutputs)
    ]


def test_reduces_are_told_of_each_map_output_once_and_in_order() -> None:
    hands = Hands()
    job = hands.job(maps=4, reduces=2, job_reduce_slowstart_completedmaps="0.25")
    hands.offer("a", "b", "c")
    commands = hands.end(long(job, "m2"))
    assert started(commands) == ["m3"]
    assert told([*commands]) == [], "no reduce runs yet"
    commands = hands.offer("d", "e")
    assert sorted(started(commands)) == ["r0", "r1"]
    assert told([*commands]) == [["m2"], ["m2"]], "all so far, to each tracker"
    assert told([*hands.end(long(job, "m0"))]) == [["m0"], ["m0"]]
    assert told([*hands.end(long(job, "m1"))]) == [["m1"], ["m1"]]


def test_a_second_reduce_on_a_tracker_is_told_only_what_is_new() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=2)
    hands.offer("a")
    hands.end(long(job, "m0"))
    commands = hands.end(long(job, "m1"))
    assert started(commands) == ["r0"]
    assert told([*commands]) == [["m0", "m1"]]
    commands = hands.end(long(job, "r0"))
    assert started(commands) == ["r1"]
    assert told([*commands]) == [], "the tracker keeps the table until the job ends"


def test_a_lost_output_is_withdrawn_and_replaced() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=1)
    first, _ = launches(hands.offer("a", "b"))
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"))
    assert hands.tracker_of[long(job, "r0")] != first.tracker_id
    commands = hands.do(ev.TrackerLost(first.tracker_id, "a", 9))
    assert told([*commands]) == [["-m0"]]
    hands.offer("c")
    assert told([*hands.end(long(job, "m0.1"))]) == [["m0.1"]]


def on_lost_tracker(fetched: bool) -> tuple[Hands, str]:
    """The tracker of the only map is lost while two reduces run. They had `fetched` it or not."""
    hands, job = reducing(2)
    for name in ("r0", "r1"):
        attempt = long(job, name)
        told = AttemptProgress(attempt_id=attempt, progress=0.5, fetched=fetched or name == "r1")
        hands.beat(hands.tracker_of[attempt], progress=[told])
    hands.do(ev.TrackerLost(hands.tracker_of[long(job, "m0")], "m", 9))
    return hands, job


def test_a_lost_output_that_some_reduce_lacks_is_made_again() -> None:
    hands, job = on_lost_tracker(fetched=False)
    assert hands.status(job).maps.pending == 1


def test_a_lost_output_that_all_reduces_have_is_not_made_again() -> None:
    hands, job = on_lost_tracker(fetched=True)
    assert hands.status(job).maps.succeeded == 1
    hands.end(long(job, "r0"))
    (commit,) = of(hands.end(long(job, "r1")), cmd.CommitJob)
    assert len(commit.winners) == 2
    assert hands.status(job).counters["job"]["LAUNCHED_MAPS"] == 1


def test_it_is_once_a_reduce_has_to_begin_again() -> None:
    hands, job = on_lost_tracker(fetched=True)
    commands = hands.fail(long(job, "r1"))
    assert started(commands) == ["m0.1"]
    assert told([*commands]) == [["-m0"]]
    reduces = hands.status(job).reduces
    assert (reduces.pending, reduces.running) == (1, 1)
    hands.end(long(job, "m0.1"))
    commands = hands.offer("x")
    assert started(commands) == ["r1.1"]
    assert told([*commands]) == [["m0.1"]]


def test_what_comes_late_from_a_lost_tracker_is_ignored() -> None:
    hands = Hands()
    job = hands.job(maps=1, reduces=1)
    (launch,) = launches(hands.offer("a"))
    hands.beat(launch.tracker_id)
    report = hands.report(long(job, "m0"))
    hands.do(ev.TrackerLost(launch.tracker_id, "a", 9))
    assert hands.beat(launch.tracker_id, [report]) == []
    hands.later(2.5)  # for anything more that Mesos might say about its end
    assert hands.status(job).maps.succeeded == 0
    (again,) = launches(hands.offer("a"))
    assert again.tracker_id != launch.tracker_id, "its name is not used again"
    hands.beat(again.tracker_id, [report])
    assert hands.status(job).maps.succeeded == 0, "nor does anybody else speak for it"
    hands.end(long(job, "m0.1"))
    assert hands.status(job).maps.succeeded == 1


def test_killed_attempts_do_not_count_as_failures() -> None:
    hands = Hands()
    job = hands.job(maps=1, map_maxattempts="1")
    hands.offer("a")
    assert started(hands.end(long(job, "m0"), AttemptState.KILLED)) == ["m0.1"]
    assert hands.status(job).maps.killed_attempts == 1


def test_reports_of_unknown_attempts_are_ignored() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    strange = hands.report(long(job, "m0"))
    hands.running[long(job, "m9")] = hands.running[long(job, "m0")]
    assert hands.beat(launch.tracker_id, [hands.report(long(job, "m9"))]) == []
    hands.job(maps=1)
    (other,) = launches(hands.offer("b"))
    hands.beat(other.tracker_id, [strange])
    assert hands.status(job).maps.running == 1, "that is not where it runs"


def test_a_wrong_transition_tells_the_story() -> None:
    task = TaskInProgress("job_1_0001", TaskKind.MAP, 3)
    with pytest.raises(
        BadTransition, match=r"task_1_0001_m_000003 cannot(.|\n)*PENDING -> PENDING"
    ):
        task.withdraw(5.0, "gone")


def test_counters_named_after_data_fail_the_job() -> None:
    hands = Hands()
    job = hands.job(maps=8, reduces=0)
    hands.offer(*"abcdefgh")
    for number in range(5):
        counters = {"mine": {f"{number} {name}": 1 for name in range(1000)}}
        hands.end(long(job, f"m{number}"), counters=counters)
    assert hands.status(job).error is None
    hands.end(long(job, "m5"))
    error = hands.status(job).error
    assert error is not None
    assert error.message.startswith("more than 5,000 different counters")


@pytest.mark.parametrize("amount", [2**63 - 1, -(2**63)])
def test_a_total_over_64_bits_fails_its_job_and_nothing_else(amount: int) -> None:
    hands = Hands()
    job, other = hands.job(maps=3), hands.job(maps=1)
    hands.offer(*"abcd")
    hands.end(long(job, "m0"), counters={"mine": {"sum": amount}})
    assert hands.status(job).error is None
    hands.end(long(job, "m1"), counters={"mine": {"sum": amount}, "job": {"MILLIS_MAPS": amount}})
    status = hands.status(job)
    assert status.error is not None
    assert "the total of the counter 'mine: sum' is over 64 bits" in status.error.message
    assert status.state is JobState.ABORTING
    msgspec.msgpack.encode(status)  # as it will stand in the journal
    hands.end(long(other, "m0"))
    assert hands.status(other).error is None


def test_maps_that_left_out_records_have_files_to_commit() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=1)
    hands.offer("a", "b", "c")
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"), counters={"task": {"SKIPPED_RECORDS": 3}})
    commands = hands.end(long(job, "r0"))
    [commit] = [each for each in commands if isinstance(each, cmd.CommitJob)]
    assert commit.winners == (long(job, "r0"), long(job, "m1"))
