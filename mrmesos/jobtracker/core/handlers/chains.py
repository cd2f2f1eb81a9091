"""The life of a chain: when the job of a step begins, and how the chain ends.

Comes in: requests of users, answers to PrepareChain and CleanChain, and the ends of jobs, which
handlers/jobs.py notes. Goes out: those commands, new jobs and kills of jobs, and ChainEnded. The
jobs of steps are ordinary jobs: nothing else in the core knows that they belong to a chain.
"""

from __future__ import annotations

from collections.abc import Collection

from mrmesos.jobtracker.core.handlers import jobs
from mrmesos.jobtracker.core.messages.commands import ChainEnded, CleanChain, PrepareChain
from mrmesos.jobtracker.core.messages.events import ChainSubmitted, JobSubmitted
from mrmesos.jobtracker.core.messages.journal_records import ChainRecord
from mrmesos.jobtracker.core.model.chain import ChainInProgress, StepInProgress
from mrmesos.jobtracker.core.state.chain_reports import lost_status, status_of
from mrmesos.jobtracker.core.state.reports import not_restored
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.chain import ChainState, StepState
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptError, ErrorKind

_ENDS = {
    JobState.SUCCEEDED: StepState.SUCCEEDED,
    JobState.FAILED: StepState.FAILED,
    JobState.KILLED: StepState.KILLED,
}


def submit(st: State, event: ChainSubmitted) -> None:
    """Add a new chain. A known id changes nothing."""
    if event.chain_id in st.chains.live or event.chain_id in st.chains.ended:
        return
    steps = tuple(
        StepInProgress(spec, job.job_id, job.token)
        for spec, job in zip(event.spec.steps, event.jobs, strict=True)
    )
    chain = ChainInProgress(event.chain_id, event.spec, steps, st.now, st.changes, event.key)
    st.chains.add(chain)
    st.changes.chain(chain)
    _prepare(st, chain)


def _prepare(st: State, chain: ChainInProgress, *, again: bool = False) -> None:
    ids = tuple(step.job_id for step in chain.steps)
    st.emit(PrepareChain(chain.id, chain.spec, ids, again))


def prepared(st: State, chain_id: str, kept: Collection[str]) -> None:
    """PrepareChain found nothing wrong: the chain's first steps may begin."""
    chain = st.chains.live.get(chain_id)
    if chain is None or chain.state is not ChainState.PREP:
        return
    chain.waiting = ""
    chain.transition(ChainState.RUNNING)
    for step in chain.steps:
        if step.spec.name in kept:
            chain.step_to(step, StepState.KEPT)
    if chain.killed_by and not chain.done:
        _stop(st, chain)
    _advance(st, chain)


def prepare_failed(st: State, chain_id: str, error: AttemptError) -> None:
    """The chain cannot begin. Nothing was written, so nothing is removed."""
    chain = st.chains.live.get(chain_id)
    if chain is None or chain.state is not ChainState.PREP:
        return
    _cancel_waiting(chain)
    if not chain.killed_by:
        chain.error = error
    _end(st, chain, ChainState.KILLED if chain.killed_by else ChainState.FAILED)


def cleaned(st: State, chain_id: str) -> None:
    """CleanChain is answered. If the data between the steps could not be removed, the log says
    so.
    """
    chain = st.chains.live.get(chain_id)
    if chain is None or not chain.cleaning:
        return
    chain.cleaning, chain.waiting = False, ""
    _end_as_it_went(st, chain)


def waits(st: State, chain_id: str, words: str) -> None:
    """Show that a store does not answer. Empty `words`: it answers again."""
    if (chain := st.chains.live.get(chain_id)) is not None:
        chain.waiting = words


def kill(st: State, chain_id: str, by: str) -> None:
    """Kill a chain with its running steps. If its last steps commit already, it succeeds."""
    chain = st.chains.live.get(chain_id)
    if chain is None or chain.killed_by or chain.state not in (ChainState.PREP, ChainState.RUNNING):
        return
    chain.killed_by = by or "a user"
    st.changes.chain(chain)
    if chain.state is ChainState.RUNNING:  # else when PrepareChain has been answered
        _stop(st, chain)
        _advance(st, chain)


def unkept(st: State, chain_id: str, problem: str) -> None:
    """A record of the chain cannot be written to the journal. The chain fails, because a
    restarted JobTracker could not go on with it.
    """
    chain = st.chains.live.get(chain_id)
    if chain is None or chain.state not in (ChainState.PREP, ChainState.RUNNING):
        return
    message = f"the record of the chain cannot be kept in the journal: {problem}"
    error = AttemptError(kind=ErrorKind.INTERNAL, message=message)
    if chain.state is ChainState.PREP:
        prepare_failed(st, chain_id, error)
        return
    chain.error = chain.error or error
    _stop(st, chain)
    _advance(st, chain)


