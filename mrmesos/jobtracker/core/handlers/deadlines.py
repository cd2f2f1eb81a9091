"""What a tick does: deadlines, idle trackers, repeated commands, reduces that block their maps.

Comes in: the time. Goes out: kills, shutdowns, reconciliation, and each job's waiting text.
"""

from __future__ import annotations

from collections.abc import Iterable

from mrmesos.jobtracker.core.handlers import (
    attempts,
    fetch_failures,
    jobs,
    maintenance,
    queues,
    slots,
    trackers,
)
from mrmesos.jobtracker.core.messages.commands import KillSlot, Reconcile, ShutdownTracker
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.slot import Slot, SlotState
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.model.tracker import Tracker, TrackerState
from mrmesos.jobtracker.core.policies import (
    host_faults,
    leases,
    more_memory,
    preemption,
    reconciliation,
    silence,
    speculation,
)
from mrmesos.jobtracker.core.policies.agent_reasons import seen_last
from mrmesos.jobtracker.core.policies.dispatch import kill_attempt, kill_slot
from mrmesos.jobtracker.core.policies.explanation import waiting_words
from mrmesos.jobtracker.core.policies.warm_trackers import dispensable
from mrmesos.jobtracker.core.scheduling.eligibility import Fit
from mrmesos.jobtracker.core.scheduling.output_placement import is_barred
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import JobState

STUCK_SECONDS = 5.0
"""How long a job's reduces may hold slots while its maps wait and no map runs."""
WAITING_SECONDS = 5.0
AGENTS_LOOKED_AT = 20
"""Most agents that each tick looks at for the waiting text of a job."""
KILL_AGAIN_SECONDS = 10.0
END_SLOT_SECONDS = 30.0
"""A tracker has this long to end a slot. After that, we ask Mesos to end it."""
MISSING_SECONDS = 10.0
"""How long a slot may be missing from heartbeats before it counts as lost."""
ASK_AGAIN_SECONDS = 30.0
LEAVE_SECONDS = 10.0
"""A tracker has this long to leave. After that, we send it a message to shut down."""
FORGET_SLOT_SECONDS = 600.0
FORGET_AGENT_SECONDS = 3600.0
LOOK_AT_AGENTS_SECONDS = 60.0


def tick(st: State) -> None:
    """Check everything that has a deadline.

    Checks that end attempts come before those that start some. So no attempt begins as the backup
    of one that the same tick ends.
    """
    silence.wake(st)
    queues.tick(st)
    looked_at = _due(st)
    for tracker in looked_at:
        _watch_tracker(st, tracker)
    trackers.tick(st)
    st.index.tick()
    out_of_hearing = _watch_slots(st)
    for tracker in st.cluster.silent.values():
        out_of_hearing += tracker.slots.values()
    silence.review(st, out_of_hearing)
    silence.use_the_last(st)
    reconciliation.tick(st)
    maintenance.tick(st)
    preemption.tick(st)
    if st.now - st.ticks.agents_looked_at >= LOOK_AT_AGENTS_SECONDS:
        st.ticks.agents_looked_at = st.now
        for agent in list(st.cluster.agents.values()):
            if agent.tracker is None and st.now - agent.seen > FORGET_AGENT_SECONDS:
                st.cluster.forget_agent(agent.id)
    waiting: list[JobInProgress] = []
    for job in list(st.jobs.values()):
        if job.state in (JobState.ABORTING, JobState.COMMITTING):
            jobs.press(st, job)
        elif job.state is JobState.RUNNING:
            fetch_failures.tick(st, job)
            _unstick(st, job)
            if job.spec.raised:
                more_memory.fall_back(st, job)
            if jobs.fail_if_impossible(st, job):
                continue
            if _waits_long(st, job):
                waiting.append(job)
            speculation.review(st, job)
    if waiting:
        _say_why(st, waiting)
        _end_second_trackers(st, waiting)
    host_faults.tick(st)
    st.cluster.reach.tick(st.now)
    _send_idle_away(st, looked_at)
    slots.serve_held(st)  # must be the last check, because it starts attempts


