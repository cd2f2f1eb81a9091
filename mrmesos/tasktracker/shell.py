"""The shell around the core: it runs the core's commands, and brings it events.

Comes in: events from Mesos, the workers and the JobTracker. Goes out: commands to them.
Thread: one event loop in the process's main thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from mrmesos.access.names import known_as
from mrmesos.access.tls import client_context, server_context
from mrmesos.conf import TASKTRACKER_METRICS_PUBLIC
from mrmesos.task.files.user_logs import UserLogs
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.core.tracker import TaskTracker
from mrmesos.tasktracker.inspection import Inspection
from mrmesos.tasktracker.jobtracker.client import JobTrackerLink
from mrmesos.tasktracker.jobtracker.heartbeats import Heartbeats, JobTrackerAway
from mrmesos.tasktracker.outputs.disk import trouble
from mrmesos.tasktracker.outputs.job_cache import JobCache, JobFetchError, JobGone
from mrmesos.tasktracker.outputs.shuffle_server import ShuffleServer
from mrmesos.tasktracker.settings import TrackerSettings
from mrmesos.tasktracker.workers.spawn import WORKER_COMMAND, Spawned
from mrmesos.tasktracker.workers.worker_pool import WorkerPool
from mrmesos.wire.heartbeat import HeartbeatAnswer
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind
from mrmesos.worker.messages import MAP_OUTPUTS_PER_FRAME, Done, MapOutputsKnown, RunTask

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
_CLEAN_UP_SECONDS = 30.0


class Statuses(Protocol):
    """Sends status updates to Mesos."""

    def send_status(self, status: cmd.SendStatus) -> None:
        """Send a status update after all earlier ones. Does not wait."""


class Shell:
    """One TaskTracker. Events that arrive before `run()` wait for it."""

    def __init__(
        self,
        settings: TrackerSettings,
        statuses: Statuses,
        *,
        first_workers: Sequence[Spawned] = (),
        worker_command: Sequence[str] = WORKER_COMMAND,
        adopt_orphans: bool = False,
    ) -> None:
        self._settings = settings
        self._statuses = statuses
        self._first_workers = first_workers
        self._epoch = time.time() - time.monotonic()
        self.tracker = TaskTracker(
            tracker_id=settings.tracker_id,
            agent_id="",
            hostname="",
            now=self._now(),
            prestarted=len(first_workers),
        )
        self._pool = WorkerPool(
            settings.sandbox, self.handle, command=worker_command, adopt_orphans=adopt_orphans
        )
        may_be_https = settings.jobtracker.startswith(("https:", "zk:"))
        tls = client_context(settings.conf) if may_be_https else None
        self._jobtracker = JobTrackerLink(
            settings.jobtracker, settings.tracker_id, tls, settings.source
        )
        self._jobs = JobCache(
            settings.sandbox,
            self._jobtracker,
            give_up_seconds=settings.expiry_seconds,
            cache_bytes=settings.cache_bytes,
            logs=UserLogs(settings.userlogs, settings.userlog_bytes),
        )
        self._server = ShuffleServer(
            self._jobs,
            tls=server_context(settings.conf),
            guard=known_as(settings.conf, settings.address),
        )
        self._inspection = Inspection(
            self.tracker,
            self._pool,
            self._jobs,
            settings.sandbox,
            public=settings.conf.get_as(TASKTRACKER_METRICS_PUBLIC),
        )
        self._inspection.attach(self._server)
        self._heartbeats: Heartbeats | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._registered = asyncio.Event()
        self._over: asyncio.Future[str] | None = None
        self._backlog: list[ev.Event] = []
        self._unusable = ""

    def _now(self) -> float:
        """Unix time in seconds, without jumps, because timeouts are measured with it."""
        return self._epoch + time.monotonic()

    def registered(self, agent_id: str, hostname: str) -> None:
        """Learn the agent's id and hostname, after Mesos has registered us."""
        self.tracker.agent_id, self.tracker.hostname = agent_id, hostname
        self._registered.set()

    def use_key(self, key: str) -> None:
        """Set the key that signs requests to the JobTracker. Requests wait for it."""
        self._jobtracker.use_key(key)
        self._inspection.use_key(key)

    async def run(self) -> str:
        """Run until the core's Exit command. Returns its reason. Raises our own errors."""
        self._over = asyncio.get_running_loop().create_future()
        try:
            await self._jobtracker.open()
            self.tracker.url = await self._serve()
            for number, spawned in enumerate(self._first_workers, start=1):
                self._pool.start(number, spawned)
            backlog, self._backlog = self._backlog, []
            for event in backlog:
                self.handle(event)
            self._spawn(self._tick())
            self._spawn(self._beat())
            return await self._over
        finally:
            await self._close()
            await self._jobtracker.close()

    async def _serve(self) -> str:
        address = self._settings.address
        try:
            return await self._server.start(address)
        except OSError as problem:
            # In a container with its own network, we cannot listen on the agent's address.
            logger.warning("cannot listen on %s: %s; listening everywhere", address, problem)
            url = await self._server.start("0.0.0.0")
            return url.replace("0.0.0.0", address)

    async def _close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._pool.close()
        try:
            async with asyncio.timeout(_CLEAN_UP_SECONDS):
                await self._server.close()
                await self._jobs.remove_all()
        except TimeoutError:
            logger.warning("not everything was deleted in %g s", _CLEAN_UP_SECONDS)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._fail(problem)

    def _fail(self, problem: BaseException) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_exception(problem)

    # Events in, commands out.

    def handle(self, event: ev.Event) -> None:
        """Let the core handle an event, and run its commands. Only for the event loop's thread."""
        if self._over is None:
            self._backlog.append(event)
            return
        if self._over.done():
            return
        try:
            for command in self.tracker.handle(event, self._now()):
                self._execute(command)
        except Exception as problem:  # after a bug of ours, end the process instead of half of it
            logger.exception("while handling %r", event)
            self._fail(problem)

    def _execute(self, command: cmd.Command) -> None:
        match command:
            case cmd.StartWorker():
                self._pool.start(command.worker)
            case cmd.RunInWorker():
                self._run(command)
            case cmd.TellMapOutputs():
                for start in range(0, len(command.outputs), MAP_OUTPUTS_PER_FRAME):
                    part = list(command.outputs[start : start + MAP_OUTPUTS_PER_FRAME])
                    self._pool.tell(command.worker, MapOutputsKnown(command.attempt_id, part))
            case cmd.KillWorker():
                self._pool.kill(command.worker)
            case cmd.CleanAttempt():
                if command.keep_output:
                    self._jobs.add_output(command.attempt_id)
                self._spawn(self._jobs.clean_attempt(command.attempt_id, command.keep_output))
            case cmd.FetchJob():
                self._spawn(self._fetch(command.job_id))
            case cmd.DropJob():
                self._spawn(self._jobs.forget(command.job_id))
            case cmd.SendStatus():
                self._statuses.send_status(command)
            case cmd.HeartbeatNow():
                if self._heartbeats is not None:
                    self._heartbeats.now()
            case cmd.Exit():
                logger.info("exit: %s", command.reason)
                if self._over is not None and not self._over.done():
                    self._over.set_result(command.reason)

    def _run(self, command: cmd.RunInWorker) -> None:
        attempt_id = command.attempt.attempt_id
        try:
            Path(command.code_path).stat()  # a missing file would look like an error of user code
            work_dir = self._jobs.add_attempt(attempt_id)
            log_dir = self._jobs.logs.directory(attempt_id)
            message = RunTask(
                attempt=command.attempt,
                facts=command.facts,
                code_path=command.code_path,
                work_dir=str(work_dir),
                stdout_path=str(log_dir / "stdout"),
                stderr_path=str(log_dir / "stderr"),
                memory_limit_mb=command.memory_limit_mb,
                hostname=self.tracker.hostname,
                agent_id=self.tracker.agent_id,
                tracker_url=self.tracker.url,
                redo=command.redo,
            )
            self._pool.run(command.worker, message, command.log_limit_kb)
        except OSError as problem:
            error = AttemptError(
                kind=ErrorKind.LOST, message=f"cannot use the working directory: {problem}"
            )
            done = Done(attempt_id=attempt_id, state=AttemptState.FAILED, error=error)
            failed = ev.WorkerDone(command.worker, done)
            why = trouble(self._settings.sandbox, Path(command.code_path))
            asyncio.get_running_loop().call_soon(self._no_place, failed, why)

    def _no_place(self, failed: ev.WorkerDone, why: str) -> None:
        """Report that an attempt could not begin. If no other attempt can begin here, `why` says
        so.
        """
        self.handle(failed)
        self._unusable = self._unusable or why

    async def _fetch(self, job_id: str) -> None:
        try:
            job = await self._jobs.fetch(job_id)
        except JobFetchError as problem:
            logger.error("%s", problem)
            gone = isinstance(problem, JobGone)
            self.handle(ev.JobFetchFailed(job_id, str(problem), gone=gone))
        else:
            self.handle(ev.JobFetched(job.facts, str(job.code_path)))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.handle(ev.TrackerTick())

    async def _beat(self) -> None:
        await self._registered.wait()
        await self._jobtracker.ready()
        self._heartbeats = Heartbeats(
            self._jobtracker,
            make=self.tracker.heartbeat,
            on_answer=self._answered,
            held_seconds=self._settings.heartbeat_seconds,
            expiry_seconds=self._settings.expiry_seconds,
        )
        try:
            await self._heartbeats.run()
        except JobTrackerAway as problem:
            self.handle(ev.LeaveAsked(f"the JobTracker is gone: {problem}"))

    def _answered(self, answer: HeartbeatAnswer, reported: tuple[str, ...]) -> None:
        self.handle(ev.HeartbeatAnswered(answer, reported))
        if self._unusable and not self.tracker.reports:
            # Mesos gives the next TaskTracker on this agent a new directory. This one would fail
            # one attempt after another, faster than others could run them.
            self.handle(ev.LeaveAsked(f"its directory cannot be used: {self._unusable}"))
