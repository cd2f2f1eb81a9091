"""The main loop of a worker: it runs the attempts that its TaskTracker sends, one after another.

All attempts are of one job, which the worker unpickles once, or of the jobs of one session. When
the channel to the TaskTracker closes, the worker kills its whole process group, including children
of user code.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing.process
import os
import queue
import resource
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa
from msgspec.structs import replace

from mrmesos.access.tls import client_context
from mrmesos.api.job import Job
from mrmesos.conf import Conf, conf_from_environment
from mrmesos.machine_memory import machine_memory
from mrmesos.task.collect.map_output import raw_bytes
from mrmesos.task.drivers.failures import error_of
from mrmesos.task.drivers.limits import MAX_FETCH_FAILED
from mrmesos.task.drivers.progress import Watch
from mrmesos.task.drivers.record_spans import NOTE_FILE, Note
from mrmesos.task.drivers.user_code import as_job, check_key_hash, load_code
from mrmesos.task.files.job_files import forget_imports, import_from
from mrmesos.task.free_task import run_free
from mrmesos.task.map_task import MapResult, run_map
from mrmesos.task.reduce_task import run_reduce
from mrmesos.task.shuffle.addresses import source_address
from mrmesos.task.shuffle.fetch import Fetcher
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import JobFacts, memory_setting
from mrmesos.wire.task import AttemptState, FreeTask, MapTask, ReduceTask
from mrmesos.wire.trace import TRACEPARENT, Measured, on_the_wall, read_context
from mrmesos.worker.channel import FrameError, decode_to_worker, encode, read_frame
from mrmesos.worker.messages import Done, FromWorker, MapOutputsKnown, Ready, RunTask
from mrmesos.worker.profiler import Profiler
from mrmesos.worker.redirect import Redirected
from mrmesos.worker.reporter import Reporter

_HEADROOM_MB = 512
# After this many seconds of attempts, Python collects all cyclic garbage between two attempts. A
# collection takes half a millisecond.
_GC_AFTER_SECONDS = 0.1
_IDLE_SECONDS = 1.0
_KINDS = {MapTask: "map", ReduceTask: "reduce", FreeTask: "task"}

logger = logging.getLogger(__name__)


class Worker:
    """The main thread runs attempts in `run`; another thread reads the channel in `listen`."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._tasks: queue.SimpleQueue[RunTask] = queue.SimpleQueue()
        self._shuffle = threading.Lock()
        self._fetcher: Fetcher | None = None
        self._fetching = ""
        self._early: list[MapOutputsKnown] = []
        self._job: object = None
        self._code = ""
        self._code_dir: Path | None = None
        self._reporter = Reporter(self.send)
        self._profiler = Profiler()
        self._measured: list[Measured] = []

    def send(self, message: FromWorker) -> None:
        """Send one message. Any thread may call it."""
        frame = encode(message)
        with self._sending:
            self._channel.sendall(frame)

    def listen(self) -> None:
        """Read the channel until it ends, then end everything."""
        try:
            while (body := read_frame(self._channel)) is not None:
                message = decode_to_worker(body)
                if isinstance(message, RunTask):
                    self._tasks.put(message)
                elif isinstance(message, MapOutputsKnown):
                    self._known(message)
                else:
                    raise FrameError("it begins again")
        except BaseException as exc:  # noqa: BLE001 -- after any error this worker is useless
            logger.error("the channel to the TaskTracker broke: %r", exc)
        finally:
            os.killpg(0, signal.SIGKILL)

    def run(self) -> None:
        """Run attempts for ever."""
        self.send(Ready())
        seconds = 0.0
        while True:
            task = self._next()
            began = time.monotonic()
            self.send(self.attempt(task))
            seconds += time.monotonic() - began
            if seconds > _GC_AFTER_SECONDS:
                gc.collect()  # so that this attempt's garbage is not counted as the next one's
                seconds = 0.0

    def _next(self) -> RunTask:
        """The next attempt. After a long wait, the last attempt's unused memory is released."""
        try:
            return self._tasks.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            pa.default_memory_pool().release_unused()
            return self._tasks.get()

    def attempt(self, task: RunTask) -> Done:
        """Run one attempt to its end, whatever user code does."""
        watch = Watch()
        attempt_id = task.attempt.attempt_id
        trace, self._measured = _traced(task.facts.trace, attempt_id), []
        _limit_memory(task.memory_limit_mb)
        with Redirected(task.stdout_path, task.stderr_path):
            self._reporter.begin(attempt_id, watch)
            try:
                done = self._profiler.run(
                    attempt_id,
                    Conf(task.facts.spec.conf),
                    Path(task.work_dir),
                    task.hostname,
                    lambda: self._finished(task, watch),
                )
            except BaseException as exc:  # noqa: BLE001 -- all that user code raises ends here
                error = error_of(exc, _KINDS[type(task.attempt.task)])
                snapshot = watch.snapshot()
                done = Done(
                    attempt_id=attempt_id,
                    state=AttemptState.FAILED,
                    error=error,
                    fetch_failed=list(snapshot.fetch_failed[:MAX_FETCH_FAILED]) if snapshot else [],
                    at=Note.read(Path(task.work_dir) / NOTE_FILE),
                )
            finally:
                self._reporter.end()
            if done.error is not None and done.error.detail:
                sys.stderr.write(done.error.detail)
        if self._profiler.text:
            done = replace(done, profile=self._profiler.text)
        return replace(done, trace=trace, spans=tuple(self._measured)) if trace else done

    def _finished(self, task: RunTask, watch: Watch) -> Done:
        attempt, facts = task.attempt, _of_this_size(task)
        work_dir = Path(task.work_dir)
        if task.redo is not None:
            _remove_all_but_logs(task)
        # Temporary files of user code are deleted together with the attempt's directory.
        os.environ["TMPDIR"] = task.work_dir
        tempfile.tempdir = None  # the module caches its first answer
        check_key_hash(facts.spec, task.hostname)
        code = self._loaded(task)
        if isinstance(attempt.task, FreeTask):
            outcome = run_free(attempt.attempt_id, attempt.task, task.hostname)
            return Done(
                attempt_id=attempt.attempt_id,
                state=AttemptState.SUCCEEDED if outcome.error is None else AttemptState.FAILED,
                counters=outcome.counters,
                error=outcome.error,
                result=outcome.result,
            )
        job = as_job(code)
        if isinstance(attempt.task, MapTask):
            mapped = _mapped(task, facts, job, watch)
            return Done(
                attempt_id=attempt.attempt_id,
                state=AttemptState.SUCCEEDED,
                counters=mapped.counters,
            )
        assert isinstance(attempt.task, ReduceTask)
        fetcher = Fetcher(
            facts,
            attempt.task.partition,
            work_dir,
            tls=_tls,
            source=source_address(os.environ),
            tracker_url=task.tracker_url,
        )
        self._begin_fetch(attempt.attempt_id, fetcher)
        try:
            reduced = run_reduce(
                attempt,
                facts,
                job,
                work_dir,
                fetcher,
                hostname=task.hostname,
                watch=watch,
                redo=task.redo,
            )
        finally:
            self._end_fetch(fetcher)
        return Done(
            attempt_id=attempt.attempt_id,
            state=AttemptState.SUCCEEDED,
            counters=reduced.counters,
        )

    def _loaded(self, task: RunTask) -> object:
        """The job, or what the queue of a free task sends with it.

        All jobs of a queue share that, and a worker may outlive the first of them.
        """
        gone = self._code_dir is not None and not self._code_dir.exists()
        if gone or self._code != task.facts.spec.code:
            code, spec = Path(task.code_path), task.facts.spec
            if self._code_dir is not None:
                forget_imports(self._code_dir)
            self._job, self._code, self._code_dir = None, "", code.parent
            import_from(code.parent, spec.files)
            _place_sockets(code.parent)
            self._job = load_code(code, task.hostname, python=spec.python, sha256=spec.code)
            self._code = task.facts.spec.code
        return self._job

    # Announced map outputs may arrive before the main thread has created the fetcher for them.

    def _known(self, news: MapOutputsKnown) -> None:
        with self._shuffle:
            if self._fetcher is not None and news.attempt_id == self._fetching:
                self._fetcher.announce(news.outputs)
            else:
                self._early.append(news)

    def _begin_fetch(self, attempt_id: str, fetcher: Fetcher) -> None:
        with self._shuffle:
            self._fetcher, self._fetching = fetcher, attempt_id
            early, self._early = self._early, []
            for news in early:
                if news.attempt_id == attempt_id:
                    fetcher.announce(news.outputs)

    def _end_fetch(self, fetcher: Fetcher) -> None:
        with self._shuffle:
            self._fetcher, self._fetching = None, ""
        fetcher.close()
        if fetcher.took is not None:
            self._measured.append(Measured("fetch", *map(on_the_wall, fetcher.took)))


