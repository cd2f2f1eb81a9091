"""The life of TaskTrackers: heartbeats, losses, agents that do not let one start."""

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
FAILURES_TO_AVOID = 3
AVOID_SECONDS = 60.0
WORDS_SECONDS = 2.0
"""How long the two halves of what Mesos says of an executor's end wait for each other. They come
within milliseconds; what was lost with the tracker runs again this much later if one is lost.
"""
FAILURES_TO_GIVE_UP = 10
"""TaskTrackers in a row that never came up, with none alive, after which jobs fail."""


def heartbeat(st: State, beat: Heartbeat) -> None:
    """A TaskTracker spoke. A late one (by its sequence) is only read for reports."""
    tracker = st.cluster.trackers.get(TrackerId(beat.tracker_id))
    if tracker is None or tracker.ended is None:
        silence.spoke(st, AgentId(beat.agent_id) if tracker is None else tracker.agent_id)
    if tracker is None or tracker.ended is not None:
        return
    tracker.heard = st.now
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
    if agent is not None and agent.tracker is None and takes_slots:
        agent.tracker = tracker  # launched in an earlier life of ours (restore.py)
    fresh, slots = beat.sequence > tracker.sequence, [SlotId(name) for name in beat.slots]
    if fresh:
        tracker.sequence = beat.sequence
        for slot_id in slots:
            if (slot := tracker.slots.get(slot_id)) is not None:
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
    listed = set(slots)
    for slot in tracker.slots.values():
        if slot.listed and slot.id not in listed and slot.missing_since is None:
            slot.missing_since = st.now
    adopt(st, tracker, beat)
    _end_strays(st, tracker, listed)


def _end_strays(st: State, tracker: Tracker, listed: set[SlotId]) -> None:
    """Slots that Mesos once told us were over, but that live on, would hold resources for ever."""
    strays = {slot_id for slot_id in listed if slot_id not in st.cluster.slots}
    tracker.strays = {slot_id: tracker.strays.get(slot_id, st.now) for slot_id in sorted(strays)}
    for slot_id, since in tracker.strays.items():
        if st.now - since >= STRAY_SECONDS:
            tracker.strays[slot_id] = st.now
            st.emit(KillSlot(slot_id, tracker.agent_id))


def leave(st: State, tracker: Tracker, reason: str) -> None:
    """Send a tracker away; its agent may get a new one at once."""
    tracker.transition(TrackerState.LEAVING, st.now)
    _leave_agent(st, tracker)
    st.post(tracker.id, Leave(reason))


def send_all_away(st: State) -> None:
    """The JobTracker ends. Mesos ends TaskTrackers too, but may not hear of it for a while."""
    st.closing = True
    for tracker in list(st.cluster.trackers.values()):
        if tracker.state is not TrackerState.LEAVING:
            leave(st, tracker, "the JobTracker ends")


def _leave_agent(st: State, tracker: Tracker) -> None:
    agent = st.cluster.agents.get(tracker.agent_id)
    if agent is not None and agent.tracker is tracker:
        agent.tracker = None


def vacated(st: State, tracker: Tracker) -> None:
    """A tracker's last slot ended. It leaves at once where tasks wait, for other agents than this:
    the little that it holds may be what another framework lacks here. With nothing waiting it
    stays warm for a while (deadlines.py).
    """
    if tracker.state is not TrackerState.LIVE or tracker.holds_output:
        return
    if st.hungry() and not st.index.chances.unwanted and warm_trackers.dispensable(st, tracker):
        leave(st, tracker, "its work is elsewhere")


def lost(st: State, tracker_id: TrackerId, status: int | None) -> None:
    """Mesos says that the executor ended (FAILURE); why, the updates of its slots say."""
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
    """An update of one of its slots says that the executor ended. The FAILURE event with its exit
    status is waited for, unless the update says `enough`.
    """
    ended = _begin_end(st, tracker, failed_launch=not blameless)
    ended.words = words
    ended.failed_launch &= not blameless
    if ended.told or enough or not _wanted(tracker):
        _conclude(st, tracker, ended)


def _wanted(tracker: Tracker) -> bool:
    return any(slot.state is not SlotState.ENDING for slot in tracker.slots.values())


def _begin_end(st: State, tracker: Tracker, *, failed_launch: bool) -> ExecutorEnd:
    """The tracker gets nothing more, and its agent may get a new one."""
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
    """Wait no longer for what Mesos may have to say of ends."""
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


def all_gone(st: State, words: str) -> None:
    """Mesos has ended everything that was ours."""
    for tracker in list(st.cluster.trackers.values()):
        gone(st, tracker, words, by_mesos=True)
    for slot in list(st.cluster.slots.values()):
        st.cluster.drop_slot(slot)


def expire(st: State, tracker: Tracker) -> None:
    """Not heard of for too long: everything on it is taken as lost, and Mesos is to end it."""
    started = tracker.state is not TrackerState.STARTING
    st.emit(ShutdownTracker(tracker.id, tracker.agent_id))
    words = f"its TaskTracker was not heard of for {silence.expiry(st, tracker):g} s"
    silence.suspect(st, tracker)
    gone(st, tracker, words, by_mesos=False, failed_launch=not started and bool(tracker.slots))
    if tracker.state is not TrackerState.LEAVING:
        silence.parole(st, tracker.agent_id)


def give_up_deaf(st: State) -> None:
    """Those that let their mailboxes fill have not listened for long. What they were not told is
    lost, so nothing that they run or hold can be relied on: they are to end.
    """
    deaf, st.out.deaf = st.out.deaf, []
    for tracker_id in deaf:
        if (tracker := st.cluster.trackers.get(tracker_id)) is not None:
            st.emit(ShutdownTracker(tracker.id, tracker.agent_id))
            words = f"its TaskTracker has not acknowledged its last {MAX_ACTIONS:,} actions"
            gone(st, tracker, words, by_mesos=False)


def gone(
    st: State, tracker: Tracker, words: str, *, by_mesos: bool, failed_launch: bool = False
) -> None:
    """Forget a tracker: what it ran is lost, and the map outputs that only it had.

    `by_mesos`: Mesos said that it ended, so its slots have too; else they are to be killed.
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
        st.emit(ReadSandbox(tracker.id, tracker.agent_id, tracker.hostname))
        launch_failed(st, tracker.agent_id, words)


def launch_failed(st: State, agent_id: AgentId, words: str) -> None:
    """A TaskTracker never came up. Where that goes on the agent is avoided; where it happens
    everywhere and nothing runs (no such command, say) jobs fail instead of trying for ever.
    """
    agent = st.cluster.agents.get(agent_id)
    if agent is not None and agent.avoid_until > st.now:
        return  # of the same batch as a failure just counted
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
    hoped_for = states.count(TrackerState.STARTING)
    if (
        TrackerState.LIVE in states
        or st.tracker_ends.failed_launches < FAILURES_TO_GIVE_UP + hoped_for
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
