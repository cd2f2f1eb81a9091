"""The core of a TaskTracker: it decides, and the shell acts.

Comes in: an event and its time. Goes out: commands. `TaskTracker` is a plain object without
threads, sockets, files, processes or clock. One thread owns it. The tests check these promises:

- Each attempt is reported exactly once. Every heartbeat repeats the report, until a heartbeat with
  it is answered.
- Each slot is reported as RUNNING once, and gets exactly one final status, after its attempt.
- A worker runs one attempt at a time, and attempts of one job or one session only. A killed
  attempt is reported only when its worker's processes are gone. No worker is left at the Exit
  command.
"""

from __future__ import annotations

from itertools import islice

from mrmesos.task.drivers.limits import REPORTS_PER_HEARTBEAT
from mrmesos.task.drivers.record_spans import Span
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.core import verdicts
from mrmesos.tasktracker.core.bad_record_bisection import Bisection
from mrmesos.tasktracker.core.slots import Slots
from mrmesos.tasktracker.core.state import (
    AttemptLimits,
    HeldSlot,
    JobHere,
    RunningAttempt,
    Verdict,
    WorkerProcess,
    WorkerState,
)
from mrmesos.tasktracker.core.worker_set import WorkerSet
from mrmesos.wire.heartbeat import (
    Action,
    Announce,
    EndSlot,
    ForgetJob,
    Heartbeat,
    HeartbeatAnswer,
    KillAttempt,
    Leave,
    MapOutputs,
    RunAttempt,
)
from mrmesos.wire.task import Attempt, AttemptState, ErrorKind
from mrmesos.worker.messages import Done


