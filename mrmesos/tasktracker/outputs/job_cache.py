"""The jobs on a TaskTracker: their facts, code and files, fetched once, and their attempts.

Everything of a job lies in `jobs/<job_id>/` of the sandbox: `job.pickle`, links to its files
(job_files.py), and a directory for each attempt with, after a map, its output. The files themselves
are in `cache/`, because jobs may share them (file_cache.py). The output that attempts print has a
directory of its own, because it is kept after the job's end (user_logs.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from mrmesos.conf import TASKTRACKER_CACHE_MB, TASKTRACKER_USERLOG_MB, Conf, ConfError
from mrmesos.io.shuffle.index import INDEX_FILE, OUTPUT_FILE
from mrmesos.retrying import try_for
from mrmesos.task.files.archives import BadArchive
from mrmesos.task.files.file_cache import CacheFull, FileCache, delete
from mrmesos.task.files.job_files import link
from mrmesos.task.files.user_logs import DIRECTORY, UserLogs
from mrmesos.tasktracker.jobtracker.client import JobTrackerLink, NoAnswer
from mrmesos.wire.ids import is_job_id, is_sha256, parse_attempt
from mrmesos.wire.job import JobFacts, JobFile

logger = logging.getLogger(__name__)

CODE_BYTES_MAX = 64 << 20
_TRY_SECONDS = 30.0
_LAST_TRY_SECONDS = 10.0
_DOWNLOAD_SECONDS = 600.0
_DOWNLOAD_PART_BYTES = 1 << 20
_GIVE_UP_SECONDS = 60.0
_GIVEN_UP_MAX = 1000
_OUTPUT = frozenset({OUTPUT_FILE, INDEX_FILE})
_DELETERS = 16


class JobFetchError(Exception):
    """A job's facts, code or files cannot be fetched now. The message says why."""


class JobGone(JobFetchError):
    """The JobTracker does not know the job."""


class _TryAgain(Exception):
    """The fetch failed, but another try may succeed."""


_MAY_PASS = (_TryAgain, NoAnswer, OSError)


@dataclass(slots=True)
class CachedJob:
    """A fetched job, its attempts here, and the attempts whose map output is served."""

    facts: JobFacts
    code_path: Path
    attempts: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)


