"""Backup attempts of slow tasks: which tasks want one, and which agents suit it.

LATE (Zaharia et al., OSDI 2008) in Hadoop's form (JobInProgress.findSpeculativeTask): an attempt is
slow by its progress rate, the slow one that would end last goes first, few run at a time, none on a
slow agent. Beyond both, a backup must be likely to end first: what is left of the attempt takes
longer than a whole attempt typically does. One that for so long made no progress at all is taken
for hanging: progress is told by batches of records, and of the last one too early.
"""

from __future__ import annotations

import math

from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import TaskKind

REVIEW_SECONDS = 1.0
"""Least time between two looks at the attempts of a job."""
ALWAYS_SLOW, NEVER_SLOW = 0.4, 1 / 1.5
"""Parts of the mean rate: below the first an attempt is slow, above the second it is not, however
much the rates vary.
"""
_WEIGHT = 0.4
"""Of the latest attempt, in what is known of its agent's pace."""


def review(st: State, job: JobInProgress) -> None:
    """Look for slow attempts of a running job, where that is due and no task waits that may run."""
    for kind in TaskKind:
        due = st.now >= job.pace(kind).review_at
        if due and job.settings.speculative(kind):
            job.pace(kind).review_at = st.now + REVIEW_SECONDS
            job.drop_candidates(kind)
            maps_over = job.maps_over is not None and not job.absent
            if not len(job.pending(kind)) and (kind is TaskKind.MAP or maps_over):
                _review(st, job, kind)


def _review(st: State, job: JobInProgress, kind: TaskKind) -> None:
    pace, lag = job.pace(kind), job.settings.speculative_lag
    running = job.running if kind is TaskKind.MAP else job.running_reduces
    rates = {  # none can be so fast that it would have ended by now
        attempt: min(attempt.progress / seconds, 1 / (st.now - began(job, attempt)))
        for attempt in running.values()
        if attempt.task.kind is kind
        and attempt.told is not None
        and (seconds := attempt.told - began(job, attempt)) > 0
        and attempt in attempt.task.running
    }
    count = pace.count + len(rates)
    if count < 2:
        return
    mean = (pace.rates + sum(rates.values())) / count
    if not mean:
        return
    squares = pace.squares + sum(rate * rate for rate in rates.values())
    deviation = math.sqrt(max(0.0, squares / count - mean * mean))
    bound = mean - job.settings.slow_threshold * deviation
    bound = min(max(bound, ALWAYS_SLOW * mean), NEVER_SLOW * mean)
    typical = pace.seconds / pace.count if pace.count else 1 / mean
    slow: list[tuple[float, TaskAttempt]] = []
    next_at = math.inf
    for attempt, rate in rates.items():
        since = began(job, attempt)
        may_stall = max(attempt.moved, since) + typical
        next_at = min(next_at, max(since + lag, min(since + attempt.progress / bound, may_stall)))
        stalled = attempt.told is not None and attempt.told > may_stall
        if (rate < bound or stalled) and st.now - since >= lag:
            if attempt.id not in job.failing:  # else it is not its agent that is slow
                _note_pace(st, attempt, rate / mean)
            left = math.inf if stalled else _seconds_left(attempt, rate, st.now)
            if left > typical:
                slow.append((left, attempt))
    pace.review_at = max(pace.review_at, next_at if len(rates) == len(running) else 0.0)
    room = job.backups_max - job.backups
    slow.sort(key=lambda entry: (-entry[0], entry[1].id))
    wanting = [a for _, a in slow if len(a.task.running) == 1 and not a.kill_asked]
    for attempt in wanting[: max(0, room)]:
        job.index.want_backup(attempt.task, job)
        pace.candidates.append(attempt.task)


def began(job: JobInProgress, attempt: TaskAttempt) -> float:
    """Since when an attempt could get on by itself: a reduce, once all maps have run."""
    if attempt.task.kind is TaskKind.MAP or job.maps_over is None:
        return attempt.start
    return max(attempt.start, job.maps_over)


def _seconds_left(attempt: TaskAttempt, rate: float, now: float) -> float:
    if not rate or attempt.told is None:
        return math.inf
    return (1 - attempt.progress) / rate - (now - attempt.told)


def _note_pace(st: State, attempt: TaskAttempt, pace: float) -> None:
    """An attempt was found to be slow: once, that tells of its agent, too."""
    agent = st.cluster.agents.get(attempt.agent_id)
    if agent is not None and not attempt.slow:
        attempt.slow = True
        agent.pace += _WEIGHT * (min(pace, 1.0) - agent.pace)


def won(st: State, job: JobInProgress, attempt: TaskAttempt) -> None:
    """An attempt won: its time tells what is typical, and how fast its agent is."""
    seconds = max(0.001, st.now - began(job, attempt))
    pace = job.pace(attempt.task.kind)
    agent = st.cluster.agents.get(attempt.agent_id)
    if agent is not None and pace.count:
        agent.pace += _WEIGHT * (min(2.0, pace.seconds / pace.count / seconds) - agent.pace)
    pace.add(seconds)
