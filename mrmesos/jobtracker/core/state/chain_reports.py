"""The status of a chain for users: its state, and its steps with the status of their jobs."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from mrmesos.jobtracker.core.model.chain import ChainInProgress, StepInProgress
from mrmesos.jobtracker.core.state import reports
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.chain import ChainState, ChainStatus, StepState, StepStatus, fused_group
from mrmesos.wire.job import JobStatus
from mrmesos.wire.task import AttemptError

_BEGUN = (StepState.RUNNING, StepState.SUCCEEDED, StepState.FAILED, StepState.KILLED)


def status_of(st: State, chain: ChainInProgress) -> ChainStatus:
    """The status of a live chain, or of one that ends now."""
    keeps = chain.state in (ChainState.FAILED, ChainState.KILLED) and chain.keeps_data
    return ChainStatus(
        chain_id=chain.id,
        name=chain.spec.name,
        user=chain.spec.user,
        state=chain.state,
        submitted=chain.submitted,
        ended=st.now if chain.state.ended else None,
        steps=tuple(each for step in chain.steps for each in _with_fused(_step(st, step), step)),
        output=chain.spec.output,
        error=chain.error,
        waiting=chain.waiting,
        kept=chain.spec.data if keeps else "",
        session=chain.spec.steps[0].job.session,
    )


def _step(st: State, step: StepInProgress) -> StepStatus:
    begun = step.state in _BEGUN
    return StepStatus(
        name=step.spec.name,
        state=step.state,
        job_id=step.job_id if begun else "",
        job=_job(st, step.job_id) if begun else None,
        after=step.spec.after,
    )


def _with_fused(status: StepStatus, step: StepInProgress) -> Iterator[StepStatus]:
    """The steps that run in the maps of this one, each with its own counters, then this one."""
    job, fused = status.job, step.spec.fused
    counters = {} if job is None else dict(job.counters)
    for name in fused:
        begins = fused_group(name, "")
        own = {
            group.removeprefix(begins): counters.pop(group)
            for group in list(counters)
            if group.startswith(begins)
        }
        yield StepStatus(
            name=name, state=status.state, after=status.after, into=status.name, counters=own
        )
    if fused and job is not None:
        status = replace(status, job=replace(job, counters=counters))
    yield replace(status, after=(*fused, *status.after)) if fused else status


def _job(st: State, job_id: str) -> JobStatus | None:
    if (job := st.jobs.get(job_id)) is not None:
        return reports.status_of(job)
    ended = st.ended.get(job_id)
    return None if ended is None else ended.status


def lost_status(chain_id: str, now: float, error: AttemptError) -> ChainStatus:
    """The status of a chain whose record is damaged."""
    return ChainStatus(
        chain_id=chain_id,
        name=reports.DAMAGED,
        user="",
        state=ChainState.FAILED,
        submitted=now,
        ended=now,
        steps=(),
        output="",
        error=error,
    )
