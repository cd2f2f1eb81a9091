"""The life of TaskTrackers: heartbeats, losses, and agents on which none starts.

Comes in: heartbeats, and Mesos' messages about executors and agents. Goes out: changed TaskTrackers
and slots, lost attempts, and commands to end executors.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.handlers import attempts, fetch_failures, jobs
from mrmesos.jobtracker.core.handlers.tracker_recovery import adopt
from mrmesos.jobtracker.core.messages.commands import (
    KillSlot,
    ReadSandbox,
    ShutdownTracker,
)
from mrmesos.jobtracker.core.model.exit_words import exit_words
from mrmesos.jobtracker.core.model.slot import SlotState
from mrmesos.jobtracker.core.model.tracker import ExecutorEnd, Tracker, TrackerState
from mrmesos.jobtracker.core.policies import host_faults, silence, warm_trackers
from mrmesos.jobtracker.core.policies.dispatch import began, kill_slot
from mrmesos.jobtracker.core.state.mailbox import MAX_ACTIONS
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.heartbeat import Heartbeat, Leave
from mrmesos.wire.ids import AgentId, SlotId, TrackerId
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptError, ErrorKind

STRAY_SECONDS = 10.0
"""A slot that only its TaskTracker knows is killed after this long."""
FAILURES_TO_AVOID = 3
"""After this many TaskTrackers did not start on an agent, we avoid it for AVOID_SECONDS."""
AVOID_SECONDS = 60.0
WORDS_SECONDS = 2.0
"""Mesos describes an executor's end in two messages, which come within milliseconds. If one of them
does not come within this time, we go on without it.
"""
FAILURES_TO_GIVE_UP = 10
"""If this many TaskTrackers in a row never came up and none is alive, the jobs fail."""


def heartbeat(st: State, beat: Heartbeat) -> None:
    """Handle a heartbeat. If its sequence number shows that it is late, only its reports count."""
    tracker = st.cluster.trackers.get(TrackerId(beat.tracker_id))
    if tracker is None or tracker.ended is None:
        silence.spoke(st, AgentId(beat.agent_id) if tracker is None else tracker.agent_id)
    if tracker is None or tracker.ended is not None:
        return
    st.cluster.hear(tracker, st.now)
    if tracker.silent:
        silence.heard(st, tracker)
    if tracker.url != beat.url:
        tracker.url = beat.url
        st.changes.tracker(tracker)
    agent = st.cluster.agents.get(tracker.agent_id)
    if tracker.state is TrackerState.STARTING:
        tracker.transition(TrackerState.LIVE, st.now)
        st.tracker_ends.failed_launches, st.tracker_ends.last_stderr = 0, ""
        if agent is not None:
            host_faults.came_up(st, agent)
    takes_slots = tracker.takes_slots and tracker.state is TrackerState.LIVE
    if agent is not None and takes_slots and (agent.tracker is None or agent.tracker.silent):
        # This one was launched in an earlier life of ours (restore.py). If the agent has a second
        # one that is silent, the agent's work goes to the one that speaks.
        agent.tracker = tracker
    fresh = beat.sequence > tracker.sequence
    if fresh:
        tracker.sequence = beat.sequence
        here = tracker.slots
        for name in beat.slots:
            if (slot := here.get(SlotId(name))) is not None:
                slot.listed, slot.missing_since = True, None
                if slot.state is SlotState.LAUNCHING:
                    began(st, slot)
    for report in beat.reports:
        fetch_failures.reported(st, report, tracker)
        attempts.reported(st, report, tracker)
    if not fresh:
        return
    for progress in beat.progress:
        attempts.progressed(st, progress, tracker)
        fetch_failures.progressed(st, progress, tracker)
    listed = set(map(SlotId, beat.slots))
    as_known = listed == tracker.slots.keys()  # most heartbeats
    for slot in tracker.slots.values() if not as_known else ():
        if slot.listed and slot.id not in listed and slot.missing_since is None:
            slot.missing_since = st.now
    if st.recovery.unheard:
        adopt(st, tracker, beat)
    if tracker.strays or not as_known:
        _end_strays(st, tracker, listed)


def _end_strays(st: State, tracker: Tracker, listed: set[SlotId]) -> None:
    """Kill slots that still run although Mesos said that they ended. They would hold resources."""
    slots = st.cluster.slots  # `listed - slots.keys()` would go through all slots
    strays = [slot_id for slot_id in listed if slot_id not in slots]
    tracker.strays = {slot_id: tracker.strays.get(slot_id, st.now) for slot_id in sorted(strays)}
    for slot_id, since in tracker.strays.items():
        if st.now - since >= STRAY_SECONDS:
            tracker.strays[slot_id] = st.now
            st.emit(KillSlot(slot_id, tracker.agent_id))


def leave(st: State, tracker: Tracker, reason: str) -> None:
    """Tell a TaskTracker to leave. Its agent may get a new one at once."""
    tracker.transition(TrackerState.LEAVING, st.now)
    st.cluster.unsettled[tracker.id] = tracker
    _leave_agent(st, tracker)
    st.post(tracker.id, Leave(reason))


def send_all_away(st: State) -> None:
    """The JobTracker ends, so all TaskTrackers leave. Mesos may end them only much later."""
    st.closing = True
    for tracker in list(st.cluster.trackers.values()):
        if tracker.state is not TrackerState.LEAVING:
            leave(st, tracker, "the JobTracker ends")


def _leave_agent(st: State, tracker: Tracker) -> None:
    agent = st.cluster.agents.get(tracker.agent_id)
    if agent is not None and agent.tracker is tracker:
        agent.tracker = None


def vacated(st: State, tracker: Tracker) -> None:
    """A TaskTracker's last slot ended. If tasks still wait, they wait for other agents. Then the
    TaskTracker leaves at once, because another framework may need its resources. If no task waits,
    it stays warm for a while (deadlines.py).
    """
    if tracker.state is not TrackerState.LIVE or tracker.holds_output:
        return
    if st.has_work() and not st.index.chances.unwanted and warm_trackers.dispensable(st, tracker):
        leave(st, tracker, "its work is elsewhere")


def lost(st: State, tracker_id: TrackerId, status: int | None) -> None:
    """Mesos says that the executor ended (FAILURE). The updates of its slots say why."""
    tracker = st.cluster.trackers.get(tracker_id)
    if tracker is None:
        return
    wanted = _wanted(tracker)
    ended = _begin_end(st, tracker, failed_launch=wanted)
    ended.told, ended.status = True, status
    if ended.words or not wanted:
        _conclude(st, tracker, ended)


def ended_by_update(
    st: State, tracker: Tracker, words: str, *, enough: bool, blameless: bool
) -> None:
    """An update of a slot says that the executor ended. Unless the update says `enough`, wait for
    the FAILURE event, which has the exit status.
    """
    ended = _begin_end(st, tracker, failed_launch=not blameless)
    ended.words = words
    ended.failed_launch &= not blameless
    if ended.told or enough or not _wanted(tracker):
        _conclude(st, tracker, ended)


def _wanted(tracker: Tracker) -> bool:
    return any(slot.state is not SlotState.ENDING for slot in tracker.slots.values())


def _begin_end(st: State, tracker: Tracker, *, failed_launch: bool) -> ExecutorEnd:
    """Give the TaskTracker nothing more. Its agent may get a new one."""
    if tracker.ended is None:
        never_up = tracker.state is TrackerState.STARTING
        tracker.ended = ExecutorEnd(st.now, failed_launch=failed_launch and never_up)
        tracker.takes_slots = False
        _leave_agent(st, tracker)
        st.tracker_ends.unexplained[tracker.id] = tracker
    return tracker.ended


def _conclude(st: State, tracker: Tracker, ended: ExecutorEnd) -> None:
    how = exit_words(ended.status)
    parts = (f"its TaskTracker {how}" if how else "", f"Mesos says {ended.words}")
    words = "; ".join(filter(None, parts)) if ended.words else parts[0]
    gone(
        st,
        tracker,
        words or "its TaskTracker ended",
        by_mesos=True,
        failed_launch=ended.failed_launch,
    )


def tick(st: State) -> None:
    """Stop waiting for further messages of Mesos about the ends of TaskTrackers."""
    for tracker in list(st.tracker_ends.unexplained.values()):
        if tracker.ended is not None and st.now - tracker.ended.since >= WORDS_SECONDS:
            _conclude(st, tracker, tracker.ended)


def agent_lost(st: State, agent_id: AgentId) -> None:
    """An agent is gone, with everything on it."""
    for tracker in st.cluster.trackers_on(agent_id):
        gone(st, tracker, "its agent was lost", by_mesos=True)
    for slot in [s for s in st.cluster.slots.values() if s.agent_id == agent_id]:
        st.cluster.drop_slot(slot)
    st.cluster.forget_agent(agent_id)
    jobs.judge_new(st)


def all_gone(st: State, words: str) -> None:
    """Mesos has ended all our tasks and executors."""
    for tracker in list(st.cluster.trackers.values()):
        gone(st, tracker, words, by_mesos=True)
    for slot in list(st.cluster.slots.values()):
        st.cluster.drop_slot(slot)


def expire(st: State, tracker: Tracker) -> None:
    """A TaskTracker was silent for too long. Give up its attempts and its map outputs, and have
    Mesos end it.
    """
    started = tracker.state is not TrackerState.STARTING
    st.emit(ShutdownTracker(tracker.id, tracker.agent_id))
    words = f"its TaskTracker was not heard of for {silence.expiry(st, tracker):g} s"
    silence.suspect(st, tracker)
    gone(st, tracker, words, by_mesos=False, failed_launch=not started and bool(tracker.slots))
    if tracker.state is not TrackerState.LEAVING:
        silence.parole(st, tracker.agent_id)


def give_up_deaf(st: State) -> None:
    """End the TaskTrackers whose mailboxes are full. They have not listened for long, so nothing
    that they run or hold can be relied on.
    """
    deaf, st.out.deaf = st.out.deaf, {}
    for tracker_id in deaf:
        tracker = st.cluster.trackers.get(tracker_id)
        if tracker is not None and st.mailboxes[tracker_id].full:
            st.emit(ShutdownTracker(tracker.id, tracker.agent_id))
            words = f"its TaskTracker has not acknowledged its last {MAX_ACTIONS:,} actions"
            gone(st, tracker, words, by_mesos=False)


def gone(
    st: State, tracker: Tracker, words: str, *, by_mesos: bool, failed_launch: bool = False
) -> None:
    """Forget a TaskTracker. Its attempts are lost, and so are its map outputs.

    With `by_mesos`, Mesos said that it ended, so its slots have ended too. Otherwise they are
    killed.
    """
    st.cluster.drop_tracker(tracker)
    st.recovery.unheard.pop(tracker.id, None)
    st.tracker_ends.unexplained.pop(tracker.id, None)
    _leave_agent(st, tracker)
    st.forget_mailbox(tracker.id)
    for slot in list(tracker.slots.values()):
        st.slots.held.pop(slot.id, None)
        attempt = slot.attempt
        if by_mesos:
            st.cluster.drop_slot(slot)
            del tracker.slots[slot.id]
        elif slot.kill_sent is None:
            kill_slot(st, slot)
        if attempt is not None and attempt.id in st.attempts:
            attempts.lost(st, attempt, f"lost on {tracker.hostname}: {words}")
    for job_id, indexes in list(tracker.outputs.items()):
        job = st.jobs.get(job_id)
        if job is not None:
            attempts.outputs_lost(st, job, indexes, f"{tracker.hostname}: {words}")
    if failed_launch:
        if tracker.sandbox is not None:
            st.emit(ReadSandbox(tracker.sandbox, tracker.hostname))
        launch_failed(st, tracker.agent_id, words)


def launch_failed(st: State, agent_id: AgentId, words: str) -> None:
    """A TaskTracker never came up. If that happens again on the agent, we avoid it. If it happens
    everywhere and no TaskTracker is alive (the command may be wrong), jobs fail.
    """
    agent = st.cluster.agents.get(agent_id)
    if agent is not None and agent.avoid_until > st.now:
        return  # a failure that came together with this one is counted already
    st.tracker_ends.failed_launches += 1
    if agent is not None:
        agent.launch_failures += 1
        enough = agent.launch_failures >= FAILURES_TO_AVOID
        if enough and st.cluster.has_others({agent.hostname}, st.now):
            agent.launch_failures = 0
            st.cluster.avoid(agent, st.now + AVOID_SECONDS)
        else:
            st.cluster.avoid(agent, st.now + min(2.0, 0.25 * agent.launch_failures))
    states = [tracker.state for tracker in st.cluster.trackers.values()]
    starting = states.count(TrackerState.STARTING)
    if (
        TrackerState.LIVE in states
        or st.tracker_ends.failed_launches < FAILURES_TO_GIVE_UP + starting
    ):
        return
    message = (
        f"no TaskTracker comes up ({st.tracker_ends.failed_launches} failed in a row): {words}"
    )
    where = agent.hostname if agent is not None else ""
    st.tracker_ends.failed_launches = 0
    error = AttemptError(
        kind=ErrorKind.LOST, message=message, hostname=where, detail=st.tracker_ends.last_stderr
    )
    for job in [j for j in st.jobs.values() if j.state is JobState.RUNNING]:
        jobs.fail(st, job, error)
