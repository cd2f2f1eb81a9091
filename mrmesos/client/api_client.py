"""A synchronous client of the JobTracker's HTTP API, with retries and deadlines.

It uses http.client, because importing an asynchronous HTTP library would delay short commands.
In: calls of the command. Out: answers, or ApiProblem and Unreachable. Thread: the caller's.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import secrets
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from mrmesos.access.signing import AUTHORIZATION
from mrmesos.client.api_messages import Unreachable as Unreachable
from mrmesos.client.api_messages import base_url, decoded, log_facts, opened
from mrmesos.client.diagnosis import diagnosed
from mrmesos.client.proof import Proof, Unproven
from mrmesos.client.terminal.errors import not_unicode
from mrmesos.client.terminal.printable import one_line
from mrmesos.election.place import SCHEME, Place
from mrmesos.retrying import try_first
from mrmesos.wire.chain import ChainAnswer, ChainSpec, ChainStatus
from mrmesos.wire.ids import is_chain_id, is_queue_id
from mrmesos.wire.job import (
    ApiError,
    JobReport,
    JobSpec,
    JobStatus,
    ServiceStatus,
    SubmitAnswer,
)
from mrmesos.wire.login import TICKET_PATH, PageTicket
from mrmesos.wire.queue import QueueAnswer, QueueRequest, QueueSpec, QueueStatus, TaskEnds

if TYPE_CHECKING:
    import tenacity

T = TypeVar("T")

TIMEOUT_SECONDS = 10.0
RETRY_SECONDS = 10.0
_CUT_OFF = (BrokenPipeError, ConnectionResetError)
RETURN_SECONDS = 300.0
"""How long a client that follows a job waits for the JobTracker to come back."""


class ApiProblem(Exception):
    """The JobTracker refused a request: its HTTP `status`, and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _TryAgain(Exception):
    """This try failed. Another one may succeed."""


class LogPiece(NamedTuple):
    """Part of a log, and the offset of its first byte.

    `kept`: the log itself is gone, and these are the last lines of both streams. `note` may say
    why.
    """

    data: bytes
    start: int
    kept: bool = False
    note: str = ""


