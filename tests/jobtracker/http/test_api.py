"""The HTTP API over real sockets, with aiohttp's client and a scripted backend."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mrmesos.access.signing import AUTHORIZATION, REPLY, Signer, Verifier
from mrmesos.jobtracker.core.state.reports import AttemptLogs
from mrmesos.jobtracker.http import authentication
from mrmesos.jobtracker.http.api import HttpApi
from mrmesos.jobtracker.http.authentication import Authenticator
from mrmesos.jobtracker.http.errors import BadRequest, Unavailable
from mrmesos.jobtracker.http.held_heartbeats import HeldHeartbeats
from mrmesos.jobtracker.storage.code_store import CodeStore
from mrmesos.wire.chain import ChainAnswer, ChainSpec, ChainState, ChainStatus, StepSpec
from mrmesos.wire.heartbeat import EndSlot, Heartbeat, HeartbeatAnswer, Numbered
from mrmesos.wire.job import (
    ApiError,
    JobFacts,
    JobReport,
    JobSpec,
    JobState,
    JobStatus,
    ServiceStatus,
    SubmitAnswer,
    TaskCounts,
)
from mrmesos.wire.queue import (
    QueueAnswer,
    QueueRequest,
    QueueSpec,
    QueueState,
    QueueStatus,
    TaskEnd,
    TaskEnds,
    TaskSpec,
)
from mrmesos.wire.task import AttemptReport, AttemptState
from tests.wire import specs

T = TypeVar("T")

SPEC = msgspec.structs.replace(specs.SPEC, conf={"a": "1"})
COUNTS = TaskCounts(1, 0, 1, 0, 0, 0, 0.5)
LONG = 60.0
REPORT = AttemptReport(
    attempt_id="attempt_202611201130_0001_m_000003_0",
    slot_id="s",
    state=AttemptState.SUCCEEDED,
    started=1.0,
    ended=2.0,
)
TOKEN = "the token of clients"
CODE = ("GET", "/api/v1/code")


def status(state: JobState = JobState.RUNNING) -> JobStatus:
    return JobStatus(
        job_id="job_1",
        name="n",
        user="u",
        state=state,
        submitted=1.0,
        started=2.0,
        ended=3.0 if state.ended else None,
        maps=COUNTS,
        reduces=COUNTS,
        counters={"task": {"MAP_INPUT_RECORDS": 1}},
        output="file:///out",
    )


CHAIN = ChainSpec(
    name="c",
    user="u",
    output="file:///out",
    data="file:///_out_steps",
    steps=(StepSpec(name="a", job=SPEC, identity="0" * 64),),
)


def chain_status() -> ChainStatus:
    return ChainStatus(
        chain_id="chain_1",
        name="c",
        user="u",
        state=ChainState.SUCCEEDED,
        submitted=1.0,
        ended=2.0,
        steps=(),
        output="file:///out",
    )


QUEUE = QueueSpec(name="q", user="u", conf={}, code="0" * 64)


def queue_status() -> QueueStatus:
    return QueueStatus(
        queue_id="queue_1",
        name="q",
        user="u",
        state=QueueState.OPEN,
        submitted=1.0,
        ended=None,
        jobs=(),
        waiting=0,
        unread=0,
    )


def beat(
    tracker: str = "t1", sequence: int = 1, reports: tuple[AttemptReport, ...] = ()
) -> Heartbeat:
    return Heartbeat(
        tracker_id=tracker,
        agent_id="a",
        hostname="h",
        url="http://x",
        sequence=sequence,
        acknowledged=0,
        slots=[],
        reports=list(reports),
    )


class FakeBackend:
    """Answers at once, and notes what it gets."""

    def __init__(self) -> None:
        self.codes = CodeStore(max_store_bytes=100)
        self.job: JobStatus | None = status()
        self.problem: Exception | None = None
        self.known: dict[str, list[Numbered]] = {"t1": []}
        self.beats: list[Heartbeat] = []
        self.log: AttemptLogs | None = None
        self.asked_of_queue: list[QueueRequest] = []
        self.ends: list[TaskEnd] = []
        self.asked = 0

    def _answer(self, value: T) -> Future[T]:
        self.asked += 1
        future: Future[T] = Future()
        if self.problem is not None:
            future.set_exception(self.problem)
        else:
            future.set_result(value)
        return future

    def status(self, job_id: str) -> Future[JobStatus | None]:
        return self._answer(self.job if job_id == "job_1" else None)

    def statuses(self) -> Future[list[JobStatus]]:
        return self._answer([self.job] if self.job else [])

    def service_status(self) -> Future[ServiceStatus]:
        return self._answer(ServiceStatus(jobs=1, trackers=2, set_aside={"Tick": 3}))

    def report(self, job_id: str) -> Future[JobReport | None]:
        return self._answer(JobReport(status=status(), attempts=[]) if job_id == "job_1" else None)

    def facts(self, job_id: str, tracker_id: str) -> Future[JobFacts | None]:
        assert tracker_id == "t1"
        facts = JobFacts(job_id=job_id, spec=SPEC, token="secret", num_maps=1)
        return self._answer(facts if job_id == "job_1" else None)

    def logs(self, attempt_id: str) -> Future[AttemptLogs | None]:
        return self._answer(self.log)

    def submit(self, spec: JobSpec, key: str) -> Future[str]:
        assert spec == SPEC
        return self._answer(f"job_{key or 1}")

    def submit_chain(self, spec: ChainSpec, key: str) -> Future[str]:
        assert spec == CHAIN
        return self._answer(f"chain_{key or 1}")

    def chain_status(self, chain_id: str) -> Future[ChainStatus | None]:
        return self._answer(chain_status() if chain_id == "chain_1" else None)

    def chain_statuses(self) -> Future[list[ChainStatus]]:
        return self._answer([chain_status()])

    def move(self, job_id: str, priority: str, pool: str, by: str) -> Future[bool]:
        return self.kill(job_id, f"{by}: {priority} {pool}")

    def submit_queue(self, spec: QueueSpec, key: str) -> Future[str]:
        return self._answer(f"queue_{spec.name}_{key}")

    def queue_status(self, queue_id: str) -> Future[QueueStatus | None]:
        return self._answer(queue_status() if queue_id == "queue_1" else None)

    def queue_statuses(self) -> Future[list[QueueStatus]]:
        return self._answer([queue_status()])

    def queue_request(self, queue_id: str, request: QueueRequest) -> Future[bool]:
        self.asked_of_queue.append(request)
        return self._answer(queue_id == "queue_1")

    queue_wait = LONG

    def queue_ends(self, queue_id: str, taken: int) -> Future[TaskEnds | None]:
        ends = [each for each in self.ends if each.number > taken]
        return self._answer(TaskEnds(ends, QueueState.OPEN) if queue_id == "queue_1" else None)

    def kill(self, job_id: str, by: str) -> Future[bool]:
        return self._answer(job_id == "job_1" and by == "me")

    async def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        self.beats.append(heartbeat)
        return await self.held_answer(heartbeat.tracker_id)

    async def held_answer(self, tracker_id: str) -> HeartbeatAnswer:
        actions = self.known.get(tracker_id)
        answer = self._answer(HeartbeatAnswer(actions or [], unknown=actions is None))
        return await asyncio.wrap_future(answer)


class Desk:
    """The API under test, its backend and a client."""

    def __init__(self, hold_seconds: float) -> None:
        self.backend = FakeBackend()
        self.door = Authenticator(TOKEN, "the secret", bearer=True)
        self.api = HttpApi(self.backend, HeldHeartbeats(hold_seconds, LONG), self.door)
        self.session: aiohttp.ClientSession
        self.base = ""

    async def ask(
        self, method: str, path: str, body: bytes | object = None, **headers: str
    ) -> tuple[int, bytes]:
        """Send a request as a client, or as the TaskTracker t1 for TaskTrackers' paths."""
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        sent = {AUTHORIZATION: f"Bearer {TOKEN}"}
        if path == "/api/v1/heartbeat" or path.endswith("/facts") or (method, path[:12]) == CODE:
            who = body.tracker_id if isinstance(body, Heartbeat) else "t1"
            sent = {AUTHORIZATION: self.signer(who).sign(method, path, data or b"")}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, self.base + path, data=data, headers=sent
        ) as answer:
            return answer.status, await answer.read()

    def signer(self, tracker_id: str) -> Signer:
        return Signer(tracker_id, self.door.key_of(tracker_id))

    async def heartbeat(self, beat: Heartbeat) -> HeartbeatAnswer:
        code, body = await self.ask("POST", "/api/v1/heartbeat", beat)
        assert code == 200
        return msgspec.json.decode(body, type=HeartbeatAnswer)


