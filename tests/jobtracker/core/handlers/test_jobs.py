from __future__ import annotations

import gc

import pytest
from msgspec.structs import replace

from mrmesos.conf import Conf
from mrmesos.io.shuffle.key_hash import KEY_HASH
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.journal_records import JobRecord, WriteRecords
from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.jobtracker.core.state import queries
from mrmesos.wire.heartbeat import ForgetJob, KillAttempt
from mrmesos.wire.ids import AgentId
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptState, ErrorKind
from tests.jobtracker.harness import Hands, error, launches, long, of, short, spec, splits, started


def test_a_job_from_submit_to_success() -> None:
    hands = Hands()
    job = hands.core.next_job_id()
    (plan,) = of(hands.do(ev.JobSubmitted(job, spec(reduces=1), "secret")), cmd.PlanJob)
    assert (plan.job_id, hands.status(job).state) == (job, JobState.PREP)
    hands.do(ev.JobPlanned(job, splits((), ())))
    assert hands.status(job).state is JobState.RUNNING
    facts = queries.job_facts(hands.core.st, job)
    assert facts is not None
    assert (facts.num_maps, facts.token) == (2, "secret")
    (first, second) = launches(hands.offer("a", "b"))
    hands.end(long(job, "m0"))
    assert started(hands.end(long(job, "m1"))) == ["r0"]
    (commit,) = of(hands.end(long(job, "r0")), cmd.CommitJob)
    assert [short(winner) for winner in commit.winners] == ["r0"]
    assert hands.status(job).state is JobState.COMMITTING
    commands = hands.do(ev.JobCommitted(job))
    assert [ended.job_id for ended in of(commands, cmd.JobEnded)] == [job]
    # No held heartbeat is answered for this. The TaskTrackers hear it with their next answers.
    assert not of(commands, cmd.AnswerHeartbeat)
    for tracker_id in (first.tracker_id, second.tracker_id):
        done = hands.acknowledged[tracker_id]
        assert of(hands.do(ev.AnswerAsked(tracker_id, done)), ForgetJob)
    status = hands.status(job)
    assert status.state is JobState.SUCCEEDED
    assert status.counters["task"] == {"RECORDS": 15}
    assert status.maps.progress == status.reduces.progress == 1.0
    assert queries.job_facts(hands.core.st, job) is None


def test_a_job_keeps_the_hash_of_keys_with_which_it_began() -> None:
    """A client cannot set it. After a restart under another release, workers can tell."""
    core = JobTracker(Conf({}), "s", journal=True)
    job = core.next_job_id()
    told = core.handle(ev.JobSubmitted(job, replace(spec(reduces=1), key_hash=77), "secret"), 1.0)
    records = [each for write in of(told, WriteRecords) for each in write.put]
    facts = queries.job_facts(core.st, job)
    assert facts is not None
    assert facts.spec.key_hash == KEY_HASH
    [kept] = [each for each in records if isinstance(each, JobRecord)]
    earlier = replace(kept, spec=replace(kept.spec, key_hash=KEY_HASH - 1))
    restarted = JobTracker(Conf({}), "t", journal=True)
    restarted.restore([each if each is not kept else earlier for each in records], 2.0, life=1)
    facts = queries.job_facts(restarted.st, job)
    assert facts is not None
    assert facts.spec.key_hash == KEY_HASH - 1


def test_an_ended_job_leaves_its_tasks_to_no_look_for_garbage() -> None:
    hands = Hands()
    job = hands.job(("a",), ("b",), reduces=1)
    hands.offer("a", "b")

    def tasks() -> int:
        notes = hands.core.st.changes
        return sum(
            isinstance(each, TaskInProgress) and each.notes is notes for each in gc.get_objects()
        )

    assert tasks() == 3
    gc.disable()
    try:
        for name in ("m0", "m1", "r0"):
            hands.end(long(job, name))
        (ended,) = of(hands.do(ev.JobCommitted(job)), cmd.JobEnded)
        assert [bool(task.counters) for task in ended.run.tasks()] == [True, True, True]
        del ended
        assert tasks() == 0
    finally:
        gc.enable()


def test_a_map_only_job_commits_its_maps() -> None:
    hands = Hands()
    job = hands.job(maps=2)
    hands.offer("a", cpus=2)
    hands.end(long(job, "m1"))
    (commit,) = of(hands.end(long(job, "m0")), cmd.CommitJob)
    assert [short(winner) for winner in commit.winners] == ["m0", "m1"]


