"""One door: what TaskTrackers say are events, and what they are told are commands."""

from __future__ import annotations

from typing import get_args

import pytest

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.journal_records import WriteRecords
from mrmesos.jobtracker.core.state import mailbox, queries
from mrmesos.wire.heartbeat import Announce, EndSlot, Heartbeat
from mrmesos.wire.ids import AgentId, TrackerId
from mrmesos.wire.job import JobState
from tests.jobtracker.harness import Hands, launches, long, of, started


def beat(hands: Hands, tracker_id: str, acknowledged: int, sequence: int) -> ev.HeartbeatReceived:
    return ev.HeartbeatReceived(
        Heartbeat(
            tracker_id=tracker_id,
            agent_id="a",
            hostname="a",
            url="http://a",
            sequence=sequence,
            acknowledged=acknowledged,
            slots=list(hands.core.st.cluster.slots),
        )
    )


def answers(commands: list[cmd.Command]) -> list[list[int] | None]:
    """The numbers that each answer brings."""
    return [
        None if answer.actions is None else [numbered.number for numbered in answer.actions]
        for answer in of(commands, cmd.AnswerHeartbeat)
    ]


def test_every_heartbeat_has_one_answer_and_a_number_stays_until_it_is_acknowledged() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    tracker = launch.tracker_id
    core = hands.core
    assert answers(core.handle(beat(hands, tracker, 0, 1), hands.now)) == [[]]
    woken = core.handle(ev.KillAsked(job, "me"), hands.now)
    assert of(woken, cmd.WakeTracker) == [cmd.WakeTracker(tracker)]
    assert answers(woken) == []
    asked = ev.AnswerAsked(tracker)
    assert answers(core.handle(asked, hands.now)) == [[1]]
    assert answers(core.handle(asked, hands.now)) == [[1]]  # the first may be lost
    assert answers(core.handle(beat(hands, tracker, 1, 2), hands.now)) == [[]]
    assert answers(core.handle(beat(hands, "tracker_of_another", 1, 2), hands.now)) == [None]
    assert answers(core.handle(ev.AnswerAsked("tracker_of_another"), hands.now)) == [None]


def test_what_follows_from_a_heartbeat_goes_with_its_answer_and_wakes_nobody() -> None:
    hands = Hands()
    job = hands.job(maps=2)
    (launch,) = launches(hands.offer("a"))
    commands = hands.end(long(job, "m0"))
    assert started(commands) == ["m1"]
    assert of(commands, cmd.WakeTracker) == []
    late = hands.beat(launch.tracker_id, [hands.report(long(job, "m1"))], sequence=0)
    assert of(late, EndSlot)
    assert of(late, cmd.WakeTracker), "nobody may read the answer to a late heartbeat"


def killed_with_full_mailbox(monkeypatch: pytest.MonkeyPatch) -> tuple[Hands, str, TrackerId]:
    """A job that was killed. The kill fills the mailbox of its TaskTracker."""
    monkeypatch.setattr(mailbox, "MAX_ACTIONS", 1)
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.beat(launch.tracker_id)
    hands.do(ev.KillAsked(job, "me"))
    return hands, job, launch.tracker_id


def test_a_tracker_that_does_not_listen_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hands, job, tracker_id = killed_with_full_mailbox(monkeypatch)
    assert tracker_id in hands.core.st.cluster.trackers
    commands = hands.do(ev.Tick())
    assert of(commands, cmd.ShutdownTracker) == [cmd.ShutdownTracker(tracker_id, AgentId("a"))]
    assert tracker_id not in hands.core.st.cluster.trackers
    assert hands.core.st.attempts == {}
    asked = hands.core.handle(ev.AnswerAsked(tracker_id), hands.now)
    assert answers(asked) == [None]
    hands.do(ev.JobAborted(job))
    assert hands.status(job).state is JobState.KILLED
    report = queries.job_report(hands.core.st, job)
    assert report is not None
    assert report.attempts[0].state == "KILLED"


def test_a_tracker_that_listens_in_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    hands, _, tracker_id = killed_with_full_mailbox(monkeypatch)
    commands = hands.beat(tracker_id)  # it has carried out the kill
    assert of(commands, cmd.ShutdownTracker) == []
    assert tracker_id in hands.core.st.cluster.trackers


def test_numbers_of_one_life_lie_above_those_of_the_one_before() -> None:
    life = 3
    box = mailbox.Mailboxes(mailbox.first_number(life))
    box.open("t")
    box["t"].put([Announce()])
    [numbered] = box.to_send("t") or []
    assert numbered.number > mailbox.first_number(life - 1) + mailbox.MAX_ACTIONS


def test_only_what_tells_nobody_anything_acts_before_the_journal() -> None:
    at_once = {kind for kind in get_args(cmd.Command) if not kind.after_journal}
    assert at_once == {WriteRecords, cmd.AnswerHeartbeat, cmd.WakeTracker}