@asynccontextmanager
async def serving(hold_seconds: float = 0.01) -> AsyncIterator[Desk]:
    desk = Desk(hold_seconds)
    async with TestServer(desk.api.application()) as server, aiohttp.ClientSession() as session:
        desk.session, desk.base = session, str(server.make_url("")).rstrip("/")
        yield desk


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (what is awaited sets no event)
            await asyncio.sleep(0.002)


def error_of(body: bytes) -> str:
    return msgspec.json.decode(body, type=ApiError).error


def test_code_goes_in_and_out_and_is_checked() -> None:
    async def scenario() -> None:
        code = b"pickled"
        path = f"/api/v1/code/{hashlib.sha256(code).hexdigest()}"
        async with serving() as desk:
            assert (await desk.ask("GET", path))[0] == 404
            assert (await desk.ask("PUT", path, code))[0] == 201
            assert (await desk.ask("PUT", path, code))[0] == 200
            assert await desk.ask("GET", path) == (200, code)
            refused, body = await desk.ask("PUT", path, b"other")
            assert (refused, "do not have the SHA-256" in error_of(body)) == (400, True)
            assert (await desk.ask("PUT", "/api/v1/code/xyz", code))[0] == 400
            large = b"x" * 101
            full = f"/api/v1/code/{hashlib.sha256(large).hexdigest()}"
            assert (await desk.ask("PUT", full, large))[0] == 503

    asyncio.run(scenario())


