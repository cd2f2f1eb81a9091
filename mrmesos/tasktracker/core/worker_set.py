"""The core's worker processes: decides how many there should be, and which one runs an attempt.

A worker is blank until its first attempt. From then on it runs attempts of that job only, or of
the jobs of that session. A session's worker waits for the session's next job.
Part of the core: pure. It appends its commands to the given list.
"""

from __future__ import annotations

from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core.state import WorkerProcess, WorkerState

WORKER_START_SECONDS = 60.0
"""A worker that is not ready after this time is killed."""
WORKER_START_TRIES = 3
"""After this many failed starts in a row, all waiting attempts fail."""
PRESTARTED_SECONDS = 10.0
"""Workers that were started before any slot wait this long for a slot."""
SPARE_AFTER_SECONDS = 10.0
"""A spare blank worker starts only after no fresh worker was needed for this time. Its start takes
a third of a CPU second, which would be wasted on a job of a few seconds.
"""

SESSION_SECONDS = 60.0
"""A worker waits this long for the next job of its session."""


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
        self._most_slots = 0
        for _ in range(prestarted):
            self.add(now)

    def get(self, number: int) -> WorkerProcess | None:
        """A worker that has not ended."""
        return self.workers.get(number)

    def add(self, now: float) -> int:
        """Note that a worker is being started. Returns its number."""
        self._last += 1
        self.workers[self._last] = WorkerProcess(self._last, WorkerState.STARTING, now)
        self._last_fresh = now
        return self._last

    def start(self, count: int, now: float) -> None:
        """Start `count` more workers; none if `count` is 0 or less."""
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
        """Note that a worker has started."""
        worker = self.workers.get(number)
        if worker is not None and worker.state is WorkerState.STARTING:
            self._failures = 0
            worker.transition(WorkerState.IDLE)
            worker.since = now

    def occupy(
        self, worker: WorkerProcess, job_id: str, attempt_id: str, now: float, session: str = ""
    ) -> None:
        """Note that an idle worker runs an attempt from now on."""
        if worker.blank:
            self._last_fresh = now
            self._awaiting_slots -= 1
        worker.transition(WorkerState.BUSY)
        worker.job_id, worker.attempt_id, worker.session = job_id, attempt_id, session

    def release(self, worker: WorkerProcess, now: float) -> None:
        """Note that a worker's attempt has ended. The worker stays for the next one."""
        worker.transition(WorkerState.IDLE)
        worker.since, worker.attempt_id = now, ""

    def gone(self, worker: WorkerProcess) -> bool:
        """Note that a worker's process has ended. True if too many in a row failed to start."""
        del self.workers[worker.number]
        if worker.state is not WorkerState.STARTING and not worker.overdue:
            return False
        self._failures += 1
        if self._failures < WORKER_START_TRIES:
            return False
        self._failures = 0
        return True

    def choose(self, job_id: str, session: str = "") -> WorkerProcess | None:
        """An idle worker for a job: first the one that this job used most recently, then one of its
        session, then a blank one.
        """
        idle = self._idle()
        warm = [worker for worker in idle if worker.job_id == job_id]
        if session and not warm:
            warm = [worker for worker in idle if worker.session == session]
        if warm:
            return max(warm, key=lambda worker: (not worker.job_id, worker.since))
        return next((worker for worker in idle if worker.blank), None)

    def part(self, job_id: str) -> bool:
        """End the idle workers of a job that has ended, or keep them for their session.

        Returns whether some workers are still bound to the job.
        """
        mine = self.of_job(job_id)
        for worker in mine:
            if worker.state is not WorkerState.IDLE:
                continue
            if worker.session:
                worker.job_id = ""
            else:
                self.kill(worker)
        return any(worker.job_id for worker in mine)

    def of_job(self, job_id: str) -> list[WorkerProcess]:
        """The workers that have run code of a job."""
        return [worker for worker in self.workers.values() if worker.job_id == job_id]

    def balance(self, *, free_slots: int, waiting: int, now: float, early: int = 0) -> None:
        """Start workers for `waiting` attempts, and kill idle ones that only hold memory.

        The jobs of `early` of these attempts are not known yet. They may belong to a session. Then
        they get an idle worker of the session.

        Idle workers of sessions stay as long as no more workers live than slots were held at once.
        Of the other idle workers bound to a job, one for each free slot stays. Of the blank ones,
        those for waiting attempts stay, and either one spare or those that were started for
        expected slots.

        If there is no blank worker, one more bound worker stays as the spare. When a slot ends
        because there are no more maps, a slot for a reduce of the same job often follows.
        """
        blanks = self._blanks()
        of_sessions = [worker for worker in self._idle() if worker.session]
        of_sessions.sort(key=lambda worker: worker.since, reverse=True)
        waiting -= min(early, len(of_sessions))
        busy = sum(worker.state is WorkerState.BUSY for worker in self.workers.values())
        self._most_slots = max(self._most_slots, free_slots + busy + waiting)
        for worker in of_sessions[max(0, self._most_slots - busy - waiting) :]:
            self.kill(worker)
        self.start(waiting - len(blanks), now)
        bound = [worker for worker in self._idle() if worker.job_id and not worker.session]
        bound.sort(key=lambda worker: worker.since, reverse=True)
        spare = max(1, self._awaiting_slots - waiting)
        kept = free_slots if waiting or blanks else free_slots + 1
        for worker in bound[kept:] + blanks[waiting + spare :]:
            self.kill(worker)

    def tick(self, now: float, *, slots: int) -> None:
        """Kill workers that never became ready, and start a spare blank worker.

        The spare starts only if there are slots, no more live workers than slots, and no blank
        worker, and if no fresh worker was needed for SPARE_AFTER_SECONDS.
        """
        if now - self._began > PRESTARTED_SECONDS:
            self._awaiting_slots = 0
        for worker in self.workers.values():
            late = now - worker.since > WORKER_START_SECONDS
            if worker.state is WorkerState.STARTING and late:
                worker.overdue = True
                self.kill(worker)
            idle = now - worker.since if worker.state is WorkerState.IDLE else 0.0
            if worker.session and idle > SESSION_SECONDS:
                self.kill(worker)
        live = sum(worker.state is not WorkerState.DYING for worker in self.workers.values())
        is_calm = now - self._last_fresh > SPARE_AFTER_SECONDS
        if is_calm and 0 < slots >= live and not self._blanks():
            self.start(1, now)

    def _idle(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers.values() if worker.state is WorkerState.IDLE]

    def _blanks(self) -> list[WorkerProcess]:
        """Workers that have run nothing. The idle ones come first."""
        states = (WorkerState.STARTING, WorkerState.IDLE)
        blanks = [w for w in self.workers.values() if w.blank and w.state in states]
        return sorted(blanks, key=lambda worker: worker.state is WorkerState.STARTING)
