"""Reads files in the sandboxes of TaskTrackers, also after their end: the agent serves them.

Comes in: a sandbox, a path in it, an offset. Goes out: bytes, or FileGone with one line. Mesos' own
UI reads sandboxes in the same way: `/files/read` gives at most 64 KiB of a file, `/files/browse`
lists a directory. Mesos removes sandboxes some time after the executor's end (its `--gc_delay` and
the agent's disk say when). Thread: any; a call waits DEADLINE_SECONDS at most.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from mrmesos.jobtracker.http.live_logs import FileGone
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import Sandbox

PIECE_BYTES = 1 << 16
"""Most bytes in one answer of `/files/read` (16 pages of memory)."""
ANSWER_BYTES = 8 * PIECE_BYTES
"""Longest answer that is read. JSON may write one byte as six characters."""
LISTING_BYTES = 4 << 20
CONNECT_SECONDS, DEADLINE_SECONDS = 3.0, 10.0
LOGS = "userlogs"
"""The directory of attempts' logs in a TaskTracker's sandbox, by jobs and attempts."""


class AgentFiles:
    """Reads at agents. It shows credentials only to an agent that asks for some."""

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        """`credentials` are a principal and its secret."""
        self._headers: dict[str, str] = {}
        if credentials is not None:
            secret = base64.b64encode(":".join(credentials).encode()).decode()
            self._headers = {"Authorization": f"Basic {secret}"}

    def read_log(
        self, sandbox: Sandbox, attempt_id: str, stream: str, offset: int | None, limit: int
    ) -> tuple[bytes, int]:
        """A part of an attempt's output, as `read` gives it. Empty if it printed nothing. Raises
        FileGone.
        """
        if not sandbox.has_logs:
            raise FileGone(
                f"logs are not in the sandbox of {sandbox.tracker}, but in a directory of its "
                "agent (tasktracker.userlog.dir)"
            )
        job_id = parse_attempt(attempt_id).job_id
        try:
            return self.read(sandbox, f"{LOGS}/{job_id}/{attempt_id}/{stream}", offset, limit)
        except _NotFound:
            pass
        # A TaskTracker deletes empty logs, and the logs of old jobs.
        with _Agent(sandbox, self._headers) as agent:
            if agent.lists(f"{LOGS}/{job_id}"):
                return b"", offset or 0
            if agent.lists(""):
                raise FileGone(
                    f"the sandbox of {sandbox.tracker} at {sandbox.agent_url} has no logs of "
                    f"{job_id} any more (tasktracker.userlog.mb)"
                )
        raise FileGone(
            f"Mesos has removed the sandbox of {sandbox.tracker} at {sandbox.agent_url}; the "
            "agent's --gc_delay says how long sandboxes stay"
        )

    def read(
        self, sandbox: Sandbox, path: str, offset: int | None, limit: int
    ) -> tuple[bytes, int]:
        """At most `limit` bytes of a file, and the offset of the first. Raises FileGone.

        They begin at `offset`. Without it, or if it is beyond the file's end, they are the last
        bytes.
        """
        with _Agent(sandbox, self._headers) as agent:
            size = agent.size(path)
            start = offset if offset is not None and offset <= size else max(0, size - limit)
            found = bytearray()
            while len(found) < min(limit, size - start):
                piece = agent.piece(path, start + len(found), limit - len(found))
                if not piece:
                    break
                found += piece
            return bytes(found), start


class _NotFound(FileGone):
    """The agent knows no such file."""


class _Agent:
    """One connection to an agent, for the files of one sandbox."""

    def __init__(self, sandbox: Sandbox, headers: dict[str, str]) -> None:
        self._sandbox, self._credentials = sandbox, headers
        self._headers: dict[str, str] = {}
        self._root = f"/frameworks/{sandbox.framework}/executors/{sandbox.tracker}/runs/latest"
        self._deadline = time.monotonic() + DEADLINE_SECONDS
        parts = urlsplit(sandbox.agent_url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=CONNECT_SECONDS
        )

    def __enter__(self) -> _Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def size(self, path: str) -> int:
        """The file's size."""
        size: int = self._read(path, offset=-1)["offset"]
        return size

    def piece(self, path: str, offset: int, length: int) -> bytes:
        """Bytes of the file; empty at its end."""
        found = self._read(path, offset=offset, length=min(length, PIECE_BYTES))
        # Mesos writes the bytes as they are; older releases write them as \u00XX. Latin-1 reads
        # both.
        data: str = found["data"]
        try:
            return data.encode("latin-1")[:length]
        except UnicodeEncodeError as problem:
            raise self._odd("/files/read") from problem

    def lists(self, path: str) -> bool:
        """Whether there is such a directory."""
        status, _ = self._get(
            "/files/browse", LISTING_BYTES, path=f"{self._root}/{path}".rstrip("/")
        )
        return status == 200

    def _read(self, path: str, **query: int) -> dict[str, Any]:
        status, body = self._get("/files/read", ANSWER_BYTES, path=f"{self._root}/{path}", **query)
        if status != 200:
            raise _NotFound(f"{self._sandbox.agent_url} has no {path} of {self._sandbox.tracker}")
        try:
            found = json.loads(body.decode("latin-1"), strict=False)
        except ValueError as problem:
            raise self._odd("/files/read") from problem
        types = {"data": str, "offset": int}
        if not isinstance(found, dict) or any(
            type(found.get(n)) is not t for n, t in types.items()
        ):
            raise self._odd("/files/read")
        return found

    def _odd(self, endpoint: str) -> FileGone:
        return FileGone(f"{self._sandbox.agent_url}{endpoint} did not answer as Mesos does")

    def _get(self, endpoint: str, limit: int, **query: object) -> tuple[int, bytes]:
        """The status (200 or 404) and the body. Raises FileGone for every other answer."""
        where = f"{self._sandbox.agent_url}{endpoint}"
        try:
            status, body = self._ask(f"{endpoint}?{urlencode(query)}", limit)
            if status == 401 and self._credentials and not self._headers:
                self._headers = self._credentials
                status, body = self._ask(f"{endpoint}?{urlencode(query)}", limit)
        except (OSError, http.client.HTTPException) as problem:
            raise FileGone(
                f"{where} does not answer: {problem or type(problem).__name__}"
            ) from problem
        if status in (401, 403):
            raise FileGone(
                f"{where} refuses us (HTTP {status}); a JobTracker shows it the principal of "
                "mesos.principal and mesos.secret.file"
            )
        if status not in (200, 404):
            raise FileGone(f"{where} answers HTTP {status}")
        return status, body

    def _ask(self, target: str, limit: int) -> tuple[int, bytes]:
        self._connection.request("GET", target, headers=self._headers)
        with contextlib.closing(self._connection.getresponse()) as answer:
            body = bytearray()
            while part := answer.read1(PIECE_BYTES):
                body += part
                if len(body) > limit:
                    raise http.client.HTTPException(f"an answer of more than {limit} bytes")
                if time.monotonic() > self._deadline:
                    raise TimeoutError(f"the answer was not complete within {DEADLINE_SECONDS:g} s")
            return answer.status, bytes(body)
