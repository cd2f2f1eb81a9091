"""More memory for a job, after one of its attempts died of too little. Pure.

All attempts of this kind that start later get twice as much: maps are alike, and so are reduces, so
the next one would die too. The job keeps it (`JobSpec.raised`), also through a restart. Slots that
are too small then fit no attempt of the job, and end. dpark does the same for each task.

The agents that were large enough may all be lost. The job then gets as much as the largest agent
has, if that is not less than its user has set. If attempts die with that, the job fails as usual.
"""

from __future__ import annotations

from msgspec.structs import replace

from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.settings import JobSettings
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.policies.explanation import sizes_known
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import mebibytes
from mrmesos.wire.ids import SETS, TaskKind
from mrmesos.wire.job import JobState, MemoryRaised, memory_setting
from mrmesos.wire.task import AttemptError, ErrorKind

LOST_SECONDS = 30.0
"""A lost agent may come back for this long. The job waits for it with what was raised."""


def more_mb(had: int, cap: int, largest: int) -> int:
    """Twice as much memory, but at most the cap, and at most what the largest agent has. Returns
    `had` if that is not more.
    """
    return max(had, min(2 * had, cap, largest))


def died_of_memory(st: State, attempt: TaskAttempt) -> None:
    """Give later attempts of the job more memory, unless that was already done after this one
    began.
    """
    kind = attempt.task.kind
    job = st.jobs[attempt.task.job_id]
    if job.spec.queue or job.state is not JobState.RUNNING:
        return
    if attempt.memory_mb != job.spec.raised_mb(kind):
        return
    setting = memory_setting(kind).name
    had = job.settings.need(kind)["mem"] // 1000
    mb = more_mb(had, job.settings.memory_max_mb, _largest_mb(st, job))
    if mb == had:
        return
    before = next((each.before_mb for each in job.spec.raised if each.setting == setting), had)
    _change(st, job, MemoryRaised(setting, before, mb, attempt.id))


def fall_back(st: State, job: JobInProgress) -> None:
    """Take back a part of what was raised, if tasks wait for more memory than any agent has."""
    largest = _largest_mb(st, job)
    lost = [
        each
        for each in job.spec.raised
        if each.before_mb <= largest < each.mb and len(job.of(raised_kind(each)).pending)
    ]
    if not lost or not sizes_known(st, job):
        job.waits.too_large_since = None
        return
    if job.waits.too_large_since is None:
        job.waits.too_large_since = st.now
    if st.now - job.waits.too_large_since < LOST_SECONDS and not job.settings.strict:
        return
    job.waits.too_large_since = None
    for each in lost:
        _change(st, job, replace(each, mb=largest, lost_mb=max(each.mb, each.lost_mb)))
    st.offers.new_work = True


def explained(
    job: JobInProgress, kind: TaskKind, error: AttemptError | None
) -> AttemptError | None:
    """The error of a job that fails. If its attempts had more memory once, the message says so."""
    if error is None or error.kind is not ErrorKind.MEMORY:
        return error
    for each in job.spec.raised:
        if each.lost_mb and each.setting == memory_setting(kind).name:
            lost = f"the agents that had {mebibytes(each.lost_mb)} for an attempt are gone"
            return replace(error, message=f"{error.message}; {lost}")
    return error


def raised_kind(raised: MemoryRaised) -> TaskKind:
    """The kind of the attempts whose memory was raised."""
    return next(kind for kind in SETS if memory_setting(kind).name == raised.setting)


def _change(st: State, job: JobInProgress, raised: MemoryRaised) -> None:
    others = [each for each in job.spec.raised if each.setting != raised.setting]
    conf = {**job.spec.conf, raised.setting: str(raised.mb)}
    job.spec = replace(job.spec, conf=conf, raised=(*others, raised))
    job.settings = JobSettings.of(job.spec)
    st.index.resize(job)
    st.faults.checked = -1  # other hosts suit it now, so it may avoid more than a third of them
    st.changes.job(job)


def _largest_mb(st: State, job: JobInProgress) -> int:
    """Most memory that an agent has for one attempt of the job, beside its TaskTracker.

    If the JobTracker's memory is limited, all TaskTrackers take a part of it. Some stay, because
    they hold the map output that the attempt needs.
    """
    own, cap = st.settings.tracker["mem"], st.settings.cap.get("mem")
    largest = 0
    for agent in st.cluster.agents.values():
        if job.suits(agent):
            here = st.cluster.whole_room(agent).get("mem", 0)
            if cap is not None:
                there = len(st.cluster.trackers) + (agent.tracker is None)
                here = min(here, cap - own * there)
            largest = max(largest, here)
    return largest // 1000
