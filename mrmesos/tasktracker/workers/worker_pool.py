"""The pool of worker processes: starts them, sends them attempts, watches, limits and kills them.

Comes in: calls of the shell. Goes out: events for the core, through `on_event`.
Thread: the event loop's. The pool makes one decision itself: it kills all processes that a worker
leaves behind, at the end of an attempt and at its own end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrmesos.task.drivers.record_spans import NOTE_FILE, Note
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.workers import logs, processes
from mrmesos.tasktracker.workers.exits import wait_for_end
from mrmesos.tasktracker.workers.spawn import WORKER_COMMAND, Spawned, mark, spawn_worker
from mrmesos.tasktracker.workers.stacks import ask_stack
from mrmesos.wire.task import AttemptState
from mrmesos.wire.tracker_status import Stack, WorkerStatus
from mrmesos.worker.channel import FrameError, body_length, decode_from_worker, encode
from mrmesos.worker.messages import Done, MapOutputsKnown, Ready, RunTask, ToWorker, WorkerProgress

logger = logging.getLogger(__name__)

SAMPLE_SECONDS = 0.2
KILL_SECONDS = 10.0
"""A worker that is still there this long after SIGKILL (stuck in the kernel) is given up."""
_DRAIN_SECONDS = 2.0
_WORKER_LOG_BYTES = 1 << 20
_KEPT_LOGS = 20
_UNSENT_MAX = 256 << 20  # bytes that a worker has not read yet


@dataclass(slots=True)
class _Attempt:
    """The attempt of a busy worker."""

    attempt_id: str
    stdout: Path
    stderr: Path
    memory_limit: int
    log_limit: int
    note: Path
    peak: int = 0
    told: bool = False


class _Process:
    """One worker process as the pool sees it."""

    def __init__(self, number: int, spawned: Spawned) -> None:
        self.number = number
        self.popen = spawned.process
        self.channel = spawned.channel
        self.log_path = spawned.log_path
        self.attempt: _Attempt | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.reading: asyncio.Task[None] | None = None
        self.life: asyncio.Task[None] | None = None
        self.killed = asyncio.Event()

    @property
    def pid(self) -> int:
        """The pid, which is also the id of the process group."""
        return self.popen.pid


class WorkerPool:
    """The worker processes of one TaskTracker."""

    def __init__(
        self,
        sandbox: Path,
        on_event: Callable[[ev.Event], None],
        *,
        command: Sequence[str] = WORKER_COMMAND,
        adopt_orphans: bool = False,
    ) -> None:
        """`adopt_orphans`: this process is the subreaper of its workers' orphaned children.

        Then every child that is not a worker comes from a worker.
        """
        self._sandbox = sandbox
        self._on_event = on_event
        self._command = command
        self._adopt_orphans = adopt_orphans
        self._processes: dict[int, _Process] = {}
        self._sampler: asyncio.Task[None] | None = None
        self._kept_logs: deque[Path] = deque()
        self.ended: Counter[str] = Counter()
        """Attempts that ended, by state."""

    @property
    def pids(self) -> list[int]:
        """The pids of all workers that have not ended."""
        return [process.pid for process in self._processes.values()]

    def workers(self) -> list[WorkerStatus]:
        """All workers, with the memory of their process trees. Any thread may call it."""
        found = []
        for process in list(self._processes.values()):
            tree = [process.pid, *processes.descendants(process.pid)]
            attempt = process.attempt
            found.append(
                WorkerStatus(
                    pid=process.pid,
                    attempt_id=attempt.attempt_id if attempt is not None else "",
                    memory_bytes=processes.memory_bytes(tree, 0),
                    limit_bytes=attempt.memory_limit if attempt is not None else 0,
                )
            )
        return found

    async def stack(self, attempt_id: str) -> Stack:
        """The present stacks of the worker that runs an attempt."""
        for process in self._processes.values():
            if process.attempt is not None and process.attempt.attempt_id == attempt_id:
                return await ask_stack(process.pid, process.log_path)
        return Stack(problem="the attempt does not run here now")

    def start(self, number: int, spawned: Spawned | None = None) -> None:
        """Start a worker, or take over a process that was started before."""
        if spawned is None:
            try:
                spawned = spawn_worker(number, self._sandbox, self._command)
            except OSError as problem:
                logger.error("cannot start worker %d: %s", number, problem)
                failed = ev.WorkerExited(number, None, log_tail=f"cannot be started: {problem}")
                asyncio.get_running_loop().call_soon(self._on_event, failed)
                return
        process = _Process(number, spawned)
        self._processes[number] = process
        process.life = asyncio.create_task(self._live(process), name=f"worker {number}")
        if self._sampler is None:
            self._sampler = asyncio.create_task(self._sample_for_ever(), name="sampler")

    def run(self, number: int, message: RunTask, log_limit_kb: int) -> None:
        """Create `message.work_dir` and the log files, and let a worker run an attempt.

        Raises OSError if they cannot be created.
        """
        process = self._processes.get(number)
        if process is None:
            return  # it has just died, and its WorkerExited follows
        Path(message.work_dir).mkdir(parents=True, exist_ok=True)
        stdout, stderr = Path(message.stdout_path), Path(message.stderr_path)
        stdout.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        logs.create(stdout)
        logs.create(stderr)
        process.attempt = _Attempt(
            attempt_id=message.attempt.attempt_id,
            stdout=stdout,
            stderr=stderr,
            memory_limit=message.memory_limit_mb << 20,
            log_limit=log_limit_kb << 10,
            note=Path(message.work_dir) / NOTE_FILE,
        )
        self._send(process, message)

    def tell(self, number: int, message: MapOutputsKnown) -> None:
        """Send a message to a worker, if it still runs."""
        process = self._processes.get(number)
        if process is not None:
            self._send(process, message)

    def kill(self, number: int) -> None:
        """Kill a worker and all its children; WorkerExited follows within KILL_SECONDS."""
        process = self._processes.get(number)
        if process is not None:
            process.killed.set()
            self._kill_all_of(process)

    async def close(self) -> None:
        """Kill all workers and wait for their end."""
        for number in list(self._processes):
            self.kill(number)
        lives = [p.life for p in self._processes.values() if p.life is not None]
        if lives:
            await asyncio.wait(lives, timeout=KILL_SECONDS + 2 * _DRAIN_SECONDS)
        if self._sampler is not None:
            self._sampler.cancel()
            await asyncio.gather(self._sampler, return_exceptions=True)
            self._sampler = None
        if self._adopt_orphans:
            self._tend_orphans()

    # The life of one process.

    async def _live(self, process: _Process) -> None:
        reader, process.writer = await asyncio.open_connection(sock=process.channel)
        process.reading = asyncio.create_task(self._read(process, reader))
        gone = await self._wait_for_exit(process)
        # It is a zombie until the `wait` below, so no other group can have its number yet.
        self._kill_all_of(process)
        # First read its last messages. A child of it may keep the channel open, so there is a
        # timeout.
        await asyncio.wait([process.reading], timeout=_DRAIN_SECONDS)
        process.reading.cancel()
        process.writer.close()
        status = process.popen.wait(timeout=KILL_SECONDS) if gone else None
        del self._processes[process.number]
        if not gone:
            logger.error("worker %d (pid %d) did not die", process.number, process.pid)
        attempt = process.attempt
        tail, peak, at = "", 0, None
        if attempt is not None:
            killed = process.killed.is_set()
            self.ended[AttemptState.KILLED if killed else AttemptState.FAILED] += 1
            tail = logs.tails(attempt.stderr, attempt.stdout, logs.FAILED_TAIL_BYTES)
            peak = attempt.peak
            at = Note.read(attempt.note)
        if not tail:
            own = logs.tail(process.log_path, logs.FAILED_TAIL_BYTES)
            tail = own.decode("utf-8", "replace").rstrip("\n")
        self._keep_log(process.log_path)
        exited = ev.WorkerExited(process.number, status, log_tail=tail, peak_bytes=peak, at=at)
        self._on_event(exited)

    def _keep_log(self, path: Path) -> None:
        """Keep only the last few logs of ended workers, and no empty ones."""
        try:
            if path.stat().st_size:
                self._kept_logs.append(path)
            else:
                path.unlink()
            if len(self._kept_logs) > _KEPT_LOGS:
                self._kept_logs.popleft().unlink()
        except OSError as problem:
            logger.warning("%s", problem)

    async def _wait_for_exit(self, process: _Process) -> bool:
        """Wait until the process has ended (True), or did not end after a kill (False)."""
        ended = asyncio.create_task(wait_for_end(process.pid))
        killed = asyncio.create_task(process.killed.wait())
        try:
            await asyncio.wait([ended, killed], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([ended], timeout=KILL_SECONDS)
            return ended.done()
        finally:
            killed.cancel()
            ended.cancel()

    async def _read(self, process: _Process, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                length = body_length(await reader.readexactly(4))
                self._message(process, await reader.readexactly(length))
        except FrameError as problem:
            self._on_event(ev.WorkerBroken(process.number, str(problem)))
        except (asyncio.IncompleteReadError, ConnectionError):
            # Most likely it died. If it only closed its channel, it is useless now.
            asyncio.get_running_loop().call_later(_DRAIN_SECONDS, self._still_there, process)

    def _still_there(self, process: _Process) -> None:
        if self._processes.get(process.number) is process and not process.killed.is_set():
            self._on_event(ev.WorkerBroken(process.number, "the worker closed its channel"))

    def _message(self, process: _Process, body: bytes) -> None:
        match decode_from_worker(body):
            case Ready():
                self._on_event(ev.WorkerReady(process.number))
            case WorkerProgress() as message:
                self._on_event(ev.WorkerProgressed(process.number, message))
            case Done() as message:
                self._done(process, message)

    def _done(self, process: _Process, message: Done) -> None:
        attempt, process.attempt = process.attempt, None
        tail, peak = "", 0
        self.ended[message.state] += 1
        if attempt is not None:
            failed = message.error is not None
            limit = logs.FAILED_TAIL_BYTES if failed else logs.SUCCEEDED_TAIL_BYTES
            tail = logs.tails(attempt.stderr, attempt.stdout, limit)
            peak = max(attempt.peak, processes.peak_bytes(process.pid))
            self._kill_children_of(process)
            self._bound_logs(process, attempt)
        self._on_event(ev.WorkerDone(process.number, message, log_tail=tail, peak_bytes=peak))

    def _send(self, process: _Process, message: ToWorker) -> None:
        writer = process.writer
        if writer is None or writer.is_closing():
            return
        try:
            frame = encode(message)
        except FrameError as problem:
            self._break_later(process, str(problem))
            return
        if writer.transport.get_write_buffer_size() + len(frame) > _UNSENT_MAX:
            self._break_later(process, "the worker does not read its messages")
            return
        writer.write(frame)

    def _break_later(self, process: _Process, words: str) -> None:
        broken = ev.WorkerBroken(process.number, words)
        asyncio.get_running_loop().call_soon(self._on_event, broken)

    # Killing.

    def _kill_all_of(self, process: _Process) -> None:
        self._kill_children_of(process)
        if process.popen.returncode is None:
            processes.kill_group(process.pid)
        # Kill once more: a process that was just being started is an orphan now, or in the group.
        self._kill_children_of(process)

    def _kill_children_of(self, process: _Process) -> None:
        processes.kill_descendants(process.pid)
        for orphan in self._orphans():
            if self._owner(orphan) == process.number:
                processes.kill_descendants(orphan)
                processes.kill(orphan)

    def _orphans(self) -> list[int]:
        if not self._adopt_orphans:
            return []
        own = set(self.pids)
        return [pid for pid in processes.children(os.getpid()) if pid not in own]

    def _owner(self, orphan: int) -> int | None:
        """The live worker from which an orphan comes; None if that is unknown."""
        with contextlib.suppress(ProcessLookupError):
            group = os.getpgid(orphan)
            text = processes.mark_of(orphan)
            for process in self._processes.values():
                if process.pid == group or text == mark(process.number):
                    return process.number
        return None

    def _tend_orphans(self) -> dict[int, list[int]]:
        """Reap dead orphans, and kill those without a live worker. Returns the others by worker."""
        owned: dict[int, list[int]] = {}
        for orphan in self._orphans():
            if processes.reap(orphan):
                continue
            owner = self._owner(orphan)
            if owner is None:
                processes.kill_descendants(orphan)
                processes.kill(orphan)
                processes.reap(orphan)
            else:
                owned.setdefault(owner, []).append(orphan)
        return owned

    # Limits.

    async def _sample_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            owned = self._tend_orphans()
            for process in list(self._processes.values()):
                self._bound_log(process.number, process.log_path, _WORKER_LOG_BYTES)
                if process.attempt is not None:
                    self._sample(process, process.attempt, owned.get(process.number, []))

    def _sample(self, process: _Process, attempt: _Attempt, orphans: list[int]) -> None:
        self._bound_logs(process, attempt)
        tree = [process.pid, *processes.descendants(process.pid)]
        for orphan in orphans:
            tree += [orphan, *processes.descendants(orphan)]
        used = processes.memory_bytes(tree, attempt.memory_limit)
        attempt.peak = max(attempt.peak, used)
        if used > attempt.memory_limit and not attempt.told:
            attempt.told = True
            self._on_event(ev.WorkerOverMemory(process.number, attempt.attempt_id, used))

    def _bound_logs(self, process: _Process, attempt: _Attempt) -> None:
        for path in (attempt.stdout, attempt.stderr):
            self._bound_log(process.number, path, attempt.log_limit)

    def _bound_log(self, number: int, path: Path, limit: int) -> None:
        """Limit a log file. Only logs errors, as a full disk must not end the sampler."""
        try:
            logs.bound(path, limit)
        except OSError as problem:
            logger.warning("worker %d: %s: %s", number, path, problem)
