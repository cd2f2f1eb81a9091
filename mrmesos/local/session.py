"""A session: a cluster or a connection, and warm workers, that stay between the jobs of a program.

    from mrmesos.api import Session

    with Session() as s:
        ranks = s.run(FirstRanks, "links.txt")
        for _ in range(10):
            ranks = s.run(Iterate, ranks)
            if ranks.counters["pagerank"]["changed"] == 0:
                break
        print(ranks.take(5))

Thread: any, several at once. The session has no thread of its own, and no signal handler. Its
cluster and its JobTracker are in a child process (session_host.py), which ends with this one.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from mrmesos.access.identity import current_user
from mrmesos.api.chain import Chain
from mrmesos.api.context import Counters, add_counters
from mrmesos.api.job import Job, JobError
from mrmesos.client.access import open_client, pickle_key, trusted
from mrmesos.client.api_client import RETRY_SECONDS, ApiProblem, JobTrackerClient, Unreachable
from mrmesos.client.chain_run import ClientHooks, HookFailed
from mrmesos.client.code.inputs import absolute_uri
from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.config.configuration import read_configuration
from mrmesos.client.local_cluster import check_fits, local_size
from mrmesos.client.terminal.chain_progress import open_chain_progress
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.client.terminal.progress import open_progress
from mrmesos.client.terminal.results import format_error
from mrmesos.conf import Conf
from mrmesos.io.output.output_dir import OutputDirectory
from mrmesos.local.result import JobFailed, JobKilled, KeptResult, Result
from mrmesos.local.run import child_environment
from mrmesos.local.session_chain import PreparedChain, as_one, prepare_chain, results_of
from mrmesos.local.session_host import HostRequest
from mrmesos.local.session_job import Arguments, Inputs, SessionFacts, prepare, texts
from mrmesos.local.session_jobs import line, table
from mrmesos.local.session_process import HostProcess, SessionLost
from mrmesos.wire.chain import ChainState, ChainStatus
from mrmesos.wire.ids import is_chain_id
from mrmesos.wire.job import FileKind, JobSpec, JobState, JobStatus
from mrmesos.wire.queue import QueueStatus

POLL_SECONDS = 1.0
SHOW_AFTER_SECONDS = 1.0
"""A job that ends sooner than this shows no progress."""
KILL_SECONDS = 30.0
PAGE_SECONDS = 3600.0
REMEMBERED = 1000
"""The number of jobs in `repr` and in a notebook's table. Older jobs are only counted."""


