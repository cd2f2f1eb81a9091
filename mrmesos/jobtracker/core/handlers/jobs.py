"""The life of a job: PREP, RUNNING, COMMITTING or ABORTING, and its end.

Comes in: requests of users, and answers to the commands PlanJob, CommitJob and AbortJob. Goes out:
those commands, kills of attempts, and JobEnded.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from mrmesos.api.split import InputTable, Split
from mrmesos.conf import JOB_POOL, JOB_PRIORITY, ConfError
from mrmesos.io.shuffle.key_hash import KEY_HASH
from mrmesos.jobtracker.core.messages.commands import (
    AbortJob,
    CommitJob,
    JobEnded,
    PlanJob,
)
from mrmesos.jobtracker.core.messages.events import JobSubmitted, MoveAsked
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.settings import JobSettings
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.policies import host_faults
from mrmesos.jobtracker.core.policies.dispatch import kill_attempt, kill_slot
from mrmesos.jobtracker.core.policies.explanation import impossible, sizes_known
from mrmesos.jobtracker.core.scheduling.job_order import rerank
from mrmesos.jobtracker.core.state.reports import report_of, run_of
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.heartbeat import ForgetJob
from mrmesos.wire.job import JobSpec, JobState
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind

KILL_BY_MESOS_SECONDS = 3.0
"""Attempts have this long to end by themselves. After that, we ask Mesos to end their slots."""
GIVE_UP_SECONDS = 8.0
"""A commit or abort waits this long for attempts. After that, it removes their output anyway."""
PLAN_SECONDS = 60.0
"""How long an abort waits for the answer to PlanJob, which may be making directories."""


def submit(st: State, event: JobSubmitted) -> None:
    """Add a new job. A job with a bad setting fails at once. A known job id changes nothing."""
    if event.job_id in st.jobs or event.job_id in st.ended:
        return
    settings, problem = settings_of(event.spec)
    if problem is None and (words := st.index.shared.impossible(settings)):
        problem = AttemptError(kind=ErrorKind.SETTINGS, message=words)
    job = JobInProgress(
        event.job_id,
        replace(event.spec, key_hash=KEY_HASH),
        event.token,
        settings,
        st.now,
        st.index,
        notes=st.changes,
        key=event.key,
    )
    st.jobs[job.id] = job
    st.changes.job(job)
    if problem is not None:
        job.ending.error = problem
        end(st, job, JobState.FAILED)
        return
    st.emit(PlanJob(job.id, job.spec))


def settings_of(spec: JobSpec) -> tuple[JobSettings, AttemptError | None]:
    """A job's settings. If they cannot be used: the default settings, and the error."""
    try:
        return JobSettings.of(spec), None
    except ConfError as bad:
        problem = AttemptError(kind=ErrorKind.SETTINGS, message=str(bad))
        return JobSettings.of(replace(spec, conf={})), problem


def planned(
    st: State, job_id: str, splits: Sequence[Split], tables: tuple[InputTable, ...]
) -> None:
    """The splits and the columns of the inputs are known: the job may run."""
    job = st.jobs.get(job_id)
    if job is None or not job.planning:
        return
    job.planning = False
    if job.state is JobState.ABORTING:
        advance(st, job)
        return
    job.waits.words = ""
    job.plan(splits, tables)
    st.changes.planned(job)
    for task in (*job.maps.tasks, *job.reduces.tasks):
        task.pending_since = st.now
    job.transition(JobState.RUNNING)
    st.offers.new_work = True
    if job.settings.strict:
        st.offers.unjudged.append(job.id)
    st.slots.free += st.slots.held.values()  # before any offer comes
    advance(st, job)


def waits(st: State, job_id: str, words: str) -> None:
    """Show that a store does not answer. Empty `words`: it answers again.

    For a running job, deadlines.py writes the waiting text.
    """
    job = st.jobs.get(job_id)
    if job is not None and job.state is not JobState.RUNNING:
        job.waits.words = words


def plan_failed(st: State, job_id: str, error: AttemptError) -> None:
    """Planning failed. Nothing was written yet, so nothing is removed: the output directory may
    belong to somebody else.
    """
    job = st.jobs.get(job_id)
    if job is None or not job.planning:
        return
    job.planning = False
    if job.state is JobState.ABORTING:
        end(st, job, JobState.KILLED if job.ending.killed_by else JobState.FAILED)
        return
    job.ending.error = error
    end(st, job, JobState.FAILED)