def test_without_input_a_map_only_job_commits_at_once() -> None:
    hands = Hands()
    job = hands.core.next_job_id()
    hands.do(ev.JobSubmitted(job, spec(), "t"))
    (commit,) = of(hands.do(ev.JobPlanned(job, ())), cmd.CommitJob)
    assert commit.winners == ()


def test_without_input_the_reduces_still_write_their_files() -> None:
    hands = Hands()
    hands.job(maps=0, reduces=2)
    assert started(hands.offer("a", cpus=2)) == ["r0", "r1"]


def test_a_plan_that_fails_fails_the_job_and_removes_nothing() -> None:
    hands = Hands()
    job = hands.core.next_job_id()
    hands.do(ev.JobSubmitted(job, spec(), "t"))
    commands = hands.do(ev.JobPlanFailed(job, error("output exists", ErrorKind.OUTPUT)))
    assert of(commands, cmd.AbortJob) == []
    assert len(of(commands, cmd.JobEnded)) == 1
    status = hands.status(job)
    assert status.state is JobState.FAILED
    assert status.error is not None
    assert status.error.message == "output exists"


def test_a_bad_setting_fails_the_job_at_once() -> None:
    hands = Hands()
    job = hands.core.next_job_id()
    commands = hands.do(ev.JobSubmitted(job, spec(map_cpus="many"), "t"))
    assert of(commands, cmd.PlanJob) == []
    status = hands.status(job)
    assert status.state is JobState.FAILED
    assert status.error is not None
    assert "map.cpus" in status.error.message


def test_a_task_that_fails_too_often_fails_the_job_with_its_first_real_error() -> None:
    hands = Hands()
    job = hands.job(maps=2, map_maxattempts="3")
    hands.offer("a", cpus=2)
    hands.fail(long(job, "m0"), error("could not fetch", ErrorKind.FETCH))
    hands.now += 1
    hands.fail(long(job, "m0.1"), error("ValueError: bad record"))
    hands.now += 1
    commands = hands.fail(long(job, "m0.2"), error("worse"))
    assert of(commands, cmd.AbortJob) == [], "the other map may still write"
    assert len(of(commands, KillAttempt)) == 1
    status = hands.status(job)
    assert status.state is JobState.ABORTING
    assert status.error is not None
    assert status.error.message == "ValueError: bad record"
    assert status.error.attempt_id == long(job, "m0.1")
    assert status.error.hostname == "a"
    assert status.error.log
    commands = hands.end(long(job, "m1"), AttemptState.KILLED)
    assert len(of(commands, cmd.AbortJob)) == 1
    hands.do(ev.JobAborted(job))
    assert hands.status(job).state is JobState.FAILED
    assert hands.status(job).maps.failed_attempts == 3


def test_a_kill_ends_what_runs_then_removes_what_was_written() -> None:
    hands = Hands()
    job = hands.job(maps=3)
    launched = launches(hands.offer("a", cpus=3))
    hands.beat(launched[0].tracker_id)
    commands = hands.do(ev.KillAsked(job, "me"))
    assert len(of(commands, KillAttempt)) == 3
    assert of(hands.do(ev.KillAsked(job, "me")), KillAttempt) == [], "once"
    hands.end(long(job, "m0"), AttemptState.KILLED)
    hands.end(long(job, "m1"))  # had just succeeded
    commands = hands.end(long(job, "m2"), AttemptState.KILLED)
    assert len(of(commands, cmd.AbortJob)) == 1
    assert len(of(hands.do(ev.JobAborted(job)), cmd.JobEnded)) == 1
    assert hands.status(job).state is JobState.KILLED


def test_a_slot_that_has_not_come_up_is_killed_through_mesos() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    commands = hands.do(ev.KillAsked(job, "me"))
    assert [kill.slot_id for kill in of(commands, cmd.KillSlot)] == [launch.slot_id]
    commands = hands.update(launch.slot_id, "TASK_KILLED", uuid="u")
    assert len(of(commands, cmd.AbortJob)) == 1
    assert commands[-1] == cmd.Acknowledge(launch.slot_id, AgentId("a"), "u")


def test_an_attempt_in_a_slot_that_came_up_is_killed_by_its_tracker() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.update(launch.slot_id, "TASK_RUNNING")
    commands = hands.do(ev.KillAsked(job, "me"))
    assert [kill.attempt_id for kill in of(commands, KillAttempt)] == [long(job, "m0")]
    assert of(commands, cmd.KillSlot) == []


