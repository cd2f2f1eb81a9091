"""Ended jobs, as the core gives them away, for tests of the history and of the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.commands import JobEnded
from mrmesos.jobtracker.core.messages.job_run import JobRun
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind
from tests.jobtracker.harness import Hands, of, spec, splits

BOOM = AttemptError(
    kind=ErrorKind.USER_CODE,
    message="ZeroDivisionError: division by zero",
    detail='  File "job.py", line 7, in map\n    yield 1 / 0, 1',
    where="file:///in.txt, offset 120",
)


def ended_run(
    counters: Sequence[int] = (5, 7, 100), *, error: AttemptError | None = None, **conf: str
) -> JobRun:
    """A job of maps with these counters, run by the real core. With `error`, the last one fails."""
    hands = Hands()
    job_id = hands.core.next_job_id()
    hands.do(ev.JobSubmitted(job_id, spec(0, map_maxattempts="1", **conf), "token"))
    hands.do(ev.JobPlanned(job_id, splits(*[()] * len(counters))))
    run: list[JobRun] = []
    for number, amount in enumerate(counters):
        if not hands.running:  # later, the slot gets the next attempt
            run += runs(hands.offer("a"))
        (attempt_id,) = list(hands.running)
        hands.now += 0.5 + number
        if error is not None and number == len(counters) - 1:
            why = replace(error, attempt_id=attempt_id)
            run += runs(hands.end(attempt_id, AttemptState.FAILED, why, log_tail="Traceback …"))
        else:
            run += runs(hands.end(attempt_id, counters={"task": {"RECORDS": amount}}))

    over = ev.JobAborted(job_id) if error is not None else ev.JobCommitted(job_id)
    run += runs(hands.do(over))
    return run[-1]


def runs(commands: Sequence[Any]) -> list[JobRun]:
    """The jobs that these commands end."""
    return [ended.run for ended in of(commands, JobEnded)]
