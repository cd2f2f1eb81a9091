"""The core's view of its worker processes: how many there should be, and which runs what.

A worker is blank until it runs its first attempt; from then on it runs attempts of that job only.
Part of the core: pure, its commands go to the list it is given.
"""

from __future__ import annotations

from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core.state import WorkerProcess, WorkerState

WORKER_START_SECONDS = 60.0
"""A worker that is not ready after so long is killed."""
WORKER_START_TRIES = 3
"""After so many workers in a row that did not start, the attempts that wait for one fail."""
PRESTARTED_SECONDS = 10.0
"""So long the workers started before any slot was there wait for one."""
SPARE_AFTER_SECONDS = 10.0
"""A blank spare worker is started when no fresh one was needed for so long: its start takes a third
of a CPU second, which jobs of a few seconds would pay for nothing."""


class WorkerSet:
    """All workers that are not yet gone, by number."""

    def __init__(self, out: list[cmd.Command], now: float, prestarted: int = 0) -> None:
        self.workers: dict[int, WorkerProcess] = {}
        self._began = now
        self._awaiting_slots = prestarted
        self._out = out
        self._last = 0
        self._failures = 0
        self._last_fresh = now
        for _ in range(prestarted):
            self.add(now)

    def get(self, number: int) -> WorkerProcess | None:
        """A worker that is not yet gone."""
        return self.workers.get(number)

    def add(self, now: float) -> int:
        """A worker that is being started; its number."""
        self._last += 1
        self.workers[self._last] = WorkerProcess(self._last, WorkerState.STARTING, now)
        self._last_fresh = now
        return self._last

    def start(self, count: int, now: float) -> None:
        """Start so many more (none where that is not above 0)."""
        for _ in range(count):
            self._out.append(cmd.StartWorker(self.add(now)))

    def kill(self, worker: WorkerProcess) -> None:
        """Kill a worker, once."""
        if worker.state is not WorkerState.DYING:
            worker.transition(WorkerState.DYING)
            self._out.append(cmd.KillWorker(worker.number))

    def kill_all(self) -> None:
        """Kill every worker."""
        for worker in self.workers.values():
            self.kill(worker)

    def ready(self, number: int, now: float) -> None:
        """A worker has started."""
        worker = self.workers.get(number)
        if worker is not None and worker.state is WorkerState.STARTING:
            self._failures = 0
            worker.transition(WorkerState.IDLE)
            worker.since = now

    def occupy(self, worker: WorkerProcess, job_id: str, attempt_id: str, now: float) -> None:
        """An idle worker runs an attempt from now on."""
        if not worker.job_id:
            self._last_fresh = now
            self._awaiting_slots -= 1
        worker.transition(WorkerState.BUSY)
        worker.job_id, worker.attempt_id = job_id, attempt_id

    def release(self, worker: WorkerProcess, now: float) -> None:
        """A worker's attempt is over; the worker stays warm."""
        worker.transition(WorkerState.IDLE)
        worker.since, worker.attempt_id = now, ""

    def gone(self, worker: WorkerProcess) -> bool:
        """A worker's process has ended. True when too many in a row did not start."""
        del self.workers[worker.number]
        if worker.state is not WorkerState.STARTING and not worker.overdue:
            return False
        self._failures += 1
        if self._failures < WORKER_START_TRIES:
            return False
        self._failures = 0
        return True

    def choose(self, job_id: str) -> WorkerProcess | None:
        """An idle worker for a job: the one of that job used last, or else a blank one."""
        idle = self._idle()
        warm = [worker for worker in idle if worker.job_id == job_id]
        if warm:
            return max(warm, key=lambda worker: worker.since)
        return next((worker for worker in idle if not worker.job_id), None)

    def of_job(self, job_id: str) -> list[WorkerProcess]:
        """The workers that have run code of a job."""
        return [worker for worker in self.workers.values() if worker.job_id == job_id]

    def balance(self, *, free_slots: int, waiting: int, now: float) -> None:
        """Start what `waiting` attempts need, and end what only holds memory: of the idle ones
        bound to jobs all but one for each free slot, of the blank ones all but one spare and
        those started ahead for slots that are to come.

        Where there is no blank spare, one more of those bound to jobs is it: a slot that ends for
        want of maps is often followed by one for a reduce of the same job.
        """
        blanks = self._blanks()
        self.start(waiting - len(blanks), now)
        bound = [worker for worker in self._idle() if worker.job_id]
        bound.sort(key=lambda worker: worker.since, reverse=True)
        spare = max(1, self._awaiting_slots - waiting)
        kept = free_slots if waiting or blanks else free_slots + 1
        for worker in bound[kept:] + blanks[waiting + spare :]:
            self.kill(worker)

    def tick(self, now: float, *, slots: int) -> None:
        """Kill what never became ready; start a spare, beyond one worker for each of these slots,
        where things are calm. None is wanted where there are none.
        """
        if now - self._began > PRESTARTED_SECONDS:
            self._awaiting_slots = 0
        for worker in self.workers.values():
            late = now - worker.since > WORKER_START_SECONDS
            if worker.state is WorkerState.STARTING and late:
                worker.overdue = True
                self.kill(worker)
        live = sum(worker.state is not WorkerState.DYING for worker in self.workers.values())
        is_calm = now - self._last_fresh > SPARE_AFTER_SECONDS
        if is_calm and 0 < slots >= live and not self._blanks():
            self.start(1, now)

    def _idle(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers.values() if worker.state is WorkerState.IDLE]

    def _blanks(self) -> list[WorkerProcess]:
        """Workers that have run nothing: the idle ones first."""
        states = (WorkerState.STARTING, WorkerState.IDLE)
        blanks = [w for w in self.workers.values() if not w.job_id and w.state in states]
        return sorted(blanks, key=lambda worker: worker.state is WorkerState.STARTING)