def committed(st: State, job_id: str) -> None:
    """The output is complete."""
    job = st.jobs.get(job_id)
    if job is not None and job.state is JobState.COMMITTING:
        end(st, job, JobState.SUCCEEDED)
        host_faults.succeeded(st, job)


def commit_failed(st: State, job_id: str, error: AttemptError) -> None:
    """The output could not be completed."""
    job = st.jobs.get(job_id)
    if job is not None and job.state is JobState.COMMITTING:
        job.ending.asked = False
        fail(st, job, error)


def aborted(st: State, job_id: str) -> None:
    """The job's output has been removed."""
    job = st.jobs.get(job_id)
    if job is not None and job.state is JobState.ABORTING and job.ending.asked:
        end(st, job, JobState.KILLED if job.ending.killed_by else JobState.FAILED)


def kill(st: State, job_id: str, by: str) -> None:
    """Kill a job for a user. A job that commits already is not killed: it succeeds or fails."""
    job = st.jobs.get(job_id)
    if job is None or job.state not in (JobState.PREP, JobState.RUNNING):
        return
    job.ending.killed_by = by or "a user"
    _abort(st, job, f"the job was killed by {job.ending.killed_by}")


def moved(spec: JobSpec, priority: str, pool: str) -> JobSpec:
    """The specification of a job with another priority or pool. Raises ConfError."""
    given = {JOB_PRIORITY.name: priority, JOB_POOL.name: pool}
    changed = {name: text for name, text in given.items() if text}
    after = replace(
        spec,
        conf={**spec.conf, **changed},
        overridden=tuple(dict.fromkeys((*spec.overridden, *changed))),
    )
    JobSettings.of(after)
    return after


def move(st: State, event: MoveAsked) -> None:
    """Give a job another priority or pool. Its running attempts go on, and count for its new
    pool.
    """
    job = st.jobs.get(event.job_id)
    if job is None or job.state not in (JobState.PREP, JobState.RUNNING):
        return
    job.spec = moved(job.spec, event.priority, event.pool)
    job.settings = JobSettings.of(job.spec)
    if (entry := st.index.entries.get(job.id)) is not None:
        rerank(st.index.order, entry.rank, job.settings.priority, job.settings.pool)
    st.changes.job(job)


def fail(st: State, job: JobInProgress, error: AttemptError | None) -> None:
    """The job cannot succeed. Abort it, and keep the first error."""
    if job.state not in (JobState.RUNNING, JobState.COMMITTING) or _moves_output(job):
        return
    job.ending.error = job.ending.error or error
    _abort(st, job, "the job failed")


def fail_if_impossible(st: State, job: JobInProgress) -> bool:
    """Fail a job that asks for it, if no agent could run a task of it that waits."""
    if not job.settings.strict or not (words := impossible(st, job)):
        return False
    fail(st, job, AttemptError(kind=ErrorKind.SETTINGS, message=words))
    return True


def judge_new(st: State) -> None:
    """The same for all new and restored jobs, before one of their tasks starts.

    A job stays unjudged while the size of an agent is unknown. So this is called before each choice
    of a task, for offers and for slots, and when an agent is lost.
    """
    waiting, st.offers.unjudged = st.offers.unjudged, []
    for job_id in waiting:
        if (job := st.jobs.get(job_id)) is None or job.state is not JobState.RUNNING:
            continue
        if not sizes_known(st, job):
            st.offers.unjudged.append(job_id)
        else:
            fail_if_impossible(st, job)


def _moves_output(job: JobInProgress) -> bool:
    """Whether CommitJob was emitted and is not answered yet. An abort would then remove files while
    the commit moves them.
    """
    return job.state is JobState.COMMITTING and job.ending.asked


def unkept(st: State, job_id: str, problem: str) -> None:
    """A record of the job cannot be written to the journal. Abort the job, because a restarted
    JobTracker could not go on with it. If its output is being moved already, the result of the move
    decides how the job ends.
    """
    job = st.jobs.get(job_id)
    if job is None or job.state is JobState.ABORTING:
        return
    if _moves_output(job):
        return
    message = f"the record of the job cannot be kept in the journal: {problem}"
    job.ending.error = job.ending.error or AttemptError(kind=ErrorKind.INTERNAL, message=message)
    _abort(st, job, "the job failed")