def _due(st: State) -> list[Tracker]:
    """The TaskTrackers for which a tick may have to do something, in the order of their launch."""
    due = dict(st.cluster.unsettled)
    heard_since = st.now - st.settings.tracker_silence
    for tracker in st.cluster.by_heard.values():
        if (tracker.heard or 0.0) >= heard_since:
            break
        due[tracker.id] = tracker
    return sorted(due.values(), key=lambda tracker: (len(tracker.id), tracker.id))


def _watch_tracker(st: State, tracker: Tracker) -> None:
    silence.look(st, tracker)
    if st.now - silence.last_sign(st, tracker) > silence.expiry(st, tracker):
        trackers.expire(st, tracker)
    elif tracker.state is TrackerState.LEAVING:
        since = tracker.leaving_since
        if since is not None and st.now - since >= LEAVE_SECONDS:
            tracker.leaving_since = st.now
            st.emit(ShutdownTracker(tracker.id, tracker.agent_id))
    elif tracker.slots or tracker.holds_output:
        tracker.idle_since = None
        if tracker.state is TrackerState.LIVE:
            st.cluster.unsettled.pop(tracker.id, None)
    elif tracker.idle_since is None:
        tracker.idle_since = st.now


def _send_idle_away(st: State, looked_at: Iterable[Tracker]) -> None:
    """Let idle TaskTrackers leave. The checks before this one found out which others are silent,
    gone or avoided. So no healthy TaskTracker leaves in their place.
    """
    for tracker in looked_at:
        since = tracker.idle_since
        if since is None or st.now - since < st.settings.tracker_idle:
            continue
        if tracker.id not in st.cluster.trackers:  # it is gone since
            continue
        if tracker.state is not TrackerState.LEAVING and dispensable(st, tracker):
            trackers.leave(st, tracker, "nothing to do")


def _watch_slots(st: State) -> list[Slot]:
    """Check the slots' deadlines. Return the launched slots that neither Mesos nor their
    TaskTracker has reported for long.
    """
    not_spoken_of: list[Slot] = []
    ask: list[tuple[str, str]] = []
    for slot in list(st.cluster.slots.values()):
        if slot.state is SlotState.RUNNING and slot.missing_since is None:
            continue  # most slots are in this state
        if slot.state is SlotState.ENDING:
            since = st.now if slot.ending_since is None else slot.ending_since
            if st.now - since >= FORGET_SLOT_SECONDS:
                slots.drop(st, slot, "Mesos never said that it ended")
            elif slot.kill_sent is None:
                if st.now - since >= END_SLOT_SECONDS:
                    kill_slot(st, slot)
            elif st.now - slot.kill_sent >= KILL_AGAIN_SECONDS:
                slot.kill_sent = st.now
                st.emit(KillSlot(slot.id, slot.agent_id))
        elif slot.missing_since is not None and st.now - slot.missing_since >= MISSING_SECONDS:
            kill_slot(st, slot)
            if slot.attempt is not None:
                attempts.lost(st, slot.attempt, "its TaskTracker no longer has the slot")
        elif slot.state is SlotState.LAUNCHING:
            if silence.not_spoken_of(st, slot):
                not_spoken_of.append(slot)
            if st.now - slot.asked >= ASK_AGAIN_SECONDS:
                slot.asked = st.now
                ask.append((slot.id, slot.agent_id))
    if ask and st.subscription.connected:
        st.emit(Reconcile(tuple(ask)))
    return not_spoken_of