class TaskTracker:
    """The core (see the module). `prestarted` workers are starting already, numbered from 1."""

    def __init__(
        self, *, tracker_id: str, agent_id: str, hostname: str, now: float, prestarted: int = 0
    ) -> None:
        self.tracker_id = tracker_id
        self.agent_id = agent_id
        self.hostname = hostname
        self.url = ""
        self.jobs: dict[str, JobHere] = {}
        self.acknowledged = 0
        self.leaving = ""
        self._sequence = 0
        self._exited = False
        self._out: list[cmd.Command] = []
        self._worker_set = WorkerSet(self._out, now, prestarted)
        self.workers = self._worker_set.workers
        self._held = Slots(self._out, self._worker_set, lambda: self.hostname, self.log_url)
        self.slots, self.runs = self._held.slots, self._held.runs
        self.reports = self._held.reports

    def heartbeat(self) -> Heartbeat:
        """The next heartbeat: all reports without an answer, and the progress of all attempts."""
        self._sequence += 1
        return Heartbeat(
            tracker_id=self.tracker_id,
            agent_id=self.agent_id,
            hostname=self.hostname,
            url=self.url,
            sequence=self._sequence,
            acknowledged=self.acknowledged,
            slots=list(self.slots),
            reports=list(islice(self.reports.values(), REPORTS_PER_HEARTBEAT)),
            progress=[run.progress for run in self.runs.values() if run.progress is not None],
            attempts={run.attempt.slot_id: attempt_id for attempt_id, run in self.runs.items()},
        )

    def handle(self, event: ev.Event, now: float) -> list[cmd.Command]:
        """Handle one event. Returns the commands, in order."""
        match event:
            case ev.SlotLaunched():
                self._launch(event, now)
            case ev.BadSlotLaunched():
                self._out.append(
                    cmd.SendStatus(event.slot_id, cmd.SlotReport.FAILED, event.message)
                )
            case ev.SlotKilled():
                self._held.end(event.slot_id, cmd.SlotReport.KILLED, "killed through Mesos", now)
            case ev.HeartbeatAnswered():
                self._answered(event.answer, event.reported, now)
            case ev.JobFetched():
                self._job_fetched(event)
            case ev.JobFetchFailed():
                self._job_fetch_failed(event, now)
            case ev.LeaveAsked():
                self._leave(event.reason)
            case ev.TrackerTick():
                self._tick(now)
            case _:
                self._worker_event(event, now)
        self._close_event(now)
        out = list(self._out)
        self._out.clear()
        return out

    # Slots and attempts.

    def _launch(self, slot: ev.SlotLaunched, now: float) -> None:
        if slot.slot_id in self.slots:
            return
        self.slots[slot.slot_id] = HeldSlot(slot.slot_id, slot.ports)
        self._out.append(cmd.SendStatus(slot.slot_id, cmd.SlotReport.RUNNING))
        if slot.attempt is not None:
            self._begin(slot.attempt, now)

    def _begin(self, attempt: Attempt, now: float) -> None:
        run = self._held.begin(attempt, now)
        if run is None:
            return
        job = self._job(attempt.job_id)
        if job.forgotten:
            self._held.stop(run, verdicts.killed("the job has ended"), now)
        elif job.facts is None and not job.fetching:
            job.fetching = True
            self._out.append(cmd.FetchJob(job.job_id))

    def log_url(self, attempt_id: str) -> str:
        """The URL of an attempt's logs. It works while this TaskTracker lives."""
        return f"{self.url}/attempts/{attempt_id}/logs"

    # Answers of the JobTracker.

    def _answered(self, answer: HeartbeatAnswer, reported: tuple[str, ...], now: float) -> None:
        if answer.unknown:
            self._leave("the JobTracker does not know this TaskTracker")
            return
        for attempt_id in reported:
            self.reports.pop(attempt_id, None)
        for numbered in answer.actions:
            if numbered.number > self.acknowledged:
                self.acknowledged = numbered.number
                self._act(numbered.action, now)

    def _act(self, action: Action, now: float) -> None:
        match action:
            case RunAttempt():
                self._begin(action.attempt, now)
            case KillAttempt():
                run = self.runs.get(action.attempt_id)
                if run is not None:
                    self._held.stop(run, verdicts.killed(action.reason), now)
            case EndSlot():
                self._held.end(action.slot_id, cmd.SlotReport.FINISHED, "", now)
            case MapOutputs():
                self._map_outputs(action)
            case ForgetJob():
                self._forget(action.job_id, now)
            case Leave():
                self._leave(action.reason)
            case Announce():
                self._held.heartbeat_now()

    def _map_outputs(self, news: MapOutputs) -> None:
        job = self._job(news.job_id)
        job.outputs.update((output.map_index, output) for output in news.outputs)
        for run in self._held.of_job(news.job_id):
            if run.worker is not None and run.is_reduce and run.verdict is None:
                name = run.attempt.attempt_id
                self._out.append(cmd.TellMapOutputs(run.worker, name, tuple(news.outputs)))

    def _forget(self, job_id: str, now: float) -> None:
        job = self.jobs.get(job_id)
        if job is None:
            return
        job.forgotten = True
        job.outputs.clear()
        for run in self._held.of_job(job_id):
            self._held.stop(run, verdicts.killed("the job has ended"), now)

    def _leave(self, reason: str) -> None:
        self.leaving = self.leaving or reason

    # Jobs.

    def _job(self, job_id: str) -> JobHere:
        return self.jobs.setdefault(job_id, JobHere(job_id))

    def _job_fetched(self, event: ev.JobFetched) -> None:
        job = self.jobs.get(event.facts.job_id)
        if job is not None:
            job.facts, job.code_path, job.fetching = event.facts, event.code_path, False

    def _job_fetch_failed(self, event: ev.JobFetchFailed, now: float) -> None:
        job = self.jobs.get(event.job_id)
        if job is None:
            return
        job.fetching = False
        verdict = (
            verdicts.killed(event.message)
            if event.gone
            else verdicts.failed(ErrorKind.LOST, event.message)
        )
        for run in self._held.of_job(event.job_id):
            self._held.stop(run, verdict, now)

    # Workers.

    def _worker_event(self, event: ev.Event, now: float) -> None:
        match event:
            case ev.WorkerReady():
                self._worker_set.ready(event.worker, now)
            case ev.WorkerProgressed():
                self._progressed(event, now)
            case ev.WorkerDone():
                self._done(event, now)
            case ev.WorkerOverMemory():
                run = self._run_in(event.worker)
                if run is not None and run.attempt.attempt_id == event.attempt_id:
                    limits = self._limits(run)
                    self._held.stop(
                        run, verdicts.over_memory(event.used_bytes, limits, run.position), now
                    )
            case ev.WorkerBroken():
                self._broken(event.worker, event.message, now)
            case ev.WorkerExited():
                self._exited_worker(event, now)

    def _run_in(self, number: int) -> RunningAttempt | None:
        worker = self.workers.get(number)
        return self.runs.get(worker.attempt_id) if worker is not None else None

    def _limits(self, run: RunningAttempt) -> AttemptLimits:
        facts = self.jobs[run.attempt.job_id].facts
        assert facts is not None, "an attempt in a worker has its job's facts"
        return AttemptLimits.of(facts, run)

    def _progressed(self, event: ev.WorkerProgressed, now: float) -> None:
        run, message = self._run_in(event.worker), event.message
        if run is None or message.progress.attempt_id != run.attempt.attempt_id:
            return
        if message.active:
            run.last_active = now
        run.position = message.position or run.position
        before = run.progress.fetch_failed if run.progress is not None else []
        run.progress = message.progress
        if set(message.progress.fetch_failed) - set(before):
            self._held.heartbeat_now()

    def _done(self, event: ev.WorkerDone, now: float) -> None:
        run, worker = self._run_in(event.worker), self.workers.get(event.worker)
        if run is None or worker is None or worker.state is not WorkerState.BUSY:
            return  # the worker is being killed: its exit decides
        if event.message.attempt_id != run.attempt.attempt_id:
            self._broken(event.worker, f"says that {event.message.attempt_id} has ended", now)
        elif event.message.state not in (AttemptState.SUCCEEDED, AttemptState.FAILED):
            self._broken(event.worker, f"ends with state {event.message.state}", now)
        else:
            self._worker_set.release(worker, now)
            if not self._starts_again(run, event.message, event.message.at, now):
                self._held.over(run, event.message, now, event.log_tail, event.peak_bytes)

    def _broken(self, number: int, message: str, now: float) -> None:
        run, worker = self._run_in(number), self.workers.get(number)
        if run is not None:
            words = f"worker broke its channel: {message}"
            self._held.stop(run, verdicts.failed(ErrorKind.CRASH, words), now)
        elif worker is not None:
            self._worker_set.kill(worker)

    def _exited_worker(self, event: ev.WorkerExited, now: float) -> None:
        worker = self.workers.get(event.worker)
        if worker is None:
            return
        none_starts = self._worker_set.gone(worker)
        run = self.runs.get(worker.attempt_id)
        if run is not None:
            verdict = run.verdict or verdicts.crashed(
                event.status, run.position, self._limits(run), event.peak_bytes
            )
            status = event.status if run.verdict is None else None
            if not self._starts_again(run, verdict, event.at, now, status):
                self._held.over(run, verdict, now, event.log_tail, event.peak_bytes)
        elif none_starts:
            self._none_starts(event, now)

    def _starts_again(
        self,
        run: RunningAttempt,
        outcome: Done | Verdict,
        at: Span | None,
        now: float,
        status: int | None = None,
    ) -> bool:
        """Whether a failed attempt starts again without some records. If so, it waits anew."""
        job, slot = self.jobs[run.attempt.job_id], self.slots[run.attempt.slot_id]
        if outcome.state is not AttemptState.FAILED or outcome.error is None or at is None:
            return False
        if slot.ending or job.forgotten or self.leaving:
            return False
        if run.bisection is None:
            run.bisection = Bisection(self._limits(run).bad_records)
        error = outcome.error
        if not run.bisection.ended_at(at, error.kind, error.message, status=status):
            return False
        run.worker = run.verdict = None
        run.last_active = now
        return True

    def _none_starts(self, event: ev.WorkerExited, now: float) -> None:
        words = f"no worker starts on {self.hostname} (status {event.status}): "
        last = event.log_tail.strip().rpartition("\n")[2]
        for run in self._held.waiting():
            self._held.stop(
                run, verdicts.failed(ErrorKind.INTERNAL, words + (last or "no output")), now
            )

    # After each event.

    def _tick(self, now: float) -> None:
        for run in list(self.runs.values()):
            if run.worker is None or run.verdict is not None:
                continue
            limits = self._limits(run)
            if limits.timeout and now - run.last_active > limits.timeout:
                self._held.stop(run, verdicts.timed_out(run, limits), now)
        self._worker_set.tick(now, slots=0 if self.leaving else len(self.slots))

    def _close_event(self, now: float) -> None:
        """Emit the commands that the whole state asks for. A second call would change nothing."""
        if self.leaving:
            self._end_everything(now)
            return
        self._assign(now)
        free_slots = len(self.slots) - len(self.runs)
        waiting = self._held.waiting()
        early = sum(self.jobs[run.attempt.job_id].facts is None for run in waiting)
        self._worker_set.balance(free_slots=free_slots, waiting=len(waiting), early=early, now=now)
        for job in [job for job in self.jobs.values() if job.forgotten]:
            self._drop_forgotten(job)

    def _assign(self, now: float) -> None:
        """Give an idle worker to each waiting attempt whose job is here. Prefer the job's own."""
        for run in self._held.waiting():
            job = self.jobs[run.attempt.job_id]
            if job.facts is None:
                continue
            chosen = self._worker_set.choose(job.job_id, job.facts.spec.session)
            if chosen is not None:
                self._run(run, chosen, job, now)

    def _run(self, run: RunningAttempt, worker: WorkerProcess, job: JobHere, now: float) -> None:
        assert job.facts is not None, "checked by _assign"
        attempt_id = run.attempt.attempt_id
        self._worker_set.occupy(worker, job.job_id, attempt_id, now, job.facts.spec.session)
        run.worker, run.last_active = worker.number, now
        limits = self._limits(run)
        self._out.append(
            cmd.RunInWorker(
                worker.number,
                run.attempt,
                job.facts,
                job.code_path,
                memory_limit_mb=limits.memory_mb,
                log_limit_kb=limits.log_kb,
                redo=run.bisection.redo() if run.bisection is not None else None,
            )
        )
        if run.is_reduce and job.outputs:
            outputs = tuple(job.outputs.values())
            self._out.append(cmd.TellMapOutputs(worker.number, attempt_id, outputs))

    def _drop_forgotten(self, job: JobHere) -> None:
        left = self._worker_set.part(job.job_id)
        if not left and not job.fetching and not self._held.of_job(job.job_id):
            del self.jobs[job.job_id]
            self._out.append(cmd.DropJob(job.job_id))

    def _end_everything(self, now: float) -> None:
        for run in list(self.runs.values()):
            self._held.stop(run, verdicts.killed(self.leaving), now)
        self._worker_set.kill_all()
        if self.workers or self._exited:
            return
        for slot_id in list(self.slots):
            self._held.end(slot_id, cmd.SlotReport.KILLED, self.leaving, now)
        self._exited = True
        self._out.append(cmd.Exit(self.leaving))