def _abort(st: State, job: JobInProgress, reason: str) -> None:
    job.transition(JobState.ABORTING)
    job.ending.since, job.ending.asked = st.now, False
    _outputs_unneeded(st, job)
    for attempt in list(job.running.values()):
        kill_attempt(st, attempt, reason)
    advance(st, job)


def advance(st: State, job: JobInProgress) -> None:
    """Take the job's next step, commit or abort, unless it still waits for something."""
    if job.state is JobState.RUNNING and job.complete:
        job.transition(JobState.COMMITTING)
        job.started, job.waits.words = job.started or st.now, ""
        job.ending.since = st.now
        _outputs_unneeded(st, job)
        for attempt in list(job.running.values()):
            kill_attempt(st, attempt, "the job no longer needs it")
    if job.ending.asked:
        return
    if job.spec.queue:
        if job.state in (JobState.COMMITTING, JobState.ABORTING) and not job.running:
            aborted = JobState.KILLED if job.ending.killed_by else JobState.FAILED
            end(st, job, JobState.SUCCEEDED if job.state is JobState.COMMITTING else aborted)
    elif job.state is JobState.COMMITTING and not job.writers:
        job.ending.asked = True
        st.emit(CommitJob(job.id, job.spec, job.winners()))
    elif job.state is JobState.ABORTING:
        waited = st.now - job.ending.since
        if (job.planning and waited < PLAN_SECONDS) or job.running:
            return
        job.ending.asked = True
        st.emit(AbortJob(job.id, job.spec, planned=job.planned))


def press(st: State, job: JobInProgress) -> None:
    """End attempts that delay a commit or abort for too long."""
    waited = st.now - job.ending.since
    if waited >= KILL_BY_MESOS_SECONDS and not job.ending.asked:
        for attempt in list(job.running.values()):
            slot = st.cluster.slots[attempt.slot_id]
            if slot.kill_sent is None:
                kill_slot(st, slot)
            if waited >= GIVE_UP_SECONDS:
                _write_off(st, job, attempt, "it did not end in time")
    advance(st, job)


def _write_off(st: State, job: JobInProgress, attempt: TaskAttempt, why: str) -> None:
    """Stop waiting for the end of an attempt. Its slot is being killed, and gets no other
    attempt.
    """
    attempt.transition(AttemptState.KILLED, st.now)
    st.cluster.slots[attempt.slot_id].attempt = None
    job.count(f"KILLED_{attempt.task.kind.plural}")
    job.task_back(attempt, st.now, why)
    job.drop_running(attempt)
    del st.attempts[attempt.id]


def _outputs_unneeded(st: State, job: JobInProgress) -> None:
    for tracker_id in job.hosts.trackers:
        if (tracker := st.cluster.trackers.get(tracker_id)) is not None:
            st.cluster.drop_outputs(tracker, job.id)


def end(st: State, job: JobInProgress, state: JobState) -> None:
    """The job is over. Trackers forget it, and only its report is kept."""
    job.transition(state)
    job.ending.ended, job.waits.words = st.now, ""
    for attempt in list(job.running.values()):
        # Maps can run again while the last reduce wins. They were told to end, and write no output.
        slot = st.cluster.slots[attempt.slot_id]
        _write_off(st, job, attempt, "the job has ended")
        if slot.kill_sent is None:
            kill_slot(st, slot)
    for tracker_id in sorted(job.hosts.trackers):
        if (tracker := st.cluster.trackers.get(tracker_id)) is not None:
            tracker.cursors.pop(job.id, None)
            st.post_unhurried(tracker_id, ForgetJob(job.id))
    del st.jobs[job.id]
    st.changes.news.pop(job.id, None)
    st.totals.add(state.value, job.counters.own)
    report = report_of(job, st.cluster.trackers)
    st.changes.ended(job, st.ended.add(report))
    if job.spec.queue:
        st.queues.ended_jobs.append(job)
    if job.id in st.chains.of_job:
        st.chains.ended_jobs.append(job.id)
    st.emit(JobEnded(job.id, run_of(job, report, st.tails, st.profiles)))
    if not job.spec.queue:  # a queue outlives its jobs, and refers to their tasks
        for task in (*job.maps.tasks, *job.reduces.tasks):
            task.forget()