def _of_this_size(task: RunTask) -> JobFacts:
    """The job's facts with the memory of this attempt, which the JobTracker may have raised since
    the TaskTracker fetched them. The sizes of buffers follow from it.
    """
    attempt, spec = task.attempt, task.facts.spec
    if isinstance(attempt.task, FreeTask) or not attempt.memory_mb:
        return task.facts
    kind = TaskKind.REDUCE if isinstance(attempt.task, ReduceTask) else TaskKind.MAP
    conf = {**spec.conf, memory_setting(kind).name: str(attempt.memory_mb)}
    return replace(task.facts, spec=replace(spec, conf=conf))


def _mapped(task: RunTask, facts: JobFacts, job: Job, watch: Watch) -> MapResult:
    """Run a map. In a chain, one job may find the cut points of another."""
    attempt, work_dir = task.attempt, Path(task.work_dir)
    if facts.spec.sampled or facts.spec.cut_points is not None:
        from mrmesos.task.cut_points import read_cut_points, run_sampling  # takes time to import

        if facts.spec.sampled:
            return run_sampling(attempt, facts, job, work_dir)
        if facts.spec.cut_points is not None:
            job.cut_points = read_cut_points(facts.spec.cut_points)
    return run_map(
        attempt,
        facts,
        job,
        work_dir,
        hostname=task.hostname,
        watch=watch,
        redo=task.redo,
        raw_bytes=raw_bytes(task.tracker_url, facts.num_maps, machine_memory()),
    )