def follow(st: State) -> None:
    """Act on the ends of jobs. The next step may end at once, so this goes on until none does."""
    while st.chains.ended_jobs:
        job_id = st.chains.ended_jobs.pop(0)
        chain = st.chains.live.get(st.chains.of_job.get(job_id, ""))
        if chain is not None:
            _job_ended(st, chain, chain.step_of(job_id))
            _advance(st, chain)


def _job_ended(st: State, chain: ChainInProgress, step: StepInProgress) -> None:
    if step.state is not StepState.RUNNING:
        return
    report = st.ended.get(step.job_id)
    if report is None:  # its record in the journal is lost
        words = f"the JobTracker does not know any more how {step.job_id} ended"
        state, error = JobState.FAILED, AttemptError(kind=ErrorKind.LOST, message=words)
    else:
        state = report.status.state
        words = f"{step.job_id} was killed"
        error = report.status.error or AttemptError(kind=ErrorKind.LOST, message=words)
    chain.step_to(step, _ENDS[state])
    if state is JobState.SUCCEEDED:
        return
    if chain.state is ChainState.RUNNING:
        chain.error = error
        _stop(st, chain)


def _stop(st: State, chain: ChainInProgress) -> None:
    """No further step begins. The running ones are killed."""
    chain.transition(ChainState.STOPPING)
    _cancel_waiting(chain)
    by = chain.killed_by or f"{chain.id}, because another step failed"
    for step in chain.running:
        jobs.kill(st, step.job_id, by)


def _cancel_waiting(chain: ChainInProgress) -> None:
    for step in chain.steps:
        if step.state is StepState.WAITING:
            chain.step_to(step, StepState.CANCELLED)


def _advance(st: State, chain: ChainInProgress) -> None:
    """Take the chain's next step: begin the jobs that are ready, or end."""
    if chain.state is ChainState.RUNNING:
        for step in list(chain.ready()):
            chain.step_to(step, StepState.RUNNING)
            jobs.submit(st, JobSubmitted(step.job_id, step.spec.job, step.token))
        if chain.running:
            return
        chain.transition(ChainState.CLEANING)
    if chain.state is ChainState.STOPPING and chain.running:
        return
    if chain.state is ChainState.STOPPING and chain.done and not chain.error:
        chain.transition(ChainState.CLEANING)
    kept = chain.keeps_data if chain.state is ChainState.STOPPING else chain.spec.keep_data
    if kept:
        _end_as_it_went(st, chain)
    elif not chain.cleaning:
        chain.cleaning = True
        st.emit(CleanChain(chain.id, chain.spec))


def _end_as_it_went(st: State, chain: ChainInProgress) -> None:
    if chain.state is ChainState.CLEANING:
        _end(st, chain, ChainState.SUCCEEDED)
    else:
        _end(st, chain, ChainState.KILLED if chain.killed_by else ChainState.FAILED)


def _end(st: State, chain: ChainInProgress, state: ChainState) -> None:
    chain.transition(state)
    st.chains.remove(chain)
    retired = st.chains.keep(status_of(st, chain), st.settings.retired_max)
    st.changes.chain_ended(chain, retired)
    st.emit(ChainEnded(chain.id))


# --- A restart


def restored(st: State, record: ChainRecord) -> None:
    """Take over a chain, after its jobs are restored. Steps that may not have been carried out
    before the restart are done again.
    """
    chain = ChainInProgress.restored(record, st.changes)
    st.chains.add(chain)
    if chain.state is ChainState.PREP:
        _prepare(st, chain, again=True)
        return
    for step in chain.running:
        if step.job_id not in st.jobs:
            _job_ended(st, chain, step)
    if chain.state is ChainState.STOPPING:
        by = chain.killed_by or f"{chain.id}, because another step failed"
        for step in chain.running:
            jobs.kill(st, step.job_id, by)
    _advance(st, chain)


def lost(st: State, chain_id: str, why: str) -> None:
    """A chain cannot be restored. Its jobs go on, but no further step begins."""
    words = not_restored("this chain", why)
    status = lost_status(chain_id, st.now, AttemptError(kind=ErrorKind.LOST, message=words))
    st.changes.chain_lost(chain_id, st.chains.keep(status, st.settings.retired_max))
    st.emit(ChainEnded(chain_id))
