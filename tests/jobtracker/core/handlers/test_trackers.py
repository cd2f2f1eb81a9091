from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mrmesos.jobtracker.core.handlers import deadlines
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.slot import Slot
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.state import queries
from mrmesos.jobtracker.core.state.state import State
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.wire.heartbeat import EndSlot, KillAttempt, Leave
from mrmesos.wire.ids import AgentId, HostName, SlotId
from mrmesos.wire.job import JobState, Sandbox
from mrmesos.wire.task import AttemptState
from tests.jobtracker.harness import Hands, launches, long, of, short, started


def running(hands: Hands, job: str) -> list[str]:
    report = queries.job_report(hands.core.st, job)
    assert report is not None
    return [short(row.id) for row in report.attempts if row.state == "RUNNING"]


def test_a_heartbeat_handled_twice_changes_nothing() -> None:
    hands = Hands()
    job = hands.job(maps=2)
    (launch,) = launches(hands.offer("a"))
    report = hands.report(long(job, "m0"))
    assert started(hands.beat(launch.tracker_id, [report], sequence=1)) == ["m1"]
    assert hands.beat(launch.tracker_id, [report], sequence=1) == []
    assert hands.status(job).maps.succeeded == 1


def test_a_late_heartbeat_is_read_for_its_reports_only() -> None:
    hands = Hands()
    job = hands.job(maps=2)
    launched = launches(hands.offer("a", cpus=2))
    tracker = launched[0].tracker_id
    hands.beat(tracker, sequence=7)
    commands = hands.beat(tracker, [hands.report(long(job, "m0"))], sequence=6, slots=[])
    assert hands.status(job).maps.succeeded == 1
    assert of(hands.later(20), cmd.KillSlot) == [], "its list of slots is out of date"
    assert commands


def test_a_tick_looks_only_at_trackers_that_may_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def noted(_: State, tracker: Tracker) -> None:
        looked_at.append(tracker.hostname)
        watch(hands.core.st, tracker)

    watch = deadlines._watch_tracker
    monkeypatch.setattr(deadlines, "_watch_tracker", noted)
    hands = Hands()
    hands.job(maps=2, reduces=1)
    first, second = [one.tracker_id for one in launches(hands.offer("a", "b"))]
    hands.beat(first)
    hands.later(0.5)
    hands.later(0.5)
    assert looked_at == ["a", "b", "b"], "b has not been heard yet"
    hands.beat(second)
    hands.later(0.5)
    looked_at.clear()
    hands.later(0.5)
    assert looked_at == []
    hands.later(hands.core.st.settings.tracker_silence + 1)
    assert set(looked_at) == {"a", "b"}, "neither was heard for long"


def test_an_idle_tracker_goes_away_and_its_agent_gets_a_new_one() -> None:
    hands = Hands({"tasktracker.idle.seconds": "5"})
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.end(long(job, "m0"))
    hands.update(launch.slot_id, "TASK_FINISHED")
    hands.do(ev.JobCommitted(job))
    assert of(hands.later(4.5), Leave) == []
    assert len(of(hands.later(1.5), Leave)) == 1
    hands.job(maps=1)
    (again,) = launches(hands.offer("a"))
    assert again.tracker_id != launch.tracker_id
    commands = hands.do(ev.TrackerLost(launch.tracker_id, "a", 0))
    assert cmd.WakeTracker(launch.tracker_id) in commands
    [answer] = hands.core.handle(ev.AnswerAsked(launch.tracker_id), hands.now)
    assert answer == cmd.AnswerHeartbeat(launch.tracker_id, None)