def _place_sockets(job_dir: Path) -> None:
    """Choose the directory in which `multiprocessing` binds its sockets (managers, forkserver).

    A socket's path may have at most 107 bytes, and paths of sandboxes are longer. The directory
    belongs to the job, because a forkserver outlives the attempt that started it.
    """
    directory = job_dir / "sockets"
    directory.mkdir(exist_ok=True)
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    place = f"/proc/{os.getpid()}/fd/"
    config = getattr(multiprocessing.process.current_process(), "_config", {})
    before = str(config.get("tempdir") or "")
    if before.startswith(place):  # of the session's last job: the number stays the same
        os.dup2(opened, int(before.removeprefix(place)), inheritable=False)
        os.close(opened)
    else:
        config["tempdir"] = f"{place}{opened}"


def _remove_all_but_logs(task: RunTask) -> None:
    """Remove the files of the attempt's earlier start, except its logs. Raises OSError."""
    for entry in Path(task.work_dir).iterdir():
        if str(entry) in (task.stdout_path, task.stderr_path):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _traced(job: str, attempt_id: str) -> str:
    """The context of an attempt's span. User code finds it in TRACEPARENT."""
    context = read_context(job)
    if context is None:
        os.environ.pop(TRACEPARENT, None)
        return ""
    os.environ[TRACEPARENT] = text = str(context.of(attempt_id))
    return text


def _tls() -> ssl.SSLContext:
    return client_context(conf_from_environment(os.environ))


def _limit_memory(limit_mb: int) -> None:
    """Make very large allocations raise MemoryError. The tracker's sampling is too slow for them.

    RLIMIT_DATA counts reserved memory, used or not, and Arrow's allocator alone reserves 1 GiB at
    import. So the limit is added to the memory that is reserved now.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = _reserved_bytes() + ((limit_mb + _HEADROOM_MB) << 20)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _reserved_bytes() -> int:
    """Size of this process's private writable address space (VmData in proc(5))."""
    for line in Path("/proc/self/status").read_bytes().splitlines():
        if line.startswith(b"VmData:"):
            return int(line.split()[1]) << 10
    return 0
