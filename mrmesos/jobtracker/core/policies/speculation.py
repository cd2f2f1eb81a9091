"""Backup attempts: which slow tasks want one.

This is LATE (Zaharia et al., OSDI 2008) in Hadoop's form (JobInProgress.findSpeculativeTask). An
attempt is slow if its progress rate is low. The slow attempt that would end last gets its backup
first. Few backups run at a time, and none on a slow agent. Unlike LATE and Hadoop, we start a
backup only if it is likely to end first: the rest of the slow attempt takes longer than a typical
whole attempt. An attempt without progress for as long as a typical attempt counts as hung. Progress
arrives per batch of records, and the last batch is reported when it is read, not when it is done.
"""

from __future__ import annotations

import math

from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import SETS, TaskKind

REVIEW_SECONDS = 1.0
"""Least time between two looks at the attempts of a job."""
ALWAYS_SLOW, NEVER_SLOW = 0.4, 1 / 1.5
"""Parts of the mean rate. Below the first, an attempt is always slow. Above the second, it is
never slow. This holds however much the rates vary.
"""
_WEIGHT = 0.4
"""The weight of the latest attempt in the moving average of its agent's pace."""


def review(st: State, job: JobInProgress) -> None:
    """Look for slow attempts of a running job, if a look is due and no task could run instead."""
    for kind in SETS:
        pace = job.of(kind).pace
        if st.now >= pace.review_at and job.settings.speculative(kind):
            pace.reviewed, pace.review_at = st.now, st.now + REVIEW_SECONDS
            job.drop_candidates(kind)
            maps_over = job.maps.over is not None and not job.outputs.absent
            if not len(job.of(kind).pending) and (kind is TaskKind.MAP or maps_over):
                _review(st, job, kind)


def _review(st: State, job: JobInProgress, kind: TaskKind) -> None:
    now, reduces = st.now, kind is TaskKind.REDUCE
    pace, lag = job.of(kind).pace, job.settings.speculative_lag
    running = job.running_reduces if reduces else job.running
    rates: dict[TaskAttempt, float] = {}
    for attempt in running.values():
        if attempt.told is None or (attempt.task.kind is TaskKind.REDUCE) is not reduces:
            continue
        since = began(job, attempt) if reduces else attempt.start
        seconds = attempt.told - since
        if seconds > 0 and attempt in attempt.task.running:
            # Its rate cannot be so high that it would have ended by now.
            rate, most = attempt.progress / seconds, 1 / (now - since)
            rates[attempt] = rate if rate < most else most
    pace.wants_news = len(rates) < len(running) or not rates
    if not rates:
        pace.review_at = math.inf
        return
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
        since = began(job, attempt) if reduces else attempt.start
        moved = attempt.moved
        may_stall = (moved if moved > since else since) + typical
        next_at = min(next_at, max(since + lag, min(since + attempt.progress / bound, may_stall)))
        stalled = attempt.told is not None and attempt.told > may_stall
        if (rate < bound or stalled) and now - since >= lag:
            if attempt.id not in job.fetch.failing:  # a failing fetch does not make the agent slow
                _note_pace(st, attempt, rate / mean)
            left = math.inf if stalled else _seconds_left(attempt, rate, st.now)
            if left > typical:
                slow.append((left, attempt))
    pace.review_at = max(pace.review_at, next_at)
    room = job.backups_max - job.backups
    slow.sort(key=lambda entry: (-entry[0], entry[1].id))
    wanting = [a for _, a in slow if len(a.task.running) == 1 and not a.kill_asked]
    for attempt in wanting[: max(0, room)]:
        job.index.want_backup(attempt.task, job)
        pace.candidates.append(attempt.task)


def told(job: JobInProgress, attempt: TaskAttempt) -> None:
    """An attempt told its progress. If the last look lacked some attempt's, look again."""
    pace = job.of(attempt.task.kind).pace
    if pace.wants_news:
        pace.wants_news, pace.review_at = False, pace.reviewed + REVIEW_SECONDS


def began(job: JobInProgress, attempt: TaskAttempt) -> float:
    """The time from which an attempt could make progress by itself. A reduce waits for the last
    map.
    """
    if attempt.task.kind is not TaskKind.REDUCE or job.maps.over is None:
        return attempt.start
    return max(attempt.start, job.maps.over)


def _seconds_left(attempt: TaskAttempt, rate: float, now: float) -> float:
    if not rate or attempt.told is None:
        return math.inf
    return (1 - attempt.progress) / rate - (now - attempt.told)


def _note_pace(st: State, attempt: TaskAttempt, pace: float) -> None:
    """An attempt was found to be slow. The first time, this lowers the pace of its agent."""
    agent = st.cluster.agents.get(attempt.agent_id)
    if agent is not None and not attempt.slow:
        attempt.slow = True
        agent.pace += _WEIGHT * (min(pace, 1.0) - agent.pace)


def won(st: State, job: JobInProgress, attempt: TaskAttempt) -> None:
    """An attempt won. Its time enters the typical time, and the pace of its agent."""
    seconds = max(0.001, st.now - began(job, attempt))
    pace = job.of(attempt.task.kind).pace
    agent = st.cluster.agents.get(attempt.agent_id)
    if agent is not None and pace.count:
        agent.pace += _WEIGHT * (min(2.0, pace.seconds / pace.count / seconds) - agent.pace)
    pace.add(seconds)