def test_jobs() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            code, body = await desk.ask("POST", "/api/v1/jobs", SPEC, Idempotency_Key="7")
            assert (code, msgspec.json.decode(body, type=SubmitAnswer).job_id) == (201, "job_7")
            code, body = await desk.ask("GET", "/api/v1/jobs")
            assert msgspec.json.decode(body, type=list[JobStatus]) == [status()]
            code, body = await desk.ask("GET", "/api/v1/jobs/job_1")
            assert msgspec.json.decode(body, type=JobStatus) == status()
            code, body = await desk.ask("GET", "/api/v1/jobs/job_1/facts")
            assert msgspec.json.decode(body, type=JobFacts).spec == SPEC
            code, body = await desk.ask("GET", "/api/v1/jobs/job_1/report")
            assert msgspec.json.decode(body, type=JobReport).status == status()
            assert (await desk.ask("POST", "/api/v1/jobs/job_1/kill?by=me"))[0] == 202
            for path in ("job_2", "job_2/facts", "job_2/report"):
                code, body = await desk.ask("GET", f"/api/v1/jobs/{path}")
                assert (code, error_of(body)) == (404, "no job job_2")
            assert (await desk.ask("POST", "/api/v1/jobs/job_2/kill"))[0] == 404
            assert (await desk.ask("GET", "/health"))[0] == 200
            assert b"JobTracker" in (await desk.ask("GET", "/version"))[1]

    asyncio.run(scenario())


def test_queues() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            path = "/api/v1/queues/queue_1"
            code, body = await desk.ask("POST", "/api/v1/queues", QUEUE, Idempotency_Key="7")
            assert (code, msgspec.json.decode(body, type=QueueAnswer).queue_id) == (
                201,
                "queue_q_7",
            )
            code, body = await desk.ask("GET", "/api/v1/queues")
            assert msgspec.json.decode(body, type=list[QueueStatus]) == [queue_status()]
            code, body = await desk.ask("GET", path)
            assert msgspec.json.decode(body, type=QueueStatus) == queue_status()
            code, body = await desk.ask("GET", "/api/v1/queues/queue_2")
            assert (code, error_of(body)) == (404, "no queue queue_2")
            task = TaskSpec(key=1, name="t", need={"cpus": 1000}, payload=b"\x80\xff")
            wanted = QueueRequest(tasks=(task,), cancel=(4,))
            code, _ = await desk.ask("POST", f"{path}/tasks", wanted)
            assert (code, desk.backend.asked_of_queue) == (202, [wanted])
            code, _ = await desk.ask("POST", "/api/v1/queues/queue_2/tasks", wanted)
            assert code == 404
            desk.backend.ends = [TaskEnd(number=1, key=1), TaskEnd(number=2, key=2)]
            code, body = await desk.ask("GET", f"{path}/ends?taken=1&wait=60")
            assert msgspec.json.decode(body, type=TaskEnds).ends == [TaskEnd(number=2, key=2)]
            desk.backend.queue_wait = 0.1  # a client that waits longer would be taken for silent
            answer = desk.ask("GET", f"{path}/ends?taken=2&wait=60")
            code, body = await asyncio.wait_for(answer, LONG / 2)
            assert (code, msgspec.json.decode(body, type=TaskEnds).ends) == (200, [])
            code, body = await desk.ask("GET", f"{path}/ends?taken=-1")
            assert (code, error_of(body)) == (400, "taken=-1: expected the number of an end")

    asyncio.run(scenario())


