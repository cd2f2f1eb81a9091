"""The JobTracker's own work on files: planning splits, committing output, cleaning up.

Comes in: commands of jobs and chains (`Work`). Goes out: an event for the core when each one ends.
Thread: a pool beside the core thread. A store that hangs blocks only a few threads of the pool
(store_threads.py). The jobs that use it show why they wait, and fail after a deadline.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mrmesos import conf as settings
from mrmesos.conf import OUTPUT_OVERWRITE, Conf
from mrmesos.io.fs.store_calls import GivenUp, store_of
from mrmesos.jobtracker.core.messages.commands import (
    AbortJob,
    CleanChain,
    CommitJob,
    PlanJob,
    PrepareChain,
)
from mrmesos.jobtracker.core.messages.events import (
    ChainCleaned,
    ChainPrepared,
    ChainPrepareFailed,
    Event,
    JobAborted,
    JobCommitFailed,
    JobCommitted,
    JobPlanFailed,
    JobPlanned,
    StoreSilent,
)
from mrmesos.jobtracker.storage.planners_answer import OfChains, OfJobs, Work, name_of
from mrmesos.jobtracker.storage.store_threads import Piece, StoreThreads
from mrmesos.wire.job import JobSpec
from mrmesos.wire.task import AttemptError, ErrorKind

if TYPE_CHECKING:
    from mrmesos.io.output.commit import OutputCommitter

logger = logging.getLogger(__name__)

ABORT_SECONDS = 60.0
"""Deadline of a clean-up. It is shorter than that of other work, because a user who killed a job
waits for it.
"""

_taking_output: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""A lock for each store. Planning takes the lock, checks that the output is absent, and makes the
output. So two jobs cannot get the same output.
"""
_WHAT = {
    PlanJob: "planning",
    CommitJob: "commit",
    AbortJob: "cleaning up",
    PrepareChain: "looking at files",
    CleanChain: "cleaning up",
}


class Planner:
    """Executes the commands of `Work`. `post` gets the event that answers each."""

    def __init__(
        self, post: Callable[[Event], None], conf: Conf | None = None, pickle_key: str = ""
    ) -> None:
        conf = Conf({}) if conf is None else conf
        self._post, self._pickle_key = post, pickle_key
        self._seconds = conf.get_as(settings.STORE_TIMEOUT)
        self._threads = StoreThreads(conf.get_as(settings.STORE_THREADS))
        self._lock = threading.Lock()
        self._begun: dict[str, AbortJob] = {}  # jobs whose output is neither complete nor removed

    def submit(self, command: Work) -> None:
        """Begin a command. The answering event comes from another thread."""
        name, seconds = name_of(command), self._seconds
        if isinstance(command, AbortJob | CleanChain):
            seconds = min(seconds, ABORT_SECONDS)
        run: Callable[[Piece], None]
        overdue: Callable[[str], None]
        if isinstance(command, OfChains):
            run = partial(self._run_chain, command)
            overdue = partial(self._chain_deadline_passed, command)
        else:
            run, overdue = partial(self._run, command), partial(self._deadline_passed, command)
        self._threads.submit(
            Piece(
                name=name,
                what=_WHAT[type(command)],
                stores=frozenset(map(store_of, _uris(command))),
                run=run,
                silent=lambda words: self._post(StoreSilent(name, words)),
                overdue=overdue,
                seconds=seconds,
            )
        )

    def warm_up(self) -> None:
        """Import modules in a thread, so that the first job does not wait for the imports."""
        threading.Thread(target=_import_io, name="planner imports", daemon=True).start()

    def stop(self, timeout: float) -> bool:
        """Take no more work, and wait for running work. Returns False after `timeout` seconds."""
        return self._threads.stop(timeout)

    def _run_chain(self, command: OfChains, piece: Piece) -> None:
        event = clean_chain(command) if isinstance(command, CleanChain) else prepare_chain(command)
        if self._threads.finish(piece):
            self._post(event)

    def _run(self, command: OfJobs, piece: Piece) -> None:
        job_id, spec = command.job_id, command.spec
        match command:
            case PlanJob():
                event = plan(command)
                if isinstance(event, JobPlanned):
                    self._note(job_id, AbortJob(job_id, spec))
            case CommitJob():
                event = commit(command, self._pickle_key)
                if isinstance(event, JobCommitted):
                    self._note(job_id, None)
            case AbortJob():
                event = abort(command)
                self._note(job_id, None)
        if self._threads.finish(piece):
            self._post(event)
        elif not isinstance(command, AbortJob):
            # The store answers again, but the job was given up. So remove the job's files.
            logger.warning("%s: it was given up before; removing what it wrote", job_id)
            self._threads.submit(
                Piece(
                    name=job_id,
                    what="cleaning up",
                    stores=piece.stores,
                    run=lambda _: self._clean_up(AbortJob(job_id, spec, planned=False)),
                    silent=lambda _: None,
                    overdue=lambda words: logger.warning("%s: %s", job_id, words),
                    seconds=ABORT_SECONDS,
                )
            )

    def _clean_up(self, command: AbortJob) -> None:
        abort(command)
        self._note(command.job_id, None)

    def _note(self, job_id: str, leftover: AbortJob | None) -> None:
        with self._lock:
            if leftover is None:
                self._begun.pop(job_id, None)
            else:
                self._begun[job_id] = leftover

    def _chain_deadline_passed(self, command: OfChains, words: str) -> None:
        if isinstance(command, CleanChain):
            self._post(ChainCleaned(command.chain_id, words))
        else:
            error = AttemptError(kind=ErrorKind.INPUT, message=words)
            self._post(ChainPrepareFailed(command.chain_id, error))

    def _deadline_passed(self, command: OfJobs, words: str) -> None:
        """The deadline passed without an answer. The job gets an error instead."""
        job_id, error = command.job_id, AttemptError(kind=ErrorKind.INPUT, message=words)
        match command:
            case PlanJob():
                self._post(JobPlanFailed(job_id, error))
            case CommitJob():
                also = "; if it answers later, `_SUCCESS` tells whether the output is complete"
                error = AttemptError(kind=ErrorKind.OUTPUT, message=f"{words}{also}")
                self._post(JobCommitFailed(job_id, error))
            case AbortJob():
                self._note(job_id, None)
                self._post(JobAborted(job_id, words))

    def remove_leftovers(self) -> None:
        """Clean up after jobs that did not end. Call it after `stop()`."""
        while self._begun:
            abort(self._begun.popitem()[1])