class JobCache:
    """The jobs of one TaskTracker. Used in the event loop's thread only."""

    def __init__(
        self,
        sandbox: Path,
        jobtracker: JobTrackerLink,
        *,
        give_up_seconds: float = _GIVE_UP_SECONDS,
        cache_bytes: int = TASKTRACKER_CACHE_MB.default << 20,
        logs: UserLogs | None = None,
    ) -> None:
        """A JobTracker that does not answer may be restarting, so we try for `give_up_seconds`.

        We do so once for each job. If that fails, each later attempt of the job makes only one
        short try. Otherwise every retry of every task would wait that long again.
        """
        self.root = sandbox / "jobs"
        self._jobtracker = jobtracker
        self._give_up_seconds = give_up_seconds
        self._jobs: dict[str, CachedJob] = {}
        self._given_up: set[str] = set()
        self.logs = logs or UserLogs(sandbox / DIRECTORY, TASKTRACKER_USERLOG_MB.default << 20)
        self.files = FileCache(sandbox / "cache", self._download, max_bytes=cache_bytes)

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def outputs(self) -> int:
        """How many map outputs are served."""
        return sum(len(job.outputs) for job in self._jobs.values())

    def get(self, job_id: str) -> CachedJob | None:
        """A fetched job; None if it is not here."""
        return self._jobs.get(job_id)

    def job_of(self, attempt_id: str) -> CachedJob | None:
        """The job of an attempt that ran here; None for any other id or text."""
        try:
            job = self._jobs.get(parse_attempt(attempt_id).job_id)
        except ValueError:
            return None
        return job if job is not None and attempt_id in job.attempts else None

    def attempt_dir(self, attempt_id: str) -> Path:
        """The directory of an attempt. Raises ValueError if the id is malformed."""
        return self.root / parse_attempt(attempt_id).job_id / attempt_id

    def add_attempt(self, attempt_id: str) -> Path:
        """Note an attempt that runs here. Returns its directory. Raises KeyError, ValueError."""
        self._jobs[parse_attempt(attempt_id).job_id].attempts.add(attempt_id)
        return self.attempt_dir(attempt_id)

    def add_output(self, attempt_id: str) -> None:
        """Serve the map output of an attempt from now on."""
        job = self.job_of(attempt_id)
        if job is not None:
            job.outputs.add(attempt_id)

    async def fetch(self, job_id: str) -> CachedJob:
        """Fetch a job's facts, code and files, unless they are here already.

        Raises JobFetchError, JobGone.
        """
        job = self._jobs.get(job_id)
        if job is not None:
            return job
        if not is_job_id(job_id):
            raise JobFetchError(f"{job_id!r} is not a job id")
        again = job_id in self._given_up
        try:
            if again:
                job = await self._fetch_once(job_id, _LAST_TRY_SECONDS)
            else:
                fetch = partial(self._fetch_once, job_id, _TRY_SECONDS)
                job = await try_for(self._give_up_seconds, fetch, _MAY_PASS, 1.0, logger)
        except _MAY_PASS as problem:
            self.files.release(job_id)
            self._give_up(job_id)
            tried = "once more" if again else f"for {self._give_up_seconds:g} s"
            raise JobFetchError(
                f"cannot fetch {job_id} from the JobTracker at {self._jobtracker.where}, tried "
                f"{tried}: {problem or type(problem).__name__}; check whether this agent can "
                "connect to it, and read its log"
            ) from problem
        except BaseException:
            self.files.release(job_id)
            raise
        self._jobs[job_id] = job
        self._given_up.discard(job_id)
        return job

    def _give_up(self, job_id: str) -> None:
        if len(self._given_up) >= _GIVEN_UP_MAX:
            self._given_up.clear()
        self._given_up.add(job_id)

    async def _fetch_once(self, job_id: str, seconds: float) -> CachedJob:
        path = f"/api/v1/jobs/{job_id}/facts"
        timeout = aiohttp.ClientTimeout(total=seconds)
        status, body = await self._jobtracker.exchange("GET", path, time_limit=timeout)
        _check_status(status, path)
        try:
            facts = msgspec.json.decode(body, type=JobFacts)
            Conf(facts.spec.conf).check()
        except (msgspec.DecodeError, UnicodeDecodeError, ConfError) as problem:
            raise JobFetchError(f"cannot read the facts of {job_id}: {problem}") from problem
        wanted = facts.spec.code
        if facts.job_id != job_id or not is_sha256(wanted) or not facts.token:
            raise JobFetchError(f"the facts of {job_id} lack the job's id, code hash or token")
        code = await self._get(f"/api/v1/code/{wanted}", CODE_BYTES_MAX, timeout)
        if hashlib.sha256(code).hexdigest() != wanted:
            raise _TryAgain(f"the code of {job_id} does not have the hash {wanted}")
        code_path = self.root / job_id / "job.pickle"
        await asyncio.to_thread(_write, code_path, code)
        try:
            for file in facts.spec.files:
                link(code_path.parent, file, await self.files.hold(job_id, file))
        except (CacheFull, BadArchive) as problem:
            raise JobFetchError(f"{job_id}: {problem}") from problem
        return CachedJob(facts, code_path)

    async def _download(self, file: JobFile, into: Path) -> None:
        """Download a file to a path, in pieces. Raises _TryAgain, JobFetchError, OSError."""
        path = f"/api/v1/code/{file.sha256}"
        if not is_sha256(file.sha256):
            raise JobFetchError(f"{file.name} has no hash")
        timeout = aiohttp.ClientTimeout(total=_DOWNLOAD_SECONDS, sock_read=_TRY_SECONDS)
        digest, left = hashlib.sha256(), file.size
        async with self._jobtracker.download(path, time_limit=timeout) as (status, content):
            _check_status(status, path)
            with into.open("wb") as out:
                async for part in content.iter_chunked(_DOWNLOAD_PART_BYTES):
                    left -= len(part)
                    if left < 0:
                        break
                    digest.update(part)
                    await asyncio.to_thread(out.write, part)
        if left or digest.hexdigest() != file.sha256:
            raise _TryAgain(f"the data for {file.name} does not have the hash {file.sha256}")

    async def _get(self, path: str, limit: int, time_limit: aiohttp.ClientTimeout) -> bytes:
        async with self._jobtracker.download(path, time_limit=time_limit) as (status, content):
            _check_status(status, path)
            parts, total = [], 0
            async for part in content.iter_any():
                parts.append(part)
                total += len(part)
                if total > limit:
                    raise JobFetchError(f"{path} is over {limit:,} bytes")
            return b"".join(parts)

    # Cleaning up.

    async def clean_attempt(self, attempt_id: str, keep_output: bool) -> None:
        """Delete an attempt's files, except its logs and, if `keep_output`, its map output."""
        if self.job_of(attempt_id) is None:
            return
        self.logs.drop_empty(attempt_id)
        keep = _OUTPUT if keep_output else frozenset[str]()
        # Usually there is nothing to delete, and looking costs less than calling a thread.
        if rest := _others(self.attempt_dir(attempt_id), keep):
            await asyncio.to_thread(_remove_all, rest)

    async def forget(self, job_id: str) -> None:
        """Delete everything of a job, except its logs, and files that another job may use."""
        self._jobs.pop(job_id, None)
        self._given_up.discard(job_id)
        self.files.release(job_id)
        if is_job_id(job_id):
            await asyncio.to_thread(_remove_job, self.root / job_id)
            await asyncio.to_thread(self.logs.prune, frozenset(self._jobs))

    async def remove_all(self) -> None:
        """Delete everything of all jobs, except their logs."""
        self._jobs.clear()
        self._given_up.clear()
        await asyncio.to_thread(_remove_jobs, self.root)
        await asyncio.to_thread(self.files.remove_all)


def _check_status(status: int, path: str) -> None:
    if status in (404, 410):
        raise JobGone(f"the JobTracker has no {path}")
    if status != 200:
        raise _TryAgain(f"{path} was answered with {status}")


def _write(path: Path, data: bytes) -> None:
    # Other users of the agent must not read a job's code, output and logs.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.rename(path)


def _others(directory: Path, keep: frozenset[str]) -> list[Path]:
    """The entries of a directory whose names are not in `keep`."""
    try:
        return [entry for entry in directory.iterdir() if entry.name not in keep]
    except OSError as problem:
        logger.warning("cannot clean up: %s", problem)
        return []


def _remove_all(paths: list[Path]) -> None:
    for path in paths:
        delete(path)


def _remove_jobs(root: Path) -> None:
    for job in sorted(root.glob("job_*")):
        _remove_job(job)
    delete(root)


def _remove_job(directory: Path) -> None:
    """Delete a job's files. Threads delete attempts in parallel, as a deletion waits for disk."""
    with ThreadPoolExecutor(_DELETERS, thread_name_prefix="delete") as pool:
        for attempt in directory.glob("attempt_*"):
            pool.submit(delete, attempt)
    delete(directory)