def _unstick(st: State, job: JobInProgress) -> None:
    """Kill a reduce if the job's reduces hold the resources that its waiting maps need."""
    own = job.blocked in job.settings.reduce_shared and len(job.maps.pending) > 0
    waits = job.running_reduces and (job.wants_map or job.unheard_maps or own)
    if not waits or _runs_maps(st, job):
        job.waits.stuck_since = None
        return
    if job.waits.stuck_since is None:
        job.waits.stuck_since = st.now
    elif st.now - job.waits.stuck_since >= STUCK_SECONDS:
        job.waits.stuck_since = st.now
        alive = [
            reduce
            for reduce in job.running_reduces.values()
            if not reduce.kill_asked and not silence.unheard(st, reduce)
        ]
        if not leases.master_there(st):
            # Nobody can join freed slots into larger ones. The map must fit into the reduce's slot.
            alive = [a for a in alive if _holds_a_map(st, job, a)]
        if alive:
            # A map may need several freed slots. Until it fits, reduces must not take them back.
            job.waits.maps_first = True
            st.index.touch(job)
            victim = max(alive, key=lambda attempt: _may_give_room(st, job, attempt))
            kill_attempt(st, victim, "makes room for maps that its job waits for")


def _may_give_room(st: State, job: JobInProgress, reduce: TaskAttempt) -> tuple[bool, float]:
    """The order of victims: reduces on agents where the maps may run, the youngest first."""
    agent = st.cluster.agents.get(reduce.agent_id)
    usable = agent is not None and not is_barred(st.cluster, job, TaskKind.MAP, agent, st.now)
    return usable, reduce.start


def _runs_maps(st: State, job: JobInProgress) -> bool:
    """Whether a map of the job runs on a TaskTracker that sends heartbeats."""
    if not job.unheard_maps:
        return job.running_maps > 0
    maps = (a for a in job.running.values() if a.task.kind is TaskKind.MAP)
    return any(not silence.unheard(st, attempt) for attempt in maps)


def _holds_a_map(st: State, job: JobInProgress, reduce: TaskAttempt) -> bool:
    """Whether a map can follow a reduce in its slot."""
    slot = st.cluster.slots[reduce.slot_id]
    return slot.state is SlotState.RUNNING and Fit(slot.capacity).fits(job.settings.map_need)


def _waits_long(st: State, job: JobInProgress) -> bool:
    """Note since when a job waits. Returns whether its users must be told why."""
    if job.running or not (job.has_work or job.blocked or job.waits.reduces_blocked):
        words = fetch_failures.words(st, job), silence.words(st, job)
        job.waits.idle_since, job.waits.words = None, "; ".join(filter(None, words))
        return False
    if job.waits.idle_since is None:
        job.waits.idle_since = st.now
    return st.now - job.waits.idle_since >= WAITING_SECONDS


def _say_why(st: State, jobs: Iterable[JobInProgress]) -> None:
    agents = seen_last(st, AGENTS_LOOKED_AT)
    for job in jobs:
        job.waits.words = waiting_words(st, job, agents)


def _end_second_trackers(st: State, waiting: Iterable[JobInProgress]) -> None:
    """Let a TaskTracker leave if another one runs on its agent, and a job needs its room.

    After the death of a JobTracker, an agent may have two. If both hold map outputs, none leaves by
    itself, and a task as large as the agent would wait for ever. The maps of the one that leaves
    run again.
    """
    crowded = st.cluster.crowded
    for tracker in [each for agent_id in crowded for each in st.cluster.trackers_on(agent_id)]:
        agent = st.cluster.agents.get(tracker.agent_id)
        if agent is None or agent.tracker is None or agent.tracker is tracker:
            continue
        if tracker.state is not TrackerState.LIVE or tracker.slots:
            continue
        if any(_would_fit(st, job, agent) for job in waiting if job.suits(agent)):
            trackers.leave(st, tracker, "another TaskTracker runs here, and a task needs the room")


def _would_fit(st: State, job: JobInProgress, agent: Agent) -> bool:
    """Whether a waiting task would fit into the agent's last offers with one TaskTracker less."""
    own, need = st.settings.tracker, job.settings.need
    more = {name: amount + own.get(name, 0) for name, amount in agent.free.items()}
    now, later = Fit(agent.free, left=own["cpus"]), Fit(more, left=own["cpus"])
    wanted = ((TaskKind.MAP, job.wants_map), (TaskKind.REDUCE, job.wants_reduce))
    return any(
        waits and not now.fits(need(kind)) and later.fits(need(kind)) for kind, waits in wanted
    )
