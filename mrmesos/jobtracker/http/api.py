"""The JobTracker's HTTP API for clients and TaskTrackers (paths in docs/protocol.md).

Comes in: requests. Goes out: answers, and questions to the core's thread, which are awaited.
Thread: the server's event loop. It never touches the core. JSON bodies are the structs of
mrmesos.wire.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

import mrmesos
from mrmesos.access.signing import Refusal
from mrmesos.jobtracker.core.state.reports import AttemptLogs, logs_of_ended
from mrmesos.jobtracker.http.authentication import Authenticator, refused, signed_by
from mrmesos.jobtracker.http.backend import Backend
from mrmesos.jobtracker.http.bodies import read_body
from mrmesos.jobtracker.http.errors import BadRequest, Forbidden, Unavailable
from mrmesos.jobtracker.http.held_heartbeats import HeldHeartbeats
from mrmesos.jobtracker.http.live_logs import LiveLogs, ReadSandboxLog, not_kept
from mrmesos.jobtracker.http.messages import (
    as_json,
    decoded,
    error_answer,
)
from mrmesos.jobtracker.http.queue_api import QueueApi
from mrmesos.jobtracker.http.submitted import Submitted
from mrmesos.jobtracker.http.waiting import Waiting
from mrmesos.jobtracker.storage.code_store import CodeRejected, CodeStoreFull
from mrmesos.jobtracker.storage.history import HistoryError, HistoryStore
from mrmesos.wire.chain import ChainAnswer, ChainSpec
from mrmesos.wire.heartbeat import Heartbeat, HeartbeatAnswer
from mrmesos.wire.ids import is_job_id, is_sha256, parse_attempt
from mrmesos.wire.job import (
    KEPT,
    LOG_NOTE,
    LOG_SOURCE,
    LOG_START,
    JobReport,
    JobSpec,
    JobStatus,
    SubmitAnswer,
)
from mrmesos.wire.login import GREETING_PATH, Greeting

logger = logging.getLogger(__name__)
MAX_HEARTBEAT_BYTES = 64 << 20
UPLOAD_SECONDS = 600.0
UPLOAD_PART_BYTES = 1 << 20
_STREAMS = ("stdout", "stderr")
NO_ACTIONS = HeartbeatAnswer([])


class HttpApi:
    """The handlers of all paths. It holds heartbeats, and clients that wait for a job's end."""

    def __init__(
        self,
        backend: Backend,
        held: HeldHeartbeats,
        door: Authenticator,
        tls: ssl.SSLContext | None = None,
        history: HistoryStore | None = None,
        read_sandbox: ReadSandboxLog | None = None,
    ) -> None:
        """A heartbeat for which there is no action goes to `held`.

        `door` authenticates requests. `tls` is for requests to TaskTrackers that speak HTTPS.
        `history` has the jobs that the core has forgotten. `read_sandbox` reads logs after the
        TaskTrackers' end.
        """
        self._backend = backend
        self._door, self._history = door, history
        self.live_logs = LiveLogs(tls, read_sandbox, door.key_of)
        self._held = held
        self._waiting = Waiting()
        self._jobs = Submitted(
            kind="job",
            spec=JobSpec,
            submit=backend.submit,
            answer=SubmitAnswer,
            statuses=backend.statuses,
            status=backend.status,
            waiting=self._waiting,
            past=self._past_status,
        )
        self._chains = Submitted(
            kind="chain",
            spec=ChainSpec,
            submit=backend.submit_chain,
            answer=ChainAnswer,
            statuses=backend.chain_statuses,
            status=backend.chain_status,
            waiting=self._waiting,
        )
        self._queues = QueueApi(backend, self._waiting)

    def application(self) -> web.Application:
        """The aiohttp application, for one event loop."""
        app = web.Application(
            client_max_size=MAX_HEARTBEAT_BYTES, middlewares=[self._door.guard, _errors_as_json]
        )
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/version", self._version),
                web.get("/api/v1/status", self._service_status),
                web.get(GREETING_PATH, self._greet),
                web.put("/api/v1/code/{sha256}", self._put_code),
                web.get("/api/v1/code/{sha256}", self._get_code),
                *self._jobs.routes(),
                web.get("/api/v1/jobs/{job_id}/facts", self._facts, allow_head=False),
                web.get("/api/v1/jobs/{job_id}/report", self._report),
                web.post("/api/v1/jobs/{job_id}/kill", self._kill),
                web.post("/api/v1/jobs/{job_id}/move", self._move),
                *self._chains.routes(),
                *self._queues.routes(),
                web.get("/api/v1/attempts/{attempt_id}/logs", self._logs),
                web.post("/api/v1/heartbeat", self._heartbeat),
            ]
        )
        app.on_cleanup.append(self._clean_up)
        return app

    # Calls of the service, in the event loop's thread.

    def wake_tracker(self, tracker_id: str) -> None:
        """Answer the TaskTracker's held heartbeat: there is an action for it."""
        self._held.wake(tracker_id)

    def job_ended(self, job_id: str) -> None:
        """Answer the clients that wait for the end of this job or chain."""
        self._waiting.ended(job_id)

    def release_all(self) -> None:
        """Answer all requests that are held. From now on, hold none."""
        self._held.release_all()
        self._waiting.close()

    # Handlers.

    async def _health(self, _request: web.Request) -> web.Response:
        await asyncio.wrap_future(self._backend.service_status())
        return web.Response(text="ok\n")

    async def _version(self, _request: web.Request) -> web.Response:
        return as_json({"name": "mrmesos JobTracker", "version": mrmesos.__version__})

    async def _service_status(self, _request: web.Request) -> web.Response:
        status = await asyncio.wrap_future(self._backend.service_status())
        return as_json(status)

    async def _greet(self, _request: web.Request) -> web.Response:
        return as_json(Greeting(self._door.life))

    async def _put_code(self, request: web.Request) -> web.Response:
        sha256 = request.match_info["sha256"]
        if not is_sha256(sha256):
            raise BadRequest(f"{sha256!r} is no SHA-256 in hexadecimal digits")
        try:
            with self._backend.codes.receive(request.content_length) as upload:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    async for part in request.content.iter_chunked(UPLOAD_PART_BYTES):
                        await asyncio.to_thread(upload.write, part)
                await asyncio.to_thread(upload.keep, sha256)  # it may wait for a disk
        except CodeRejected as problem:
            raise BadRequest(str(problem)) from None
        except CodeStoreFull as problem:
            raise Unavailable(str(problem)) from None
        except TimeoutError:
            raise web.HTTPRequestTimeout(
                text=f"the upload did not arrive within {UPLOAD_SECONDS:g} s"
            ) from None
        return web.Response(status=200 if upload.known else 201)

    async def _get_code(self, request: web.Request) -> web.StreamResponse:
        path = self._backend.codes.path(request.match_info["sha256"])
        return error_answer(404, "no such code") if path is None else web.FileResponse(path)

    async def _past_status(self, job_id: str) -> JobStatus | None:
        report = await self._past(job_id)
        return None if report is None else report.status

    async def _past(self, job_id: str) -> JobReport | None:
        """The report of a job that the core does not know (any more)."""
        if self._history is None or not is_job_id(job_id):
            return None
        try:
            record = await asyncio.to_thread(self._history.get, job_id)
        except HistoryError as problem:
            raise Unavailable(f"the history cannot be read: {problem}") from None
        return record.report if record is not None else None

    async def _facts(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job_id"]
        tracker_id = signed_by().who
        facts = await asyncio.wrap_future(self._backend.facts(job_id, tracker_id))
        return self._jobs.found(facts, job_id)

    async def _report(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job_id"]
        report = await asyncio.wrap_future(self._backend.report(job_id))
        return self._jobs.found(report or await self._past(job_id), job_id)

    async def _kill(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job_id"]
        if not await asyncio.wrap_future(self._backend.kill(job_id, _by(request))):
            return error_answer(404, f"no job {job_id}")
        return web.Response(status=202)

    async def _move(self, request: web.Request) -> web.Response:
        job_id, query = request.match_info["job_id"], request.query
        wanted = query.get("priority", "")[:100], query.get("pool", "")[:1000]
        if not await asyncio.wrap_future(self._backend.move(job_id, *wanted, _by(request))):
            return error_answer(404, f"no job {job_id} in progress")
        return web.Response(status=202)

    async def _logs(self, request: web.Request) -> web.Response:
        attempt_id = request.match_info["attempt_id"]
        stream = request.query.get("stream", "stderr")
        if stream not in _STREAMS:
            raise BadRequest(f"stream={stream}: expected stdout or stderr")
        logs = await asyncio.wrap_future(self._backend.logs(attempt_id))
        if logs is None:
            logs = await self._past_logs(attempt_id)
        if logs is None:
            return error_answer(404, f"no attempt {attempt_id}")
        offset = _offset(request.query.get("offset", ""))
        part = await self.live_logs.read(logs, attempt_id, stream, offset)
        if not part.data and part.source == KEPT:
            return error_answer(404, not_kept(attempt_id, logs, part.note))
        headers = {LOG_SOURCE: part.source, LOG_START: str(part.start)}
        if part.note:
            headers[LOG_NOTE] = part.note.encode("ascii", "replace").decode()
        headers["Content-Type"] = "text/plain; charset=utf-8"
        headers["X-Content-Type-Options"] = "nosniff"  # a browser must not take it for HTML
        return web.Response(body=part.data, headers=headers)

    async def _past_logs(self, attempt_id: str) -> AttemptLogs | None:
        """The logs of an attempt of a job that the core does not know (any more)."""
        try:
            report = await self._past(parse_attempt(attempt_id).job_id)
        except ValueError:
            return None
        rows = report.attempts if report is not None else []
        row = next((each for each in rows if each.id == attempt_id), None)
        return logs_of_ended(row, "") if row is not None else None

    async def _heartbeat(self, request: web.Request) -> web.Response:
        body = await read_body(request, MAX_HEARTBEAT_BYTES)
        signed = signed_by()
        signed.check_body(body)
        heartbeat = decoded(body, Heartbeat)
        return as_json(await self._hear(heartbeat, signed.who, request.remote or ""))

    async def answer_plain(self, header: str, body: bytes, remote: str) -> tuple[str, bytes]:
        """Answer a heartbeat that aiohttp has not seen (access/plain_requests.py). Raises if it
        must be refused.
        """
        signed = self._door.signer_of_heartbeat(header, body)
        answer = await self._hear(decoded(body, Heartbeat), signed.who, remote)
        content = msgspec.json.encode(answer)
        return signed.reply(hashlib.sha256(content).hexdigest()), content

    async def _hear(self, heartbeat: Heartbeat, signer: str, remote: str) -> HeartbeatAnswer:
        tracker_id = heartbeat.tracker_id
        if tracker_id != signer:
            raise Forbidden(f"{signer} cannot send the heartbeat of another TaskTracker")
        self.live_logs.heard(tracker_id, remote)
        held = self._held.register(heartbeat)
        try:
            answer = await self._backend.heartbeat(heartbeat)
            if held is None:
                self._held.answered_beside(tracker_id, len(answer.actions))
            elif not (answer.actions or answer.unknown):
                news = await self._held.wait(held)
                answer = await self._backend.held_answer(tracker_id) if news else NO_ACTIONS
        finally:
            self._held.drop(tracker_id, held)
        return answer

    async def _clean_up(self, _app: web.Application) -> None:
        await self.live_logs.close()


def _by(request: web.Request) -> str:
    """The name of the user who asks."""
    by = request.query.get("by", "a client")[:100]
    if not by.isprintable():
        raise BadRequest("by: expected a name, without control characters")
    return by


def _offset(text: str) -> int | None:
    """Parse an offset in a log; None if the text is empty."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest(f"offset={text[:50]}: expected a number of bytes")
    return int(text)


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return refused(refusal)
    except web.RequestPayloadError:
        raise  # access/listener.py answers it
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        return error_answer(answer.status, answer.text or answer.reason)
    except Exception as problem:
        logger.exception("%s %s failed", request.method, request.path)
        return error_answer(500, f"{type(problem).__name__}: {problem}")
