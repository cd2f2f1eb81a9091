"""How attempts end, and what follows: winners, retries, failed jobs, lost map outputs.

Comes in: reports of TaskTrackers, and losses that other handlers found. Goes out: changed tasks and
jobs, and kills of attempts that are no longer needed.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from mrmesos.api.context import Counters
from mrmesos.jobtracker.core.handlers import free_tasks, jobs
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.slot import SlotState
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.policies import host_faults, more_memory, silence, speculation
from mrmesos.jobtracker.core.policies.dispatch import began, came_free, kill_attempt
from mrmesos.jobtracker.core.state.reports import log_url
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import JobState
from mrmesos.wire.task import (
    AttemptError,
    AttemptProgress,
    AttemptReport,
    AttemptState,
    ErrorKind,
    FreeResult,
)

LOSSES_MAX = 20
"""The job fails when a task has lost more than this many attempts or outputs."""
STATUS_CHARACTERS = 200
_MILLIS = {kind: f"MILLIS_{kind.plural}" for kind in TaskKind}
COUNTERS_MAX = 5_000
"""The most distinct counters that one job may have, over all its tasks."""


def reported(st: State, report: AttemptReport, tracker: Tracker) -> None:
    """A tracker reports the end of an attempt. A repeated report changes nothing."""
    attempt = st.attempts.get(report.attempt_id)
    if attempt is None or attempt.tracker_id != tracker.id:
        return
    slot = st.cluster.slots[attempt.slot_id]
    if slot.state is SlotState.LAUNCHING:
        began(st, slot)
    st.tails.put(attempt.id, report.log_tail)
    st.profiles.put(attempt.id, report.profile)
    error = report.error
    if report.state is AttemptState.FAILED and error is None:
        error = AttemptError(kind=ErrorKind.INTERNAL, message="failed without saying why")
    if error is not None:
        error = _with_place(error, attempt, tracker)
    _finish_attempt(st, attempt, report.state, error, report.counters, report.result)


def progressed(st: State, progress: AttemptProgress, tracker: Tracker) -> None:
    """A tracker reports the progress of a running attempt."""
    attempt = st.attempts.get(progress.attempt_id)
    if attempt is None or attempt.tracker_id != tracker.id:
        return
    if attempt.told is None or progress.progress > attempt.progress:
        attempt.moved = st.now
    attempt.progress, attempt.told = progress.progress, st.now
    attempt.status = progress.status[:STATUS_CHARACTERS]
    attempt.counters = progress.counters
    attempt.fetched |= progress.fetched
    speculation.told(st.jobs[attempt.task.job_id], attempt)


def lost(st: State, attempt: TaskAttempt, why: str) -> None:
    """The attempt is gone with its slot or TaskTracker. It is KILLED, so no failure is counted."""
    error = AttemptError(
        kind=ErrorKind.LOST, message=why, attempt_id=attempt.id, hostname=attempt.hostname
    )
    _finish_attempt(st, attempt, AttemptState.KILLED, error, attempt.counters)


def _with_place(error: AttemptError, attempt: TaskAttempt, tracker: Tracker) -> AttemptError:
    return replace(
        error,
        attempt_id=error.attempt_id or attempt.id,
        hostname=error.hostname or attempt.hostname,
        log=error.log or log_url(tracker.url, attempt.id),
    )


def _finish_attempt(
    st: State,
    attempt: TaskAttempt,
    state: AttemptState,
    error: AttemptError | None,
    counters: Counters,
    result: FreeResult | None = None,
) -> None:
    """End a running attempt. While a job lives, its attempts end only here."""
    task = attempt.task
    job = st.jobs[task.job_id]
    attempt.transition(state, st.now, error, counters)
    del st.attempts[attempt.id]
    job.drop_running(attempt)
    slot = st.cluster.slots.get(attempt.slot_id)
    if slot is not None and slot.attempt is attempt:
        slot.attempt = None
        if slot.state is SlotState.RUNNING:
            came_free(st, slot)
    job.count(_MILLIS[task.kind], max(0, round((st.now - attempt.start) * 1000)))
    may_win = job.state is JobState.RUNNING and attempt in task.running
    if state is AttemptState.SUCCEEDED and may_win:
        _won(st, job, attempt)
        if job.spec.queue:
            free_tasks.succeeded(st, job, attempt, result or FreeResult())
    else:
        _not_won(st, job, attempt)
        if job.spec.queue:
            free_tasks.not_won(st, job, attempt, result)
    jobs.advance(st, job)


def _won(st: State, job: JobInProgress, attempt: TaskAttempt) -> None:
    task, reduces_waited = attempt.task, job.wants_reduce
    others = [other for other in task.running if other is not attempt]
    speculation.won(st, job, attempt)
    job.task_won(attempt, st.now)
    for other in others:
        kill_attempt(st, other, f"{attempt.id} was first")
    if task.kind is TaskKind.MAP and job.reduces.tasks:
        tracker = st.cluster.trackers[attempt.tracker_id]
        job.outputs.news.append(job.outputs.add(attempt, tracker.url))
        tracker.outputs.setdefault(job.id, set()).add(task.index)
        st.changes.outputs(job)
        if job.wants_reduce and not reduces_waited:
            st.offers.new_work = True
    _fail_with_bad_counters(st, job, attempt)


def _fail_with_bad_counters(st: State, job: JobInProgress, attempt: TaskAttempt) -> None:
    """Fail the job if it has too many counters (Hadoop's LimitExceededException), or if the total
    of one counter does not fit into a message. No other job is affected.
    """
    if job.counters.beyond:
        message = (
            f"the total of the counter {job.counters.beyond!r} is over 64 bits; count less, or "
            "yield the numbers as records and add them up in a reducer"
        )
    elif sum(map(len, job.counters.won.values())) > COUNTERS_MAX:
        message = f"more than {COUNTERS_MAX:,} different counters; yield them as records instead"
    else:
        return
    error = AttemptError(
        kind=ErrorKind.USER_CODE, message=message, attempt_id=attempt.id, hostname=attempt.hostname
    )
    jobs.fail(st, job, error)


def _not_won(st: State, job: JobInProgress, attempt: TaskAttempt) -> None:
    task, error = attempt.task, attempt.error
    why = f"{attempt.state}: {error.message if error is not None else attempt.kill_asked}"
    counts = job.state is JobState.RUNNING and attempt in task.running
    if attempt.state is AttemptState.FAILED and counts:
        task.failures += 1
        task.failed_on.add(attempt.hostname)
        host_faults.failed(st, job, attempt)
        if error is not None and error.kind is ErrorKind.MEMORY:
            more_memory.died_of_memory(st, attempt)
        job.count(f"FAILED_{task.kind.plural}")
    else:
        job.count(f"KILLED_{task.kind.plural}")
        task.losses += not attempt.kill_asked
    job.task_back(attempt, st.now, why)
    if job.outputs.absent and job.fetching:
        outputs_lost(st, job, job.outputs.absent, "a reduce has to fetch it again")
    if task.failures >= job.settings.maxattempts(task.kind) and not job.spec.queue:
        jobs.fail(st, job, more_memory.explained(job, task.kind, task.first_real_error() or error))
    else:
        _give_up_if_lost_too_often(st, job, task)


def _give_up_if_lost_too_often(st: State, job: JobInProgress, task: TaskInProgress) -> None:
    if (blamed := silence.verdict(task)) is not None:
        _give_up(st, job, task, blamed)
        return
    if task.losses <= LOSSES_MAX:
        return
    first = task.first_real_error()
    last = task.attempts[-1]
    message = f"{task.id} was lost {task.losses} times; {first.message if first else ''}".rstrip(
        "; "
    )
    error = AttemptError(
        kind=ErrorKind.LOST, message=message, attempt_id=last.id, hostname=last.hostname
    )
    _give_up(st, job, task, error)


def _give_up(st: State, job: JobInProgress, task: TaskInProgress, error: AttemptError) -> None:
    """A task cannot succeed. So its job fails; a free task fails alone."""
    if job.spec.queue:
        free_tasks.give_up(st, job, task, error)
    else:
        jobs.fail(st, job, error)


# --- Map outputs ---------------------------------------------------------------------------------


def outputs_lost(st: State, job: JobInProgress, indexes: Iterable[int], why: str) -> None:
    """Map outputs are gone with their tracker.

    The maps run again now if a reduce still has to fetch the outputs. Otherwise they run again
    only if a reduce fails and has to fetch the outputs once more.
    """
    if not job.needs_map_outputs:
        return
    if not job.fetching:
        job.outputs.absent.update(indexes)
        return
    for index in sorted(indexes):
        withdraw(st, job, job.maps.tasks[index], why)


def withdraw(
    st: State, job: JobInProgress, task: TaskInProgress, why: str, *, urgent: bool = False
) -> None:
    """A map's output is gone. Tell the reduces, and run the map again.

    Reduces wait for this map. So it must not wait until filters of declined offers are over. If it
    is `urgent`, it does not wait for a host with its data either.
    """
    winner = task.winner
    if winner is None or not job.needs_map_outputs:
        return
    if (tracker := st.cluster.trackers.get(winner.tracker_id)) is not None:
        st.cluster.drop_outputs(tracker, job.id, only=task.index)
    maps_waited = job.wants_map
    job.withdraw_map(task, st.now, why, urgent=urgent)
    if job.wants_map and not maps_waited:
        st.offers.new_work = True
    _give_up_if_lost_too_often(st, job, task)
