"""Verdicts and reports about ended attempts, with their error texts."""

from __future__ import annotations

import signal

import msgspec

from mrmesos.resources import mebibytes
from mrmesos.tasktracker.core.state import AttemptLimits, RunningAttempt, Verdict
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptReport,
    AttemptState,
    ErrorKind,
    MapTask,
)
from mrmesos.worker.messages import Done

_MEBI = 1 << 20
FULL = 0.9
"""A worker killed by the kernel while it used this part of its memory died of too little memory."""
_MESSAGE_CHARS, _DETAIL_CHARS, _RECORD_CHARS, _WHERE_CHARS = 2_000, 32_000, 1_000, 2_000


def killed(reason: str) -> Verdict:
    """The engine ended the attempt. This never counts against the job."""
    return Verdict(AttemptState.KILLED, AttemptError(kind=ErrorKind.LOST, message=reason))


def failed(kind: ErrorKind, message: str) -> Verdict:
    """The attempt failed."""
    return Verdict(AttemptState.FAILED, AttemptError(kind=kind, message=message))


def crashed(status: int | None, position: str, limits: AttemptLimits, peak_bytes: int) -> Verdict:
    """The worker died by itself. `status` is as in subprocess. `peak_bytes`: what it used at most,
    as far as we saw.
    """
    if status == -signal.SIGKILL and peak_bytes > FULL * limits.memory_mb * _MEBI:
        return failed(
            ErrorKind.MEMORY,
            f"killed by signal 9 (SIGKILL), probably by the kernel: it used "
            f"{mebibytes(peak_bytes // _MEBI)} of its {mebibytes(limits.memory_mb)}"
            f"{_while(position)}; raise {limits.memory_setting}",
        )
    if status is None:
        words = "worker ended in an unknown way"
    elif status < 0:
        words = f"worker killed by signal {-status} ({_signal_name(-status)})"
    else:
        words = f"worker exited with status {status} (os._exit?)"
    return failed(ErrorKind.CRASH, words + _while(position))


def over_memory(used_bytes: int, limits: AttemptLimits, position: str) -> Verdict:
    """The attempt's processes used too much memory."""
    return failed(
        ErrorKind.MEMORY,
        f"used {mebibytes(used_bytes // _MEBI)}, over its limit of {mebibytes(limits.memory_mb)}"
        f"{_while(position)}; raise {limits.memory_setting}",
    )


def timed_out(run: RunningAttempt, limits: AttemptLimits) -> Verdict:
    """The attempt did nothing for too long. For a free task, the limit is for its whole run."""
    if run.is_free:
        return failed(ErrorKind.TIMEOUT, f"it ran longer than its timeout of {limits.timeout:g} s")
    return failed(
        ErrorKind.TIMEOUT,
        f"neither read, wrote nor reported anything for {limits.timeout:g} s"
        f"{_while(run.position)}; raise task.timeout if the attempt needs longer",
    )


def first_position(attempt: Attempt) -> str:
    """The position of an attempt before its worker has reported one."""
    task = attempt.task
    if not isinstance(task, MapTask) or not task.split.slices:
        return ""
    first, more = task.split.slices[0], len(task.split.slices) - 1
    if more:
        return f"reading {first.uri} or one of {more} more"
    if first.length < 0:
        return f"reading {first.uri}"
    return f"reading {first.uri} between offsets {first.start} and {first.start + first.length}"


def _while(position: str) -> str:
    return f" while {position[:_WHERE_CHARS]}" if position else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "no known signal"


def report(
    run: RunningAttempt,
    outcome: Done | Verdict,
    *,
    now: float,
    hostname: str,
    log_url: str,
    log_tail: str = "",
    peak_bytes: int = 0,
) -> AttemptReport:
    """The report of an ended attempt. Its size is bounded, and its error names the host."""
    attempt = run.attempt
    done = outcome if isinstance(outcome, Done) else None
    counters = {group: dict(names) for group, names in done.counters.items()} if done else {}
    if peak_bytes:
        names = counters.setdefault("task", {})
        names["PHYSICAL_MEMORY_BYTES"] = max(peak_bytes, names.get("PHYSICAL_MEMORY_BYTES", 0))
    error = outcome.error
    if error is None and outcome.state is AttemptState.FAILED:
        error = AttemptError(kind=ErrorKind.INTERNAL, message="the attempt failed without a reason")
    left_out = run.bisection.words() if run.bisection is not None else ""
    if error is not None:
        error = msgspec.structs.replace(
            error,
            message=error.message[:_MESSAGE_CHARS] + left_out,
            detail=error.detail[-_DETAIL_CHARS:],
            where=error.where[:_WHERE_CHARS],
            record=error.record[:_RECORD_CHARS],
            attempt_id=attempt.attempt_id,
            hostname=error.hostname or hostname,
            log=error.log or log_url,
        )
    return AttemptReport(
        attempt_id=attempt.attempt_id,
        slot_id=attempt.slot_id,
        state=outcome.state,
        started=run.begun,
        ended=now,
        counters=counters,
        error=error,
        fetch_failed=done.fetch_failed if done else [],
        log_tail=log_tail,
        result=done.result if done else None,
        profile=done.profile if done else "",
        trace=done.trace if done else "",
        spans=done.spans if done else (),
    )
