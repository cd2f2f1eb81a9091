"""What the planner answers, as the core may be given it."""

from __future__ import annotations

import logging

from mrmesos.jobtracker.core.messages.commands import AbortJob, CommitJob, PlanJob
from mrmesos.jobtracker.core.messages.events import (
    Event,
    JobAborted,
    JobCommitFailed,
    JobCommitted,
    JobPlanFailed,
    JobPlanned,
)
from mrmesos.jobtracker.storage.encodable import mended, problem_with
from mrmesos.wire.task import AttemptError, ErrorKind

logger = logging.getLogger(__name__)

PlannersAnswer = JobPlanned | JobPlanFailed | JobCommitted | JobCommitFailed | JobAborted
ANSWERED: dict[type[Event], type[PlanJob | CommitJob | AbortJob]] = {
    JobPlanned: PlanJob,
    JobPlanFailed: PlanJob,
    JobCommitted: CommitJob,
    JobCommitFailed: CommitJob,
    JobAborted: AbortJob,
}
"""Which command each answers."""


class PlannersWork:
    """What the planner has in hand: a core that starts anew asks again for what is under way."""

    def __init__(self) -> None:
        self._under_way: set[tuple[str, type]] = set()

    def begin(self, command: PlanJob | CommitJob | AbortJob) -> bool:
        """Whether it is to be begun: else the answer to the same will do."""
        work = (command.job_id, type(command))
        new = work not in self._under_way
        self._under_way.add(work)
        return new

    def ended(self, event: Event) -> None:
        """Note an answer, if it is one."""
        if isinstance(event, PlannersAnswer):
            self._under_way.discard((event.job_id, ANSWERED[type(event)]))


def to_be_kept(event: Event) -> Event:
    """The event, where it can be encoded. Else the job fails: splits are what stores name them, and
    neither journal nor TaskTracker could be given these.
    """
    problem = problem_with(event)
    if not problem:
        return event
    logger.error("%s cannot be encoded: %s", type(event).__name__, problem)
    if not isinstance(event, JobPlanned):
        return mended(event)
    message = f"the input has files whose names or sizes cannot be encoded ({problem}); rename them"
    return JobPlanFailed(event.job_id, AttemptError(kind=ErrorKind.INPUT, message=message))