def _uris(command: Work) -> list[str]:
    """All places that a command may look at or write to."""
    match command:
        case PrepareChain(spec=spec):
            jobs = [step.job for step in spec.steps]
            return [spec.data, *(uri for job in jobs for uri in (job.output, *job.inputs))]
        case CleanChain(spec=spec):
            return [spec.data]
        case PlanJob(spec=job):
            return [job.output, *(uri for source in job.all_sources() for uri in source.uris)]
        case CommitJob(spec=job) | AbortJob(spec=job):
            return [job.output]


def _import_io() -> None:
    import mrmesos.io.input.splits
    import mrmesos.io.output.commit
    import mrmesos.io.output.registry  # noqa: F401


def plan(command: PlanJob) -> Event:
    """Find the splits, check that the output does not exist, and make its `_temporary`."""
    from mrmesos.io.input.splits import plan_sources
    from mrmesos.io.output.registry import check_output

    spec, owner = command.spec, command.job_id
    try:
        check_output(spec.output_format)
        committer = _committer(spec)
        begun = command.again and committer.belongs_to(owner)
        if not begun:
            committer.check_absent()  # before the inputs are listed, which may take long
        found = plan_sources(spec.all_sources(), Conf(spec.conf))
        with _taking_output[store_of(spec.output)]:
            if not begun:
                committer.check_absent()
            committer.setup_job(owner)
    except Exception as problem:  # noqa: BLE001 (_log_problem logs it)
        return JobPlanFailed(command.job_id, _log_problem(command.job_id, "planning", problem))
    return JobPlanned(command.job_id, tuple(found.splits), found.tables)


def _committer(spec: JobSpec, pickle_key: str = "") -> OutputCommitter:
    from mrmesos.io.output.commit import OutputCommitter
    from mrmesos.io.output.part_notes import in_own_process

    overwrite = Conf(spec.conf).get_as(OUTPUT_OVERWRITE)
    return OutputCommitter(
        spec.output, overwrite=overwrite, conform=in_own_process, pickle_key=pickle_key
    )


def commit(command: CommitJob, pickle_key: str = "") -> Event:
    """Move the winners' files into place and write `_SUCCESS`."""
    try:
        _committer(command.spec, pickle_key).commit_job(command.winners)
    except Exception as problem:  # noqa: BLE001 (_log_problem logs it)
        return JobCommitFailed(command.job_id, _log_problem(command.job_id, "commit", problem))
    return JobCommitted(command.job_id)


def abort(command: AbortJob) -> Event:
    """Remove what the job wrote."""
    try:
        committer = _committer(command.spec)
        if command.planned or committer.belongs_to(command.job_id):
            committer.abort_job()
    except Exception as problem:  # noqa: BLE001 (_log_problem logs it)
        error = _log_problem(command.job_id, "cleaning up", problem)
        return JobAborted(command.job_id, error.message)
    return JobAborted(command.job_id)


def prepare_chain(command: PrepareChain) -> Event:
    """Check the files of a chain, and find the steps that need not run."""
    from mrmesos.jobtracker.storage.chain_data import prepare

    try:
        return ChainPrepared(command.chain_id, prepare(command))
    except Exception as problem:  # noqa: BLE001 (_log_problem logs it)
        error = _log_problem(command.chain_id, "looking at files", problem)
        return ChainPrepareFailed(command.chain_id, error)


def clean_chain(command: CleanChain) -> Event:
    """Remove the data between the steps of a chain."""
    from mrmesos.jobtracker.storage.chain_data import clean

    try:
        clean(command)
    except Exception as problem:  # noqa: BLE001 (_log_problem logs it)
        error = _log_problem(command.chain_id, "cleaning up", problem)
        return ChainCleaned(command.chain_id, error.message)
    return ChainCleaned(command.chain_id)


def _log_problem(job_id: str, what: str, problem: Exception) -> AttemptError:
    """Log the problem, with a traceback only if it is unexpected. Returns it for the user."""
    error = as_attempt_error(problem)
    if isinstance(problem, GivenUp):
        logger.info("%s: %s ends, because it was given up", job_id, what)
        return error
    if error.kind is ErrorKind.INTERNAL:
        logger.exception("%s: %s failed", job_id, what)
    else:
        logger.warning("%s: %s failed: %s", job_id, what, error.message)
    return error


def as_attempt_error(problem: Exception) -> AttemptError:
    """The error for the user: one line if it is an expected one, otherwise with a traceback."""
    from mrmesos.io.fs.filesystem import InputError, OutputError

    if isinstance(problem, InputError):
        return AttemptError(kind=ErrorKind.INPUT, message=str(problem))
    if isinstance(problem, OutputError):
        return AttemptError(kind=ErrorKind.OUTPUT, message=str(problem))
    detail = "".join(traceback.format_exception(problem))
    return AttemptError(kind=ErrorKind.INTERNAL, message=_one_line(problem), detail=detail)


def _one_line(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__
