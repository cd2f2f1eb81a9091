"""The core's slots, the attempts that run in them, and the reports that are not yet answered.

Part of the core: pure. It appends its commands to the given list.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import verdicts
from mrmesos.tasktracker.core.state import HeldSlot, RunningAttempt, Verdict
from mrmesos.tasktracker.core.worker_set import WorkerSet
from mrmesos.wire.ids import TaskKind, parse_attempt
from mrmesos.wire.task import Attempt, AttemptReport, AttemptState, FreeTask, MapTask, ReduceTask
from mrmesos.worker.messages import Done


class Slots:
    """All slots that have not ended, with their runs by attempt id."""

    def __init__(
        self,
        out: list[cmd.Command],
        worker_set: WorkerSet,
        hostname: Callable[[], str],
        log_url: Callable[[str], str],
    ) -> None:
        """`log_url` gives the URL of an attempt's logs. Mesos tells the host's name only later."""
        self.slots: dict[str, HeldSlot] = {}
        self.runs: dict[str, RunningAttempt] = {}
        self.reports: dict[str, AttemptReport] = {}
        self._out = out
        self._worker_set = worker_set
        self._hostname = hostname
        self._log_url = log_url

    def begin(self, attempt: Attempt, now: float) -> RunningAttempt | None:
        """Begin an attempt in its slot. None if it is known already, or refused (and reported)."""
        if attempt.attempt_id in self.runs or attempt.attempt_id in self.reports:
            return None
        slot = self.slots.get(attempt.slot_id)
        refusal = ""
        if slot is None or slot.ending:
            refusal = f"slot {attempt.slot_id} has ended"
        elif slot.attempt_id:
            refusal = f"slot {attempt.slot_id} still runs {slot.attempt_id}"
        elif not _is_named_right(attempt):
            refusal = f"{attempt.attempt_id!r} is not an attempt of {attempt.job_id!r}"
        run = RunningAttempt(attempt, begun=now, position=verdicts.first_position(attempt))
        if slot is None or refusal:
            self._report(run, verdicts.killed(refusal), now)
            return None
        slot.attempt_id = attempt.attempt_id
        run.attempt = replace(attempt, ports=slot.ports)
        self.runs[attempt.attempt_id] = run
        return run

    def stop(self, run: RunningAttempt, verdict: Verdict, now: float) -> None:
        """End an attempt early. If it is called again, the first verdict stays."""
        if run.verdict is not None:
            return
        run.verdict = verdict
        if run.worker is None:
            self.over(run, verdict, now)
        else:
            self._worker_set.kill(self._worker_set.workers[run.worker])

    def over(
        self,
        run: RunningAttempt,
        outcome: Done | Verdict,
        now: float,
        log_tail: str = "",
        peak: int = 0,
    ) -> None:
        """Finish an attempt. No process works on it any more."""
        attempt = run.attempt
        del self.runs[attempt.attempt_id]
        if run.worker is not None:
            keep = run.is_map and outcome.state is AttemptState.SUCCEEDED
            self._out.append(cmd.CleanAttempt(attempt.job_id, attempt.attempt_id, keep))
        self._report(run, outcome, now, log_tail, peak)
        slot = self.slots[attempt.slot_id]
        slot.attempt_id = ""
        if slot.ending:
            self.end(slot.slot_id, slot.ending, slot.message, now)

    def _report(
        self,
        run: RunningAttempt,
        outcome: Done | Verdict,
        now: float,
        log_tail: str = "",
        peak: int = 0,
    ) -> None:
        attempt_id = run.attempt.attempt_id
        self.reports[attempt_id] = verdicts.report(
            run,
            outcome,
            now=now,
            hostname=self._hostname(),
            log_url=self._log_url(attempt_id),
            log_tail=log_tail,
            peak_bytes=peak,
        )
        self.heartbeat_now()

    def heartbeat_now(self) -> None:
        """Ask for a heartbeat, because there is news."""
        if not any(isinstance(command, cmd.HeartbeatNow) for command in self._out):
            self._out.append(cmd.HeartbeatNow())

    def end(self, slot_id: str, state: cmd.SlotReport, message: str, now: float) -> None:
        """End a slot and report `state`. If an attempt runs in it, first stop the attempt."""
        slot = self.slots.get(slot_id)
        if slot is None:
            return
        if not slot.attempt_id:
            del self.slots[slot_id]
            self._out.append(cmd.SendStatus(slot_id, state, message))
        elif not slot.ending:
            slot.ending, slot.message = state, message
            self.stop(self.runs[slot.attempt_id], verdicts.killed(message), now)

    def of_job(self, job_id: str) -> list[RunningAttempt]:
        """The running attempts of a job."""
        return [run for run in self.runs.values() if run.attempt.job_id == job_id]

    def waiting(self) -> list[RunningAttempt]:
        """The attempts that wait for a worker."""
        return [run for run in self.runs.values() if run.worker is None]


def _is_named_right(attempt: Attempt) -> bool:
    """Whether the attempt's ids are well-formed and fit together. Ids become paths."""
    try:
        name = parse_attempt(attempt.attempt_id)
    except ValueError:
        return False
    return name.job_id == attempt.job_id and name.kind is _KINDS[type(attempt.task)]


_KINDS = {MapTask: TaskKind.MAP, ReduceTask: TaskKind.REDUCE, FreeTask: TaskKind.FREE}
