"""Jobs that a start cannot bring back from the journal: they fail, and all others go on.

Comes in: what is left of such a job, and the cause in words. Goes out: a job that cleans up what it
wrote and then ends as FAILED. Pure, like `restore`, which calls this.
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
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.job import JobSpec, JobState
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind

_UNKNOWN = JobSpec(
    name="(its record is damaged)",
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
    """The job fails for `why`. Its output is cleaned up where its record tells where that is."""
    words = f"the JobTracker could not bring this job back from its journal: {why}"
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
    job.planning, job.ending_since = False, st.now
    job.started = None if record is None else record.started
    job.error = AttemptError(kind=ErrorKind.LOST, message=words)
    # Any of them may have run it, or hold its output: all are told to forget it.
    job.trackers.update(st.cluster.trackers)
    st.jobs[job.id] = job
    if record is None:
        jobs.end(st, job, JobState.FAILED)
        return
    job.transition(JobState.ABORTING)
    job.ending_output = True
    # Not `planned`: an abort then removes only what the job's own `_temporary/_job` says is its.
    st.emit(AbortJob(job.id, job.spec, planned=False))


def cause(problem: Exception) -> str:
    """Why a restore raised, in one line."""
    text = " ".join(str(problem).split())
    return f"its records contradict each other ({type(problem).__name__}: {text[:500]})"


def missing(
    attempts: Iterable[AttemptRecord], slots: Iterable[str], trackers: Iterable[str]
) -> tuple[list[SlotRecord], list[TrackerRecord]]:
    """Stand-ins for the slots and TaskTrackers that running attempts name and no record tells of.

    The slots are to end. The caller gives up the TaskTrackers once the jobs are restored.
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
    """A TaskTracker as far as an attempt on it tells."""
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
