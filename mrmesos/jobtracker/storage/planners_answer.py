"""The planner's answers, checked before the core gets them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

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
)
from mrmesos.jobtracker.storage.encodable import mended, problem_with
from mrmesos.wire.task import AttemptError, ErrorKind

logger = logging.getLogger(__name__)

OfJobs = PlanJob | CommitJob | AbortJob
OfChains = PrepareChain | CleanChain
Work = OfJobs | OfChains
"""The commands that the planner executes."""
_OfChains = ChainPrepared | ChainPrepareFailed | ChainCleaned
PlannersAnswer = (
    JobPlanned | JobPlanFailed | JobCommitted | JobCommitFailed | JobAborted | _OfChains
)
ANSWERED: dict[type[Event], type[Work]] = {
    ChainPrepared: PrepareChain,
    ChainPrepareFailed: PrepareChain,
    ChainCleaned: CleanChain,
    JobPlanned: PlanJob,
    JobPlanFailed: PlanJob,
    JobCommitted: CommitJob,
    JobCommitFailed: CommitJob,
    JobAborted: AbortJob,
}
"""The command that each event answers."""


def name_of(one: Work | PlannersAnswer) -> str:
    """The id of the job or the chain."""
    return one.chain_id if isinstance(one, OfChains | _OfChains) else one.job_id


class PlannersWork:
    """The planner's work under way. A core that starts again asks for all of it once more."""

    def __init__(self, told: Callable[[Work, float, Event], None] | None = None) -> None:
        """`told` hears of each answer: its command, when that began (monotonic), and the event."""
        self._under_way: dict[tuple[str, type], tuple[Work, float]] = {}
        self._told = told

    def begin(self, command: Work) -> bool:
        """Whether to begin this command. If the same command is under way, its answer is enough."""
        work = (name_of(command), type(command))
        new = work not in self._under_way
        self._under_way.setdefault(work, (command, time.monotonic()))
        return new

    def ended(self, event: Event) -> None:
        """Note an answer, if it is one."""
        if isinstance(event, PlannersAnswer):
            begun = self._under_way.pop((name_of(event), ANSWERED[type(event)]), None)
            if begun is not None and self._told is not None:
                self._told(*begun, event)


def encodable_event(event: Event) -> Event:
    """The event if it can be encoded. Otherwise an event that fails the job.

    A store may name files in a way that neither the journal nor a TaskTracker can take.
    """
    problem = problem_with(event)
    if not problem:
        return event
    logger.error("%s cannot be encoded: %s", type(event).__name__, problem)
    if not isinstance(event, JobPlanned):
        return mended(event)
    message = f"the input has files whose names or sizes cannot be encoded ({problem}); rename them"
    return JobPlanFailed(event.job_id, AttemptError(kind=ErrorKind.INPUT, message=message))