def test_a_tracker_stays_while_reduces_may_need_its_map_outputs() -> None:
    hands = Hands({"tasktracker.idle.seconds": "5"})
    job = hands.job(maps=1, reduces=1, reduce_memory_mb="4096")
    (launch,) = launches(hands.offer("a", mem=2048))
    hands.end(long(job, "m0"))
    hands.update(launch.slot_id, "TASK_FINISHED")
    assert of(hands.later(20), Leave) == []
    hands.offer("b")
    hands.end(long(job, "r0"))
    assert launch.tracker_id in [
        c.tracker_id for c in of(hands.later(7), cmd.AnswerHeartbeat) if of([c], Leave)
    ]


def given_back(hands: Hands, *hosts: tuple[str, ...], reduces: int = 0) -> list[cmd.Command]:
    """A job ran its only map on agent `a`, and its slot there has ended."""
    job = hands.job(("a",), *hosts, reduces=reduces, locality_wait_node="60")
    (launch,) = launches(hands.offer("a"))
    hands.offer("b", cpus=0.5)  # a known agent that is too small
    assert len(of(hands.end(long(job, "m0")), EndSlot)) == 1
    return hands.update(launch.slot_id, "TASK_FINISHED")


def test_a_tracker_leaves_at_once_where_work_waits_for_other_agents() -> None:
    hands = Hands()
    assert len(of(given_back(hands, ("b",)), Leave)) == 1
    (again,) = launches(hands.offer("b"))
    assert again.agent_id == "b"


def test_a_tracker_does_not_leave_at_once_with_map_outputs_nor_where_nothing_waits() -> None:
    assert of(given_back(Hands(), ("b",), reduces=1), Leave) == []
    assert of(given_back(Hands()), Leave) == []


def test_a_warm_tracker_does_not_leave_at_once() -> None:
    hands = Hands({"trackers.minimum": "2"})
    assert of(given_back(hands, ("b",)), Leave) == []


def test_map_outputs_are_lost_with_their_tracker_and_made_again() -> None:
    hands = Hands()
    job = hands.job(maps=2, reduces=1)
    first, second = launches(hands.offer("a", "b"))
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"))
    assert running(hands, job) == ["r0"]
    gone = first if hands.tracker_of[long(job, "r0")] == second.tracker_id else second
    hands.do(ev.TrackerLost(gone.tracker_id, gone.agent_id, 9))
    status = hands.status(job)
    assert (status.maps.succeeded, status.maps.pending) == (1, 1)
    assert status.maps.failed_attempts == 0
    assert status.counters["task"]["RECORDS"] == 5, "its counters are taken back"
    assert len(started(hands.offer("c"))) == 1


def test_an_agent_is_lost_with_all_its_slots() -> None:
    hands = Hands()
    job = hands.job(maps=4)
    launched = launches(hands.offer("a", "b", cpus=2))
    hands.do(ev.AgentLost("a"))
    assert sorted(running(hands, job)) == sorted(
        short(one.first.attempt_id) for one in launched if one.agent_id == "b"
    )
    assert {slot.agent_id for slot in hands.core.st.cluster.slots.values()} == {"b"}


def test_a_success_reported_after_the_loss_is_ignored() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    report = hands.report(long(job, "m0"))
    hands.do(ev.TrackerLost(launch.tracker_id, "a", 9))
    hands.beat(launch.tracker_id, [report])
    assert hands.status(job).maps.succeeded == 0


def test_a_tracker_never_heard_of_is_shut_down() -> None:
    hands = Hands({"tasktracker.expiry.seconds": "30"})
    hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    commands = hands.later(29) + hands.later(2)
    assert of(commands, cmd.ShutdownTracker) == [
        cmd.ShutdownTracker(launch.tracker_id, AgentId("a"))
    ]
    assert [kill.slot_id for kill in of(commands, cmd.KillSlot)] == [launch.slot_id]
    assert len(started(hands.offer("b"))) == 1


def test_a_silent_tracker_is_a_hint_until_it_expires() -> None:
    hands = Hands({"tasktracker.expiry.seconds": "30"})
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.later(20)
    hands.beat(launch.tracker_id)
    assert of(hands.later(29), cmd.KillSlot) == []
    assert running(hands, job) == ["m0"]
    assert len(of(hands.later(2), cmd.KillSlot)) == 1
    assert running(hands, job) == []