class JobTrackerClient:
    """A client of the JobTracker at `url`: `http://host:port`, https, or `zk://…` for the leader.

    Use it from one thread only.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        tls: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        return_seconds: float = 0.0,
    ) -> None:
        """`token` authenticates the client. `tls` is for https; by default it trusts the system's
        authorities. One try takes at most `timeout` seconds. Tries are repeated for
        `retry_seconds`, or for `return_seconds` if the JobTracker has answered before and this is
        longer.

        Raises ValueError for a wrong URL.
        """
        self._election = Place.parse(url) if url.startswith(SCHEME) else None
        self.url = base_url(url) if self._election is None else self._election.url
        self._proof = Proof(token) if token else None
        self._tls = tls
        self._timeout, self._retry_seconds = timeout, retry_seconds
        self._return_seconds = max(retry_seconds, return_seconds)
        self._answered = False
        self._log = (0, False, "")
        self._connection: http.client.HTTPConnection | None = None
        self._url_in_use = self.url  # the leader's address, if `url` names an election

    def close(self) -> None:
        """Close the connection. The next call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def be_quick(self, seconds: float) -> None:
        """From now on, limit all tries of a call to about `seconds` in total."""
        self._timeout = min(self._timeout, seconds)
        self._retry_seconds = self._return_seconds = seconds

    def upload(self, code: bytes) -> str:
        """Store a pickled job and return its SHA-256."""
        sha256 = hashlib.sha256(code).hexdigest()
        self._call("PUT", f"/api/v1/code/{sha256}", code, seconds=60.0, sha256=sha256)
        return sha256

    def upload_file(self, sha256: str, path: Path) -> None:
        """Store a file of a job under its SHA-256, unless the JobTracker has it."""
        try:
            self._call("HEAD", f"/api/v1/code/{sha256}")
        except ApiProblem as problem:
            if problem.status != 404:
                raise
            self._call("PUT", f"/api/v1/code/{sha256}", path, seconds=60.0, sha256=sha256)

    def submit(self, spec: JobSpec) -> str:
        """Submit a job whose code is already uploaded, and return its id. Retries do not run it
        twice.

        Raises UsageProblem if a text of the job is not Unicode.
        """
        return decoded(self._post("/api/v1/jobs", spec), SubmitAnswer).job_id

    def submit_chain(self, spec: ChainSpec) -> str:
        """The same for a chain. All its code is already uploaded."""
        return decoded(self._post("/api/v1/chains", spec), ChainAnswer).chain_id

    def _post(self, path: str, spec: JobSpec | ChainSpec | QueueSpec) -> bytes:
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        try:
            wire = msgspec.json.encode(spec)
        except UnicodeEncodeError as problem:
            raise not_unicode(problem.object) from None
        return self._call("POST", path, wire, headers=headers)

    def chain_status(self, chain_id: str, wait: float = 0.0) -> ChainStatus:
        """Return a chain's status when it has ended, at the latest after `wait` seconds."""
        path = f"/api/v1/chains/{quote(chain_id, safe='')}?{urlencode({'wait': wait})}"
        return decoded(self._call("GET", path, seconds=self._timeout + wait), ChainStatus)

    def chain_statuses(self) -> list[ChainStatus]:
        """Return the status of all chains that the JobTracker knows."""
        return decoded(self._call("GET", "/api/v1/chains"), list[ChainStatus])

    def submit_queue(self, spec: QueueSpec) -> str:
        """The same for a queue of free tasks."""
        return decoded(self._post("/api/v1/queues", spec), QueueAnswer).queue_id

    def ask_queue(self, queue_id: str, request: QueueRequest) -> None:
        """Add and cancel free tasks. Retries add none twice."""
        body = msgspec.json.encode(request)
        self._call("POST", f"/api/v1/queues/{quote(queue_id, safe='')}/tasks", body, seconds=60.0)

    def queue_ends(self, queue_id: str, taken: int, wait: float) -> TaskEnds:
        """Return the ends of tasks after number `taken`, at the latest after `wait` seconds."""
        query = urlencode({"taken": taken, "wait": wait})
        path = f"/api/v1/queues/{quote(queue_id, safe='')}/ends?{query}"
        return decoded(self._call("GET", path, seconds=self._timeout + wait), TaskEnds)

    def queue_status(self, queue_id: str, wait: float = 0.0) -> QueueStatus:
        """Return a queue's status when it has ended, at the latest after `wait` seconds."""
        path = f"/api/v1/queues/{quote(queue_id, safe='')}?{urlencode({'wait': wait})}"
        return decoded(self._call("GET", path, seconds=self._timeout + wait), QueueStatus)

    def queue_statuses(self) -> list[QueueStatus]:
        """Return the status of all queues that the JobTracker knows."""
        return decoded(self._call("GET", "/api/v1/queues"), list[QueueStatus])

    def any_status(self, name: str, wait: float = 0.0) -> JobStatus | ChainStatus | QueueStatus:
        """Return the status of a job, a chain or a queue, when it ends or after `wait` seconds."""
        if is_chain_id(name):
            return self.chain_status(name, wait)
        return self.queue_status(name, wait) if is_queue_id(name) else self.status(name, wait)

    def has_ended(self, name: str, wait: float) -> bool:
        """Whether a job, a chain or a queue has ended, or ends in `wait` seconds."""
        return self.any_status(name, wait).state.ended

    def status(self, job_id: str, wait: float = 0.0) -> JobStatus:
        """Return a job's status when the job has ended, at the latest after `wait` seconds."""
        path = f"/api/v1/jobs/{quote(job_id, safe='')}?{urlencode({'wait': wait})}"
        return decoded(self._call("GET", path, seconds=self._timeout + wait), JobStatus)

    def statuses(self) -> list[JobStatus]:
        """Return the status of all jobs that the JobTracker knows."""
        return decoded(self._call("GET", "/api/v1/jobs"), list[JobStatus])

    def service_status(self) -> ServiceStatus:
        """Return the status of the JobTracker itself."""
        return decoded(self._call("GET", "/api/v1/status"), ServiceStatus)

    def report(self, job_id: str) -> JobReport:
        """Return a job's status and its attempts."""
        return decoded(
            self._call("GET", f"/api/v1/jobs/{quote(job_id, safe='')}/report"), JobReport
        )

    def kill(self, job_id: str, by: str) -> None:
        """Ask the JobTracker to kill a job, a chain or a queue. It ends a little later."""
        query = urlencode({"by": by})
        self._call("POST", f"/api/v1/jobs/{quote(job_id, safe='')}/kill?{query}")

    def move(self, job_id: str, by: str, priority: str, pool: str) -> None:
        """Give a job another priority or pool. An empty one stays as it is."""
        query = urlencode({"by": by, "priority": priority, "pool": pool})
        self._call("POST", f"/api/v1/jobs/{quote(job_id, safe='')}/move?{query}")

    def ask(self, path: str, kind: type[T]) -> T:
        """Return what the JobTracker answers to a GET request."""
        return decoded(self._call("GET", path), kind)

    def page(self, seconds: float, *, read_only: bool = False, job_id: str = "") -> str:
        """An address that logs one browser in to the web pages, within `seconds`. A `read_only`
        address works for all browsers until then, and shows the pages (only those of `job_id`, if
        given).
        """
        query = {"seconds": f"{seconds:.0f}", "read": str(int(read_only)), "job": job_id}
        body = self._call("POST", f"{TICKET_PATH}?{urlencode(query)}")
        return self._url_in_use + decoded(body, PageTicket).path

    def logs(self, attempt_id: str, stream: str, offset: int | None = None) -> LogPiece:
        """Return the output of an attempt, or the last part of a long text.

        With `offset`, the text begins there, if the log still has that byte.
        """
        query = {"stream": stream} | ({} if offset is None else {"offset": str(offset)})
        path = f"/api/v1/attempts/{quote(attempt_id, safe='')}/logs?{urlencode(query)}"
        text = self._call("GET", path, seconds=20.0)
        return LogPiece(text, *self._log)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | Path | None = None,
        *,
        headers: dict[str, str] | None = None,
        seconds: float | None = None,
        sha256: str = "",
    ) -> bytes:
        """Send bytes or a file, and return the answer's body. `sha256` is the hash of `body`, if
        known.

        Raises ApiProblem for an answer that is not 2xx, Unreachable if no answer came.
        """
        patience = self._return_seconds if self._answered else self._retry_seconds

        def retrying(spent: float) -> tenacity.Retrying:
            import tenacity

            return tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(_TryAgain),
                wait=tenacity.wait_random_exponential(multiplier=0.1, max=1.0),
                stop=tenacity.stop_after_delay(patience - spent),
                reraise=True,
            )

        attempt: Callable[[], bytes] = lambda: self._try(  # noqa: E731
            method, path, body, headers or {}, seconds or self._timeout, sha256
        )
        try:
            return try_first(attempt, retrying)
        except _TryAgain as problem:
            cause = problem.__cause__
            if isinstance(cause, ApiProblem):
                raise cause from None
            raise Unreachable(f"no answer from the JobTracker at {self.url}: {problem}") from None

    def _try(
        self,
        method: str,
        path: str,
        body: bytes | Path | None,
        headers: dict[str, str],
        seconds: float,
        sha256: str,
    ) -> bytes:
        answered, signed = False, ""
        try:
            connection = self._connected(seconds)
            if self._proof is not None:
                if not sha256:
                    assert not isinstance(body, Path), "the caller passes a file's hash"
                    sha256 = hashlib.sha256(body or b"").hexdigest()
                signed = self._proof.sign(method, path, sha256)
                headers = headers | {AUTHORIZATION: signed}
            with opened(body) as (content, length), contextlib.suppress(*_CUT_OFF):
                # The server may refuse before all is sent: its answer is the better message.
                connection.request(method, path, content, headers | length)
            answer = connection.getresponse()
            said = answer.read()
            if self._proof is not None:
                self._proof.check(signed, answer, said)
            answered = True
        except Unproven as problem:
            refusal = self._unproven(problem)
            if self._answered or self._election is not None or problem.status == 503:
                raise _TryAgain(str(refusal)) from refusal  # the JobTracker may come back
            raise refusal from None
        except (OSError, http.client.HTTPException) as problem:
            words, passes = diagnosed(problem, self.url)
            if passes or self._answered or self._election is not None:
                raise _TryAgain(words) from problem
            raise Unreachable(f"cannot reach a JobTracker at {self.url}: {words}") from problem
        finally:
            if not answered:  # also after the exception of a signal handler
                self.close()
        if 200 <= answer.status < 300:
            self._answered = True
            self._log = log_facts(answer.headers)
            return said
        refusal = ApiProblem(answer.status, self._message(said, answer.status))
        if answer.status == 503:
            raise _TryAgain(str(refusal)) from refusal
        raise refusal

    def _unproven(self, problem: Unproven) -> ApiProblem | Unreachable:
        """The error for a server that does not know our token. We sent it no request."""
        try:
            said = msgspec.json.decode(problem.said, type=ApiError).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            said = problem.said[:200].decode("utf-8", "replace")
        said = one_line(" ".join(said.split())[:300])
        words = (
            f"the server at {self.url} does not prove that it knows the token given here, so its "
            "answer is ignored (MRMESOS_TOKEN_FILE names the token's file); "
            f"it says: HTTP {problem.status} {said}"
        )
        if problem.status == 401:
            return ApiProblem(401, words)
        return Unreachable(words)

    def _message(self, content: bytes, status: int) -> str:
        try:
            message = msgspec.json.decode(content, type=ApiError).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            text = " ".join(content[:200].decode("utf-8", "replace").split())
            said = f"HTTP {status}: {text}" if text else f"HTTP {status}"
            return f"the server at {self.url} is no JobTracker; it says: {said}"
        return f"{self.url}: {message}" if status in (401, 403) else message

    def _connected(self, seconds: float) -> http.client.HTTPConnection:
        """A connection to a server that has proved that it knows our token, if we have one."""
        if self._connection is None:
            self._connection = self._connect(self.url if self._election is None else self._find())
        connection = self._connection
        if connection.sock is None:  # a new connection, or one that the server has closed
            connection.timeout = min(seconds, self._timeout)
            if self._proof is not None:
                self._proof.greet(connection)
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        return connection

    def _connect(self, url: str) -> http.client.HTTPConnection:
        self._url_in_use = url
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https":
            return http.client.HTTPConnection(host, parts.port or 80)
        self._tls = self._tls or ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port or 443, context=self._tls)

    def _find(self) -> str:
        """Ask ZooKeeper for the leader. We do this for each connection, because the leader may have
        changed.
        """
        from mrmesos.election.finder import NoLeader, find_leader

        assert self._election is not None
        try:
            return find_leader(self._election)
        except NoLeader as problem:
            raise _TryAgain(str(problem)) from problem