def test_chains() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            code, body = await desk.ask("POST", "/api/v1/chains", CHAIN, Idempotency_Key="7")
            assert (code, msgspec.json.decode(body, type=ChainAnswer).chain_id) == (201, "chain_7")
            code, body = await desk.ask("GET", "/api/v1/chains")
            assert msgspec.json.decode(body, type=list[ChainStatus]) == [chain_status()]
            code, body = await desk.ask("GET", "/api/v1/chains/chain_1?wait=5")
            assert msgspec.json.decode(body, type=ChainStatus) == chain_status()
            code, body = await desk.ask("GET", "/api/v1/chains/chain_2")
            assert (code, error_of(body)) == (404, "no chain chain_2")

    asyncio.run(scenario())


def test_errors_are_json_with_the_right_status() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            code, body = await desk.ask("POST", "/api/v1/jobs", b'{"name": 1}')
            assert code == 400
            assert error_of(body).startswith("not a JobSpec")
            assert (await desk.ask("POST", "/api/v1/heartbeat", b"\xff"))[0] == 400
            assert (await desk.ask("GET", "/api/v1/jobs/job_1?wait=x"))[0] == 400
            code, body = await desk.ask("GET", "/nowhere")
            assert (code, bool(error_of(body))) == (404, True)
            code, body = await desk.ask("DELETE", "/api/v1/jobs")
            assert (code, bool(error_of(body))) == (405, True)
            for problem, expected in (
                (BadRequest("bad spec"), 400),
                (Unavailable("full"), 503),
                (ValueError("oops"), 500),
            ):
                desk.backend.problem = problem
                code, body = await desk.ask("POST", "/api/v1/jobs", SPEC)
                assert code == expected
                assert str(problem) in error_of(body)

    asyncio.run(scenario())


def test_bodies_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "MAX_CLIENT_BYTES", 100)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 50

    async def scenario() -> None:
        async with serving() as desk:
            code, body = await desk.ask("POST", "/api/v1/jobs", b" " * 101)
            assert (code, bool(error_of(body))) == (413, True)
            async with desk.session.post(
                f"{desk.base}/api/v1/jobs",
                data=chunks(),
                headers={AUTHORIZATION: f"Bearer {TOKEN}"},
            ) as answer:
                assert answer.status == 413

    asyncio.run(scenario())


def test_a_client_waits_for_the_end_of_a_job() -> None:
    async def scenario() -> None:
        async with serving() as desk:
            asking = asyncio.create_task(desk.ask("GET", f"/api/v1/jobs/job_1?wait={LONG}"))
            await until(lambda: desk.backend.asked == 1)
            desk.backend.job = status(JobState.SUCCEEDED)
            desk.api.job_ended("job_1")
            _, body = await asking
            assert msgspec.json.decode(body, type=JobStatus).state is JobState.SUCCEEDED
            _, body = await desk.ask("GET", f"/api/v1/jobs/job_1?wait={LONG}")
            assert msgspec.json.decode(body, type=JobStatus).state is JobState.SUCCEEDED
            desk.backend.job = status()
            _, body = await desk.ask("GET", "/api/v1/jobs/job_1?wait=0.01")
            assert msgspec.json.decode(body, type=JobStatus).state is JobState.RUNNING

    asyncio.run(scenario())


def test_a_heartbeat_is_answered_at_once_where_there_are_actions() -> None:
    async def scenario() -> None:
        async with serving(LONG) as desk:
            actions = [Numbered(1, EndSlot("s"))]
            desk.backend.known["t1"] = actions
            assert await desk.heartbeat(beat()) == HeartbeatAnswer(actions)
            assert await desk.heartbeat(beat("t9")) == HeartbeatAnswer([], unknown=True)

    asyncio.run(scenario())