def fail_launch(hands: Hands, agent: str) -> None:
    (launch,) = launches(hands.offer(agent))
    hands.update(launch.slot_id, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
    hands.do(ev.TrackerLost(launch.tracker_id, agent, 127 << 8))


def why_lost(hands: Hands, job: str) -> str:
    """The error of the job's first attempt. Empty until the attempt is lost."""
    report = queries.job_report(hands.core.st, job)
    assert report is not None
    error = report.attempts[0].error
    return error.message if error is not None else ""


SAYS = "its TaskTracker exited with status 1; Mesos says TASK_FAILED: REASON_EXECUTOR_TERMINATED"


@pytest.mark.parametrize("failure_first", [True, False])
@pytest.mark.parametrize("message", ["Executor terminated", "Abnormal executor termination"])
@pytest.mark.parametrize("up", [True, False])
def test_exit_status_and_words_of_an_executors_end_are_put_together(
    failure_first: bool, message: str, up: bool
) -> None:
    hands = Hands()
    job = hands.job(maps=2)
    one, two = launches(hands.offer("a", cpus=2))
    if up:
        hands.beat(one.tracker_id)
    failure = ev.TrackerLost(one.tracker_id, "a", 256)
    updates = [
        slot_updated(slot.slot_id, "a", "TASK_FAILED", "REASON_EXECUTOR_TERMINATED", message)
        for slot in (one, two)
    ]
    enough = message != "Executor terminated"
    hands.do(failure if failure_first else updates[0])
    assert (why_lost(hands, job) == "") == (failure_first or not enough)
    for event in updates if failure_first else (failure, updates[1]):
        hands.do(event)
    assert not hands.core.st.tracker_ends.unexplained
    assert not hands.core.st.cluster.slots
    if failure_first or not enough:
        assert f"{SAYS}: {message}" in why_lost(hands, job)
    else:
        assert message in why_lost(hands, job)
    assert hands.core.st.tracker_ends.failed_launches == (0 if up else 1), (
        "once, and only if it was not up"
    )
    assert hands.status(job).maps.pending == 2
    assert hands.status(job).maps.killed_attempts == 2


@pytest.mark.parametrize("half", ["failure", "update"])
def test_the_other_half_of_what_mesos_says_is_waited_for_only_so_long(half: str) -> None:
    hands = Hands()
    job = hands.job(maps=2)
    (launch,) = launches(hands.offer("a"))
    hands.beat(launch.tracker_id)
    reason = "REASON_EXECUTOR_TERMINATED"
    update = slot_updated(launch.slot_id, "a", "TASK_FAILED", reason, "Executor terminated")
    hands.do(ev.TrackerLost(launch.tracker_id, "a", 9) if half == "failure" else update)
    (again,) = launches(hands.offer("a"))
    assert again.tracker_id != launch.tracker_id, "the agent may get a new one at once"
    hands.later(1.5)
    assert why_lost(hands, job) == ""
    hands.later(1)
    said = "its TaskTracker killed by SIGKILL" if half == "failure" else "Executor terminated"
    assert said in why_lost(hands, job)
    assert hands.status(job).maps.killed_attempts == 1


def test_no_words_of_ours_show_a_raw_wait_status() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    for status in (256, 32512, -1, None, 9, 0, 2**40):
        (launch,) = launches(hands.offer("a"))
        hands.do(ev.TrackerLost(launch.tracker_id, "a", status))
        hands.later(8)
    report = queries.job_report(hands.core.st, job)
    assert report is not None
    told = [row.error.message for row in report.attempts if row.error is not None]
    assert len(told) == 7
    assert not any("wait status" in words or "256" in words or "-1" in words for words in told)
    assert any("status 127: command not found" in words for words in told)


def test_an_agent_where_trackers_do_not_start_is_avoided() -> None:
    hands = Hands()
    hands.job(maps=2)
    hands.offer("b")
    for _ in range(3):
        fail_launch(hands, "a")
        hands.now += 2
    hands.now += 50
    assert started(hands.offer("a")) == []
    hands.now += 10
    assert len(started(hands.offer("a"))) == 1


def test_where_no_tracker_ever_starts_jobs_fail_with_the_reason() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    for _ in range(10):
        assert hands.status(job).state is JobState.RUNNING
        fail_launch(hands, "a")
        hands.now += 3
    hands.do(ev.JobAborted(job))
    status = hands.status(job)
    assert status.state is JobState.FAILED
    assert status.error is not None
    assert "no TaskTracker comes up" in status.error.message
    assert "REASON_EXECUTOR_TERMINATED: words" in status.error.message
    assert status.error.detail == ""


def test_jobs_that_fail_as_no_tracker_starts_show_what_one_had_to_say() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    for number in range(10):
        (launch,) = launches(hands.offer("a"))
        commands = hands.update(launch.slot_id, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
        (read,) = of(commands, cmd.ReadSandbox)
        framework = hands.core.st.subscription.framework_id
        sandbox = Sandbox("http://a:5051", framework, launch.tracker_id)
        assert read == cmd.ReadSandbox(sandbox, HostName("a"))
        if number < 9:
            hands.do(ev.SandboxRead(launch.tracker_id, "a", f"not found, {number}"))
        hands.now += 3
    hands.do(ev.JobAborted(job))
    error = hands.status(job).error
    assert error is not None
    assert error.detail == "stderr of a TaskTracker on a:\nnot found, 8"


def test_reduces_make_room_for_maps_that_must_run_again() -> None:
    hands = Hands()
    job = hands.job(maps=1, reduces=2)
    (first,) = launches(hands.offer("a"))
    hands.end(long(job, "m0"))
    (second,) = launches(hands.offer("b"))
    hands.beat(second.tracker_id)
    assert set(running(hands, job)) == {"r0", "r1"}
    hands.do(ev.TrackerLost(first.tracker_id, "a", 9))
    assert of(hands.later(4), KillAttempt) == []
    (kill,) = of(hands.later(3), KillAttempt)
    assert kill.attempt_id == long(job, "r1")
    assert started(hands.end(kill.attempt_id, AttemptState.KILLED)) == ["m0.1"]
    assert hands.status(job).reduces.failed_attempts == 0


def test_the_core_is_idle_only_when_all_is_over() -> None:
    hands = Hands()
    seen = [hands.core.idle]
    job = hands.job(maps=1)
    seen.append(hands.core.idle)
    (launch,) = launches(hands.offer("a"))
    hands.end(long(job, "m0"))
    hands.update(launch.slot_id, "TASK_FINISHED")
    hands.do(ev.JobCommitted(job))
    seen.append(hands.core.idle)
    hands.do(ev.TrackerLost(launch.tracker_id, "a", 0))
    seen.append(hands.core.idle)
    assert seen == [True, False, False, True]


class Unread(dict[SlotId, Slot]):
    """All slots, of which nobody may make a list."""

    def __iter__(self) -> Iterator[SlotId]:
        raise AssertionError("the cost of a heartbeat grows with the cluster")

    def keys(self) -> Any:
        return iter(self)


def test_a_heartbeat_does_not_go_through_all_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands()
    hands.job(maps=4)
    hands.offer("a", "b", cpus=2)
    (tracker, *_) = hands.core.trackers
    monkeypatch.setattr(hands.core, "validate", lambda: None)
    hands.core.st.cluster.slots = Unread(hands.core.st.cluster.slots.items())
    hands.beat(tracker)
    with pytest.raises(AssertionError, match="grows"):
        list(hands.core.st.cluster.slots)
