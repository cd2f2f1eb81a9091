"""More memory for a job, after one of its attempts died of too little. Pure.

All attempts of this kind that start later get twice as much: maps are alike, and so are reduces, so
the next one would die too. The job keeps it (`JobSpec.raised`), also through a restart. Slots that
are too small then fit no attempt of the job, and end. dpark does the same for each task.
"""

from __future__ import annotations

from msgspec.structs import replace

from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.settings import JobSettings
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.job import JobState, MemoryRaised, memory_setting


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
    others = [each for each in job.spec.raised if each.setting != setting]
    raised = MemoryRaised(setting, before, mb, attempt.id)
    job.spec = replace(job.spec, conf={**job.spec.conf, setting: str(mb)}, raised=(*others, raised))
    job.settings = JobSettings.of(job.spec)
    st.index.resize(job)
    st.changes.job(job)


def _largest_mb(st: State, job: JobInProgress) -> int:
    """Most memory that an agent has for one attempt of the job, beside its TaskTracker."""
    own = st.settings.tracker["mem"]
    sizes = [agent.size.get("mem", 0) for agent in st.cluster.agents.values() if job.suits(agent)]
    cap = st.settings.cap.get("mem")
    largest = max(sizes, default=0) if cap is None else min(cap, max(sizes, default=0))
    return max(0, largest - own) // 1000