def test_an_abort_does_not_wait_for_ever() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.beat(launch.tracker_id)
    hands.do(ev.KillAsked(job, "me"))
    assert len(of(hands.later(4), cmd.KillSlot)) == 1
    assert len(of(hands.later(5), cmd.AbortJob)) == 1
    hands.do(ev.JobAborted(job))
    assert hands.status(job).state is JobState.KILLED


def test_a_job_killed_while_it_is_planned_waits_for_the_plan() -> None:
    hands = Hands()
    job = hands.core.next_job_id()
    hands.do(ev.JobSubmitted(job, spec(), "t"))
    assert of(hands.do(ev.KillAsked(job, "me")), cmd.AbortJob) == []
    assert len(of(hands.do(ev.JobPlanned(job, splits(()))), cmd.AbortJob)) == 1


def test_a_job_that_commits_is_past_killing() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    hands.offer("a")
    hands.end(long(job, "m0"))
    hands.do(ev.KillAsked(job, "me"))
    hands.do(ev.JobCommitted(job))
    assert hands.status(job).state is JobState.SUCCEEDED


def test_a_commit_that_fails_fails_the_job() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    hands.offer("a")
    hands.end(long(job, "m0"))
    commands = hands.do(ev.JobCommitFailed(job, error("no space", ErrorKind.OUTPUT)))
    assert len(of(commands, cmd.AbortJob)) == 1
    hands.do(ev.JobAborted(job))
    status = hands.status(job)
    assert status.state is JobState.FAILED
    assert status.error is not None
    assert status.error.message == "no space"


def test_ended_jobs_are_forgotten_in_the_end() -> None:
    hands = Hands({"jobtracker.retired.jobs.max": "3"})
    jobs = []
    for _ in range(5):
        jobs.append(hands.core.next_job_id())
        hands.do(ev.JobSubmitted(jobs[-1], spec(), "t"))
        hands.do(ev.JobPlanned(jobs[-1], ()))
        hands.do(ev.JobCommitted(jobs[-1]))
    assert [status.job_id for status in queries.job_statuses(hands.core.st)] == jobs[2:]
    assert queries.job_status(hands.core.st, jobs[0]) is None
    assert hands.core.idle


@pytest.mark.parametrize("scheduler", ["fifo", "fair"])
def test_a_job_that_is_moved_goes_first_from_then_on(scheduler: str) -> None:
    hands = Hands({"scheduler": scheduler, "pools": "etl:min=9;adhoc:weight=1"})
    first = hands.job(maps=9, job_pool="adhoc")
    second = hands.job(maps=9, job_pool="adhoc", job_priority="LOW")
    assert started(hands.offer("a", cpus=1.1)) == ["m0"]
    hands.do(ev.MoveAsked(second, "VERY_HIGH", "etl"))
    hands.offer("b", cpus=1.1)
    assert (hands.status(first).maps.running, hands.status(second).maps.running) == (1, 1)
    hands.offer("c", cpus=2.2)
    assert hands.status(second).maps.running == 3
    job = hands.core.st.jobs[second]
    assert job.spec.overridden[-2:] == ("job.priority", "job.pool")
    hands.do(ev.MoveAsked(second, "", "adhoc"))
    assert (job.settings.priority, job.settings.pool) == (0, "adhoc")
    hands.do(ev.MoveAsked("job_1_1", "LOW", ""))  # unknown: nothing happens


def test_a_job_keeps_its_place_over_a_restart() -> None:
    core = JobTracker(Conf(), "202611201130", journal=True)
    core.handle(ev.JobSubmitted("job_202611201130_0001", spec(), "token"), 1000.0)
    commands = core.handle(ev.MoveAsked("job_202611201130_0001", "HIGH", "etl"), 1001.0)
    [written] = of(commands, WriteRecords)
    again = JobTracker(Conf(), "202611201130", journal=True)
    again.restore(list(written.put), 1002.0, life=1)
    settings = again.st.jobs["job_202611201130_0001"].settings
    assert (settings.priority, settings.pool) == (1, "etl")


def test_a_job_whose_output_is_being_moved_is_not_aborted_for_its_journal() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    hands.offer("a")
    assert of(hands.end(long(job, "m0")), cmd.CommitJob)
    assert not of(hands.do(ev.JobUnkept(job, "no such letter")), cmd.AbortJob)
    hands.do(ev.JobCommitted(job))
    assert hands.status(job).state is JobState.SUCCEEDED
