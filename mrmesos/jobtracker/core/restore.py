"""Builds a State from the journal's records. It is the inverse of state/journal_changes.py.

Comes in: all records. Goes out: a State, and commands for all steps that must be done again.
TaskTrackers outlive a JobTracker, and their attempts may still run. We ask each TaskTracker what it
runs (Announce). Until it answers, we assume that its attempts run and that its map outputs exist
(handlers/tracker_recovery.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mrmesos.api.context import add_counters
from mrmesos.jobtracker.core import restore_queues
from mrmesos.jobtracker.core.handlers import chains, jobs, queues, trackers
from mrmesos.jobtracker.core.messages.commands import PlanJob
from mrmesos.jobtracker.core.messages.journal_records import (
    AttemptRecord,
    ChainEndedRecord,
    ChainRecord,
    EndedRecord,
    FrameworkRecord,
    FreeTaskRecord,
    JobRecord,
    PlanRecord,
    QueueEndedRecord,
    QueueRecord,
    Record,
    SlotRecord,
    TallyRecord,
    TaskEndRecord,
    TrackerRecord,
)
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.slot import Slot, SlotState
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress, TaskState
from mrmesos.jobtracker.core.model.tracker import Tracker, TrackerState
from mrmesos.jobtracker.core.restore_failures import cause, fail_job, missing, stand_in
from mrmesos.jobtracker.core.scheduling.eligibility import TRIAL_SILENCES
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.heartbeat import Announce, ForgetJob
from mrmesos.wire.ids import (
    AgentId,
    HostName,
    TrackerId,
    is_chain_id,
    is_queue_id,
    parse_attempt,
)
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptState, MapOutput

ATTEMPTS_OF_A_LIFE = 1000
"""Each life numbers a task's attempts from its own multiple of this (as Hadoop's MRAppMaster does).
So no number is used twice, even if a loss of power took the last records.
"""


def _lists() -> defaultdict[str, list[Any]]:
    return defaultdict(list)


def restore(
    st: State,
    records: Iterable[Record],
    *,
    same_command: bool = True,
    damaged: Mapping[str, str] | None = None,
    lost: Collection[str] = (),
) -> dict[str, str]:
    """Fill an empty State, and emit what must be done again. `st.now` and the life are set.

    `same_command` is False if new TaskTrackers start by another command than the known ones. Then
    the known ones keep their attempts and outputs, but get no further slots, because Mesos would
    refuse those.

    Jobs in `damaged` (id: cause) fail. TaskTrackers in `lost` are given up, because their records
    are damaged. Returns further jobs that could not be restored, with the cause. If there are any,
    the State is useless, and the caller must begin again with these jobs in `damaged`.
    """
    damaged = damaged or {}
    jobs: list[JobRecord] = []
    ended: list[EndedRecord] = []
    slots: list[SlotRecord] = []
    plans: dict[str, PlanRecord] = {}
    tallies: dict[str, TallyRecord] = {}
    attempts: defaultdict[str, list[AttemptRecord]] = defaultdict(list)
    known: list[TrackerRecord] = []
    begun: list[ChainRecord] = []
    done_chains: list[ChainEndedRecord] = []
    found = _QueueRecords()
    for record in records:
        match record:
            case AttemptRecord():
                attempts[record.job_id].append(record)
            case TallyRecord():
                tallies[record.job_id] = record
            case PlanRecord():
                plans[record.job_id] = record
            case JobRecord():
                jobs.append(record)
            case EndedRecord():
                ended.append(record)
            case SlotRecord():
                slots.append(record)
            case TrackerRecord():
                known.append(record)
            case ChainRecord():
                begun.append(record)
            case ChainEndedRecord():
                done_chains.append(record)
            case QueueRecord() | FreeTaskRecord() | TaskEndRecord() | QueueEndedRecord():
                found.add(record)
            case FrameworkRecord():
                st.subscription.framework_id = record.framework_id
    of_jobs = [a for job in jobs if job.id not in damaged for a in attempts[job.id]]
    ending, gone = missing(of_jobs, (s.id for s in slots), (t.id for t in known))
    named = {t.id for t in gone}
    for one in of_jobs:  # some won, and their TaskTracker has map output
        if one.tracker_id in lost and one.tracker_id not in named:
            gone.append(stand_in(one))
            named.add(one.tracker_id)
    for tracker in sorted((*known, *gone), key=lambda t: (t.launched, t.id)):
        _tracker(st, tracker, same_command=same_command)
    for slot in (*slots, *ending):
        _slot(st, slot)
    for done in sorted(ended, key=lambda e: (e.report.status.ended or 0.0, e.report.status.job_id)):
        st.ended.add(done.report)
    done_chains.sort(key=lambda e: (e.status.ended or 0.0, e.status.chain_id))
    for over in done_chains:
        st.chains.keep(over.status, st.settings.retired_max)
    for gone_queue in sorted(found.ended, key=lambda e: (e.status.ended or 0.0, e.status.queue_id)):
        st.queues.keep(gone_queue.status, st.settings.retired_max)
    more: dict[str, str] = {}
    for job in sorted(jobs, key=lambda j: (j.submitted, j.id)):
        if job.id in damaged:
            fail_job(st, job.id, job, damaged[job.id])
            continue
        tally = tallies.get(job.id)
        counters = tally.counters if tally is not None else {}
        try:
            free = found.of_job[job.id]
            _job(st, job, plans.get(job.id), attempts[job.id], counters, free)
        except Exception as problem:  # noqa: BLE001 (any error fails only this job)
            more[job.id] = cause(problem)
    for job_id in sorted(damaged.keys() - {job.id for job in jobs}):
        if is_chain_id(job_id):
            chains.lost(st, job_id, damaged[job_id])
        elif is_queue_id(job_id):
            restore_queues.lost(st, job_id, damaged[job_id])
        else:
            fail_job(st, job_id, None, damaged[job_id])
    for chain in begun:
        if chain.id in damaged:
            continue
        try:
            chains.restored(st, chain)
        except Exception as problem:  # noqa: BLE001 (any error fails only this chain)
            more[chain.id] = cause(problem)
    for queue in found.live:
        if queue.id in damaged:
            continue
        try:
            restore_queues.restored(st, queue, found.tasks[queue.id], found.ends[queue.id])
        except Exception as problem:  # noqa: BLE001 (any error fails only this queue)
            more[queue.id] = cause(problem)
    if more:
        return more
    restore_queues.kill_orphans(st)
    chains.follow(st)
    queues.follow(st)
    for tracker in gone:
        words = "its record in the journal is damaged"
        trackers.gone(st, st.cluster.trackers[TrackerId(tracker.id)], words, by_mesos=False)
    _say_what_may_be_missed(st)
    return {}


@dataclass(slots=True)
class _QueueRecords:
    """The records of queues and free tasks."""

    live: list[QueueRecord] = field(default_factory=list)
    ended: list[QueueEndedRecord] = field(default_factory=list)
    of_job: defaultdict[str, list[FreeTaskRecord]] = field(default_factory=_lists)
    tasks: defaultdict[str, list[FreeTaskRecord]] = field(default_factory=_lists)
    ends: defaultdict[str, list[TaskEndRecord]] = field(default_factory=_lists)

    def add(self, record: QueueRecord | FreeTaskRecord | TaskEndRecord | QueueEndedRecord) -> None:
        """Add one."""
        match record:
            case QueueRecord():
                self.live.append(record)
            case QueueEndedRecord():
                self.ended.append(record)
            case TaskEndRecord():
                self.ends[record.queue_id].append(record)
            case FreeTaskRecord():
                self.tasks[record.queue_id].append(record)
                self.of_job[record.job_id].append(record)


def _tracker(st: State, record: TrackerRecord, *, same_command: bool) -> None:
    agent = st.cluster.see_agent(
        AgentId(record.agent_id), HostName(record.hostname), record.agent_address, record.rack
    )
    st.index.see_agent(agent)
    agent.seen = st.now
    agent.has(record.attributes)
    tracker = Tracker.restored(record, st.now, takes_slots=same_command, notes=st.changes)
    if tracker.state is TrackerState.LIVE and tracker.takes_slots:
        agent.tracker = tracker
    # A TaskTracker that was never heard gets no further slots before it is heard. Its launch may
    # not have reached Mesos. A further slot would then start it, with resources not offered for it.
    st.cluster.enter_tracker(tracker)
    st.mailboxes.open(tracker.id)
    st.recovery.unheard[tracker.id] = set()


def _slot(st: State, record: SlotRecord) -> None:
    """Restore a slot. If it was to end, Mesos is told again to end it."""
    slot = Slot.restored(record, st.now, st.changes)
    tracker = st.cluster.trackers.get(slot.tracker_id)
    if tracker is None and not record.ending:
        slot.transition(SlotState.ENDING, st.now)
    if slot.state is SlotState.ENDING:
        slot.kill_sent = float("-inf")
    st.cluster.slots[slot.id] = slot
    if tracker is not None:
        tracker.slots[slot.id] = slot


def _job(
    st: State,
    record: JobRecord,
    plan: PlanRecord | None,
    attempts: list[AttemptRecord],
    counters: dict[str, int],
    free: list[FreeTaskRecord],
) -> None:
    settings, problem = jobs.settings_of(record.spec)
    job = JobInProgress(
        record.id,
        record.spec,
        record.token,
        settings,
        record.submitted,
        st.index,
        notes=st.changes,
        key=record.key,
    )
    starts = [attempt.start for attempt in attempts]
    job.started = min(starts, default=record.started)
    job.ending.error, job.ending.killed_by = record.error, record.killed_by
    job.counters.own, job.ending.since = counters, st.now
    st.jobs[job.id] = job
    if record.spec.queue:
        _free_tasks(st, job, attempts, free)
    elif plan is None and record.state is JobState.PREP:
        st.emit(PlanJob(job.id, job.spec, again=True))
        return
    job.planning = False
    if plan is None and record.state is not JobState.ABORTING and not record.spec.queue:
        raise ValueError(f"it is {record.state}, and there is no record of its splits")
    if plan is not None:
        job.plan(plan.splits, plan.tables)
        for one in sorted(attempts, key=lambda a: parse_attempt(a.id).number):
            _attempt(st, job, one)
        for task in (*job.maps.tasks, *job.reduces.tasks):
            _task(st, job, task)
        job.maps.over = st.now if job.maps.done == len(job.maps.tasks) else None
        job.transition(JobState.RUNNING)
    if record.state is not JobState.RUNNING:
        job.transition(record.state)
    else:
        _outputs(st, job)
        if job.settings.strict:
            st.offers.unjudged.append(job.id)
    if problem is not None and job.state is JobState.RUNNING:  # only this release refuses it
        jobs.fail(st, job, problem)
    jobs.advance(st, job)
    job.validate()


def _free_tasks(
    st: State, job: JobInProgress, attempts: list[AttemptRecord], free: list[FreeTaskRecord]
) -> None:
    restore_queues.add_tasks(job, free, attempts)
    for one in sorted(attempts, key=lambda a: parse_attempt(a.id).number):
        _attempt(st, job, one)
    known = {record.index for record in free}
    for task in job.maps.tasks:
        task.next_number = st.recovery.life * ATTEMPTS_OF_A_LIFE
        restore_queues.settle_task(st, job, task, known=task.index in known)
    job.transition(JobState.RUNNING)


def _attempt(st: State, job: JobInProgress, record: AttemptRecord) -> None:
    name = parse_attempt(record.id)
    task = job.of(name.kind).tasks[name.index]
    attempt = TaskAttempt.restored(record, task)
    if attempt.tracker_id in st.cluster.trackers:
        job.hosts.trackers.add(attempt.tracker_id)
    if record.state is AttemptState.FAILED:
        failures = job.hosts.failures
        failures[attempt.hostname] = failures.get(attempt.hostname, 0) + 1
    st.index.trials |= task.silences >= TRIAL_SILENCES
    if record.state is AttemptState.RUNNING:
        st.attempts[attempt.id] = attempt
        slot = st.cluster.slots[attempt.slot_id]
        if slot.attempt is not None:
            raise ValueError(f"{attempt.id} and {slot.attempt.id} run in one slot, {slot.id}")
        slot.attempt = attempt
        st.recovery.unheard[attempt.tracker_id].add(attempt.id)


def _task(st: State, job: JobInProgress, task: TaskInProgress) -> None:
    """Set the state of a task by its attempts."""
    task.next_number = st.recovery.life * ATTEMPTS_OF_A_LIFE
    task.pending_since = st.now
    pending = job.of(task.kind).pending
    if task.winner is not None or task.running or task.failed_on:
        pending.remove(task)
    for attempt in task.attempts:
        if attempt.state is AttemptState.RUNNING:
            job.add_running(attempt)
    if task.running or task.winner is not None:
        task.transition(TaskState.RUNNING, st.now, "restored from the journal")
    if (winner := task.winner) is not None:
        task.transition(TaskState.SUCCEEDED, st.now, winner.id)
        task.running = ()
        add_counters(job.counters.won, winner.counters)
        job.of(task.kind).pace.add(max(0.001, (winner.end or winner.start) - winner.start))
    elif not task.running and task.failed_on:
        pending.put_back(task)


def _outputs(st: State, job: JobInProgress) -> None:
    """Note where the map outputs are. The news that reduces have had may be out of date."""
    if not job.needs_map_outputs:
        return
    for task in job.maps.tasks:
        if (winner := task.winner) is not None:
            tracker = st.cluster.trackers.get(winner.tracker_id)
            url = "" if tracker is None else tracker.url
            output = job.outputs.add(winner, url)
            if tracker is None:
                job.outputs.absent.add(task.index)
            else:
                tracker.outputs.setdefault(job.id, set()).add(task.index)
                job.outputs.news.append(output)
        elif any(attempt.state is AttemptState.SUCCEEDED for attempt in task.attempts):
            job.outputs.news.append(MapOutput(map_index=task.index, attempt_id="", url=""))
    for attempt in job.running_reduces.values():
        st.cluster.trackers[attempt.tracker_id].cursors[job.id] = 0
        st.changes.outputs(job)


def _say_what_may_be_missed(st: State) -> None:
    """Repeat the last actions of the old JobTracker. TaskTrackers may not have received them."""
    over = tuple(ForgetJob(status.job_id) for status in st.ended.statuses())
    for tracker in st.cluster.trackers.values():
        st.post(tracker.id, Announce(), *over)