def test_a_heartbeat_is_held_until_there_is_something_to_say() -> None:
    async def scenario() -> None:
        async with serving(LONG) as desk:
            held = asyncio.create_task(desk.heartbeat(beat()))
            await until(lambda: len(desk.backend.beats) == 1)
            actions = [Numbered(1, EndSlot("s"))]
            desk.backend.known["t1"] = actions
            desk.api.wake_tracker("t1")
            assert await held == HeartbeatAnswer(actions)
            desk.backend.known["t1"] = []
            forgotten = asyncio.create_task(desk.heartbeat(beat(sequence=2)))
            await until(lambda: len(desk.backend.beats) == 2)
            del desk.backend.known["t1"]
            desk.api.wake_tracker("t1")
            assert await forgotten == HeartbeatAnswer([], unknown=True)

    asyncio.run(scenario())


def test_a_held_heartbeat_is_answered_in_time() -> None:
    async def scenario() -> None:
        async with serving(0.01) as desk:
            assert await desk.heartbeat(beat()) == HeartbeatAnswer([])

    asyncio.run(scenario())


def test_a_newer_heartbeat_releases_the_held_one_and_a_late_one_does_not() -> None:
    async def scenario() -> None:
        async with serving(LONG) as desk:
            first = asyncio.create_task(desk.heartbeat(beat(sequence=1)))
            await until(lambda: len(desk.backend.beats) == 1)
            third = asyncio.create_task(desk.heartbeat(beat(sequence=3)))
            assert await first == HeartbeatAnswer([])
            await until(lambda: len(desk.backend.beats) == 2)
            assert await desk.heartbeat(beat(sequence=2)) == HeartbeatAnswer([])
            assert not third.done()
            desk.api.release_all()
            assert await third == HeartbeatAnswer([])

    asyncio.run(scenario())


def test_an_end_is_answered_at_once_while_another_heartbeat_stays_held() -> None:
    async def scenario() -> None:
        async with serving(LONG) as desk:
            held = asyncio.create_task(desk.heartbeat(beat(sequence=1)))
            await until(lambda: len(desk.backend.beats) == 1)
            ended = beat(sequence=2, reports=(REPORT,))
            assert await desk.heartbeat(ended) == HeartbeatAnswer([])
            actions = [Numbered(1, EndSlot("s"))]
            desk.backend.known["t1"] = actions
            assert await desk.heartbeat(ended) == HeartbeatAnswer(actions)
            assert not held.done()
            desk.api.wake_tracker("t1")
            assert await held == HeartbeatAnswer(actions)

    asyncio.run(scenario())


def test_logs_come_from_the_tracker_or_from_what_was_kept() -> None:
    async def log(request: web.Request) -> web.Response:
        asked = [request.match_info["a"], request.query["stream"], request.query.get("offset", "")]
        body = " ".join(filter(None, asked)).encode()
        shown = request.headers[AUTHORIZATION]
        verified = Verifier(lambda _: "token").verify("GET", request.raw_path, shown)
        reply = verified.reply(hashlib.sha256(body).hexdigest())
        return web.Response(body=body, headers={REPLY: reply})

    async def scenario() -> None:
        tracker = web.Application()
        tracker.router.add_get("/attempts/{a}/logs", log)
        async with serving() as desk, TestServer(tracker) as server:
            path = "/api/v1/attempts/a1/logs"
            assert (await desk.ask("GET", path))[0] == 404
            url = str(server.make_url("")).rstrip("/")
            desk.backend.log = AttemptLogs(url, "kept", "job_1", "token", hosts=("127.0.0.1",))
            assert await desk.ask("GET", f"{path}?stream=stdout") == (200, b"a1 stdout")
            assert await desk.ask("GET", f"{path}?stream=stdout&offset=3") == (200, b"a1 stdout 3")
            assert (await desk.ask("GET", f"{path}?offset=-3"))[0] == 400
            desk.backend.log = AttemptLogs("http://127.0.0.1:1", "kept")
            assert await desk.ask("GET", path) == (200, b"kept")
            desk.backend.log = AttemptLogs("", "", hosts=("agent-7",))
            status, said = await desk.ask("GET", path)
            assert status == 404
            assert b"on agent-7 in userlogs/*/a1 of the TaskTracker's sandbox" in said
            assert (await desk.ask("GET", f"{path}?stream=other"))[0] == 400

    asyncio.run(scenario())