class Session:
    """A place where jobs run one after another, or at once from several threads.

    By default, the session starts a cluster on this host: `local_agents` agents of minimesos and a
    JobTracker. `master` names a Mesos cluster for a JobTracker of the session's own; `jobtracker`
    names a running JobTracker. Both need `work`, the URI of a directory that all agents can write
    to. `conf` has settings for all jobs, as with `-D`. `py_files`, `files` and `archives` go with
    every job. Progress goes to `progress` (default `sys.stderr`).

    mrmesos.toml and variables give further settings, but no cluster.

    Raises JobError for wrong arguments, SessionLost if the cluster does not start.
    """

    def __init__(
        self,
        *,
        jobtracker: str = "",
        master: str = "",
        work: str | Path | None = None,
        local_agents: int | None = None,
        conf: Mapping[str, object] | None = None,
        py_files: Sequence[str | Path] = (),
        files: Sequence[str | Path] = (),
        archives: Sequence[str | Path] = (),
        progress: TextIO | None = None,
    ) -> None:
        _check(jobtracker, master, work, local_agents)
        assigned = [f"{name}={text}" for name, text in texts(conf or {}).items()]
        try:
            layers = read_configuration(assignments=assigned).layers
        except UsageProblem as problem:
            raise JobError(problem.message) from None
        site, settled = layers.for_job()
        self._conf = layers.for_client()
        self._agents = 0 if jobtracker or master else local_agents or 1
        self._jobtracker, self._progress = jobtracker, progress
        self._where = jobtracker or master or "local"
        self._ended = threading.Event()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._jobs: deque[JobStatus] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._garbage: deque[str] = deque()  # the data of results that nobody refers to any more
        name, token = secrets.token_hex(8), secrets.token_urlsafe(32)
        key = pickle_key(jobtracker, self._conf)
        job_files = JobFiles()
        try:
            for kind, given in (
                (FileKind.FILE, files),
                (FileKind.ARCHIVE, archives),
                (FileKind.PYTHON, py_files),
            ):
                job_files.add(kind, map(str, given))
            where = absolute_uri(str(work)) if work else ""
            service = layers.for_jobtracker().merged(site).merged(settled)
            conf = self._conf if jobtracker else service
            request = HostRequest(name, token, dict(conf), master, self._agents, where, jobtracker)
            self._host = HostProcess(request, child_environment())
        except UsageProblem as problem:
            job_files.close()
            raise JobError(problem.message) from None
        except BaseException:
            job_files.close()
            raise
        self._files = job_files
        self._token = token if self._host.reply.url else ""
        self._url, self._data = self._host.reply.url or jobtracker, self._host.reply.data
        sent = tuple(Path(each) for each in py_files)
        self._facts = SessionFacts(name, secrets.token_hex(32), key, site, settled, job_files, sent)

    def run(
        self,
        job: type[Job] | Job | type[Chain],
        inputs: Inputs | Mapping[str, Inputs],
        output: str | Path | None = None,
        *,
        args: Arguments = (),
        conf: Mapping[str, object] | None = None,
    ) -> Result:
        """Run a job, or a chain, to its end, and return its result.

        `inputs` are files (URIs), or earlier results of this session. A job with several inputs
        gets a dict. Without `output`, the session keeps the records for the jobs that follow, with
        all their types. `args` are words, as after `--` on the command line, or a dict of any
        Python values. The job's classes find them in `context.args`. The job is pickled anew for
        each call, with its class if that is not from an installed package. If several steps of a
        chain write output, `steps` of the result has the result of each.

        Raises JobFailed with the first real error, JobError if the job cannot run, SessionLost if
        the session's cluster has ended. An interrupt kills the job, and the session goes on.
        """
        self._check_usable()
        with self._lock:
            self._count += 1
            number = self._count
        kept = output is None
        place = f"{self._data}/{number}" if output is None else absolute_uri(str(output))
        try:
            if isinstance(job, type) and issubclass(job, Chain):
                chain = prepare_chain(self._facts, job, inputs, place, conf or {}, args, kept=kept)
                return self._run_chain(chain, self._ended if kept else None)
            ready = prepare(self._facts, job, inputs, place, conf or {}, args, kept=kept)
            self._check_fits(ready.spec)
        except UsageProblem as problem:
            raise JobError("\n".join(filter(None, (problem.message, problem.detail)))) from None
        try:
            self._upload(ready.code)
            status = self._followed(self._client().submit(ready.spec))
        except (ApiProblem, Unreachable) as problem:
            raise self._problem(problem) from None
        assert isinstance(status, JobStatus)
        self._jobs.append(status)
        if status.state is not JobState.SUCCEEDED:
            raise self._failure(status.job_id, status)
        cls = type(ready.job)
        if not kept:
            key = self._facts.pickle_key
            return Result(cls, status.job_id, place, status.counters, None, key)
        key = self._facts.key
        result = KeptResult(cls, status.job_id, place, status.counters, key, self._ended)
        self._until_garbage(result)
        return result

    def _run_chain(self, ready: PreparedChain, ended: threading.Event | None) -> Result:
        """`ended`: the session keeps the results for itself."""
        for step in ready.spec.steps:
            self._check_fits(step.job)
        hooks = ClientHooks(ready.loaded.hooks, ready.spec, quiet=True)
        try:
            hooks.before()
            self._upload(*(step.loaded.code for step in ready.loaded.steps))
            status = self._followed(self._client().submit_chain(ready.spec))
            assert isinstance(status, ChainStatus)
            self._jobs += [step.job for step in status.steps if step.job is not None]
            if status.state is not ChainState.SUCCEEDED:
                raise self._failure(status.chain_id, status)
            hooks.after()
        except (ApiProblem, Unreachable) as problem:
            raise self._problem(problem) from None
        except HookFailed as problem:
            raise JobFailed(str(problem)) from problem.__cause__
        found = results_of(ready, status, self._facts, ended)
        for each in found.values() if ended is not None else ():
            self._until_garbage(each)
        return as_one(ready, status, found)

    def _until_garbage(self, result: Result) -> None:
        weakref.finalize(result, self._garbage.append, result.uri).atexit = False

    def _check_fits(self, spec: JobSpec) -> None:
        """Raise UsageProblem if our own agents are too small."""
        if self._agents:
            size = local_size(self._agents)
            check_fits(size, self._agents, Conf(spec.conf), spec.num_reducers)

    @property
    def running(self) -> frozenset[str]:
        """The ids of the jobs that run now."""
        return frozenset(self._running)

    @property
    def host_pid(self) -> int:
        """The process that keeps the cluster, or the connection."""
        return self._host.pid

    def page(self) -> str:
        """The address of the JobTracker's web pages. It logs a browser in once."""
        self._check_usable()
        return self._client().page(PAGE_SECONDS)

    def close(self) -> None:
        """Kill running jobs, and end all processes that the session has started. It may be called
        twice.
        """
        if self._ended.is_set() or not self._host.is_ours:
            return
        self._ended.set()
        for job_id in list(self._running):
            self._kill(job_id)
        self._host.close()
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        self.close()

    # One job.

    def _upload(self, *codes: bytes) -> None:
        client = self._client()
        for code in dict.fromkeys(codes):
            client.upload(code)
        for file, path in self._files.items():
            client.upload_file(file.sha256, path)

    def _followed(self, job_id: str) -> JobStatus | ChainStatus:
        """Wait for the end of a job or a chain, and show its progress."""
        client, began = self._client(), time.monotonic()
        progress: Any = None
        shown = open_chain_progress if is_chain_id(job_id) else open_progress
        self._running.add(job_id)
        try:
            self._remove_garbage()
            status = client.any_status(job_id, SHOW_AFTER_SECONDS)
            while not status.state.ended:
                if progress is None:
                    progress = shown(stream=self._progress)
                progress.update(status, time.monotonic() - began)
                status = client.any_status(job_id, POLL_SECONDS)
            if progress is not None:
                progress.update(status, time.monotonic() - began)
        except BaseException as problem:  # mostly an interrupt
            if not isinstance(problem, ApiProblem | Unreachable):
                self._kill(job_id)
            raise
        finally:
            self._running.discard(job_id)
            if progress is not None:
                progress.close()
        assert not isinstance(status, QueueStatus)
        return status

    def _kill(self, job_id: str) -> None:
        """Kill a job, and wait until its output is removed."""
        client = self._client()
        try:
            client.kill(job_id, current_user())
            deadline = time.monotonic() + KILL_SECONDS
            while time.monotonic() < deadline and not client.has_ended(job_id, POLL_SECONDS):
                pass
        except (ApiProblem, Unreachable) as problem:
            print(f"warning: {job_id} was not killed: {problem}", file=self._stream)

    def _failure(self, name: str, status: JobStatus | ChainStatus) -> JobFailed:
        error, of = status.error, f"{status.name} ({name})"
        if status.state in (JobState.KILLED, ChainState.KILLED) and error is None:
            return JobKilled(f"{of} was killed")
        if error is None:
            return JobFailed(f"{of} failed, and no error was reported")
        log = f"mrmesos job logs {error.attempt_id}" if error.attempt_id else ""
        if self._jobtracker and log:
            log += f" --jobtracker {self._jobtracker}"
        return JobFailed(f"{of} failed\n{format_error(error, log)}", error)

    def _problem(self, problem: ApiProblem | Unreachable) -> Exception:
        if isinstance(problem, Unreachable) and self._host.ended():
            words = self._host.last_words()
            return SessionLost(f"the session's cluster has ended{f': {words}' if words else ''}")
        if isinstance(problem, ApiProblem) and problem.status < 500:
            return JobError(str(problem))
        return SessionLost(str(problem))

    def _remove_garbage(self) -> None:
        """Remove the data of results that nobody refers to any more."""
        while self._garbage:
            OutputDirectory(self._garbage.popleft()).remove("")

    # The connection.

    def _client(self) -> JobTrackerClient:
        """This thread's client."""
        client: JobTrackerClient | None = getattr(self._local, "client", None)
        if client is None:
            conf = self._conf
            if self._jobtracker:
                client = open_client(self._jobtracker, conf, retry_seconds=RETRY_SECONDS)
            else:
                tls = trusted(conf) if self._url.startswith("https:") else None
                client = JobTrackerClient(self._url, token=self._token, tls=tls, retry_seconds=1.0)
            self._local.client = client
        return client

    def _check_usable(self) -> None:
        if not self._host.is_ours:
            raise JobError(
                f"the session belongs to the process that made it, and this one (pid {os.getpid()})"
                " was forked from that; make a session here"
            )
        if self._ended.is_set():
            raise JobError("the session has ended; make another one")

    @property
    def _stream(self) -> TextIO:
        return self._progress or sys.stderr

    # The display in notebooks.

    @property
    def counters(self) -> Counters:
        """The sums of all counters of the jobs that the session remembers."""
        total: Counters = {}
        for status in list(self._jobs):
            add_counters(total, status.counters)
        return total

    def __repr__(self) -> str:
        state = "ended" if self._ended.is_set() else "open"
        last = f", last {line(self._jobs[-1])}" if self._jobs else ""
        return f"<Session {self._where}, {state}, {self._count} jobs{last}>"

    def _repr_html_(self) -> str:
        """A table of the jobs, the last one first."""
        return table(repr(self), list(self._jobs))


def _check(jobtracker: str, master: str, work: object, local_agents: int | None) -> None:
    if jobtracker and master:
        raise JobError("a session has a jobtracker or a master, not both")
    if local_agents is not None and (jobtracker or master):
        raise JobError("local_agents is for a session without jobtracker and master")
    if local_agents is not None and not 0 < local_agents <= 100:
        raise JobError(f"local_agents is {local_agents}, not from 1 to 100")
    if (jobtracker or master) and not work:
        raise JobError(
            "name a directory for the results with work=: the URI of one that all agents of the "
            "cluster can write to"
        )
