"""Jobs that a restarted JobTracker cannot restore from its journal. They fail, and others go on.

Comes in: the readable records of such a job, and the cause in words. Goes out: a job that removes
what it wrote, and then ends as FAILED. `restore` calls this.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from mrmesos.api.formats import TextInput, TextOutput
from mrmesos.jobtracker.core.handlers import jobs
from mrmesos.jobtracker.core.messages.commands import AbortJob
from mrmesos.jobtracker.core.messages.journal_records import (
    AttemptRecord,
    JobRecord,
    SlotRecord,
    TrackerRecord,
)
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.settings import JobSettings
from mrmesos.jobtracker.core.state.reports import DAMAGED, not_restored
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.job import JobSpec, JobState
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind

_UNKNOWN = JobSpec(
    name=DAMAGED,
    user="",
    inputs=(),
    output="",
    input_format=TextInput(),
    output_format=TextOutput(),
    num_reducers=0,
    conf={},
    code="",
)


def fail_job(st: State, job_id: str, record: JobRecord | None, why: str) -> None:
    """Fail the job for `why`. Remove its output, if its record says where that is."""
    words = not_restored("this job", why)
    spec = _UNKNOWN if record is None else record.spec
    job = JobInProgress(
        job_id,
        spec,
        "" if record is None else record.token,
        JobSettings.of(replace(spec, conf={})),
        st.now if record is None else record.submitted,
        st.index,
        notes=st.changes,
        key="" if record is None else record.key,
    )
    job.planning, job.ending.since = False, st.now
    job.started = None if record is None else record.started
    job.ending.error = AttemptError(kind=ErrorKind.LOST, message=words)
    # Any TaskTracker may have run it, or may hold its output. So all are told to forget it.
    job.hosts.trackers.update(st.cluster.trackers)
    st.jobs[job.id] = job
    if record is None or record.spec.queue:  # it has written no files that we know of
        jobs.end(st, job, JobState.FAILED)
        return
    job.transition(JobState.ABORTING)
    job.ending.asked = True
    # With planned=False, an abort removes only what the job's own `_temporary/_job` lists.
    st.emit(AbortJob(job.id, job.spec, planned=False))


def cause(problem: Exception) -> str:
    """Why the restore of a job raised, in one line."""
    text = " ".join(str(problem).split())
    return f"its records contradict each other ({type(problem).__name__}: {text[:500]})"


def missing(
    attempts: Iterable[AttemptRecord], slots: Iterable[str], trackers: Iterable[str]
) -> tuple[list[SlotRecord], list[TrackerRecord]]:
    """Stand-ins for slots and TaskTrackers that running attempts name, but that have no record.

    The slots are marked to end. The caller gives up the TaskTrackers after it restored the jobs.
    """
    known_slots, known_trackers = set(slots), set(trackers)
    ending: list[SlotRecord] = []
    lost: list[TrackerRecord] = []
    for one in attempts:
        if one.state is not AttemptState.RUNNING:
            continue
        if one.tracker_id not in known_trackers:
            known_trackers.add(one.tracker_id)
            lost.append(stand_in(one))
        if one.slot_id not in known_slots:
            known_slots.add(one.slot_id)
            ending.append(
                SlotRecord(
                    id=one.slot_id,
                    agent_id=one.agent_id,
                    tracker_id=one.tracker_id,
                    capacity={},
                    launched=one.start,
                    ending=True,
                )
            )
    return ending, lost


def stand_in(attempt: AttemptRecord) -> TrackerRecord:
    """A TaskTracker's record, made from the record of an attempt on it."""
    return TrackerRecord(
        id=attempt.tracker_id,
        agent_id=attempt.agent_id,
        hostname=attempt.hostname,
        agent_address="",
        rack="",
        resources=(),
        launched=attempt.start,
        url="",
        leaving=True,
    )
