"""A thousand requests that no honest client sends. All are refused, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import http.client
import time
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest

from mrmesos.access.signing import AUTHORIZATION, CLIENT, Signer, client_key
from mrmesos.client.api_client import ApiProblem, JobTrackerClient
from mrmesos.jobtracker.http.api import MAX_HEARTBEAT_BYTES
from mrmesos.jobtracker.http.authentication import MAX_CLIENT_BYTES
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.job import JobState
from tests.access.abuse import KINDS, Door, Good, play
from tests.jobtracker.fakes import wait_until
from tests.jobtracker.test_service import Desk, first_of

SEED = 20_261_120
COUNT = 1_000
MEMORY_MAX = 64 << 20


def door_of(desk: Desk, job_id: str, tracker: str, slot_id: str) -> Door:
    beat = Heartbeat(
        tracker_id=tracker,
        agent_id="agent-S0",
        hostname="h",
        url="http://127.0.0.1:1",
        sequence=0,
        acknowledged=0,
        slots=[slot_id],
    )
    host, port = desk.service.url.removeprefix("http://").split(":")
    return Door(
        address=(host, int(port)),
        signer=lambda clock: Signer(tracker, desk.keys[tracker], clock),
        stranger=Signer(tracker, "no key of ours"),
        goods=(
            Good(
                "POST",
                "/api/v1/heartbeat",
                msgspec.json.encode(beat),
                MAX_HEARTBEAT_BYTES,
                again=frozenset({200}),  # its number shows that it is an old one
            ),
            Good("GET", f"/api/v1/jobs/{job_id}/facts", b"", 0),
        ),
        now=time.time(),
    )


def test_a_thousand_requests_of_strangers(tmp_path: Path) -> None:
    desk = Desk({"tasktracker.heartbeat.seconds": "0.05"})
    try:
        job_id = desk.client.submit(desk.spec(tmp_path))
        wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
        (task,) = desk.offer(1)
        tracker = task["executor"]["executor_id"]["value"]
        door = door_of(desk, job_id, tracker, first_of(task).slot_id)
        play(door, SEED, 2 * len(KINDS))  # so that everything that is made once exists
        us, before = psutil.Process(), _resources(desk)
        memory = us.memory_info().rss
        played = play(door, SEED + 1, COUNT)
        assert sum(played.values()) == COUNT
        assert min(played.values()) >= COUNT // len(KINDS)
        desk.beat(tracker, [first_of(task).slot_id])
        assert desk.client.status(job_id).state is JobState.RUNNING
        wait_until(lambda: _fits(_resources(desk), before), f"an end of what was opened: {before}")
        gc.collect()
        assert us.memory_info().rss - memory < MEMORY_MAX
        assert not desk.service._front._api._held
        assert not desk.service._front._api._waiting._events
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)


def _fits(now: tuple[int, ...], before: tuple[int, ...]) -> bool:
    return all(one <= other for one, other in zip(now, before, strict=True))


def _resources(desk: Desk) -> tuple[int, int]:
    """How many file descriptors this process has, and how many tasks the HTTP server's loop has."""
    server = desk.service._front._server
    assert server is not None
    assert server._loop is not None
    return psutil.Process().num_fds(), len(asyncio.all_tasks(server._loop))


def client_door_of(desk: Desk, job_id: str) -> Door:
    """One client that has greeted this JobTracker, and one that has another token."""
    host, port = desk.service.url.removeprefix("http://").split(":")
    who, token = f"{CLIENT}.{desk.service._front._api._door.life}", desk.service.token
    return Door(
        address=(host, int(port)),
        signer=lambda clock: Signer(who, client_key(token), clock),
        stranger=Signer(who, client_key("another token")),
        goods=(
            Good("GET", f"/api/v1/jobs/{job_id}", b"", 0),
            Good("GET", "/api/v1/jobs", b"", 0),
            Good("POST", "/api/v1/jobs", b"{}", MAX_CLIENT_BYTES),
        ),
        now=time.time(),
    )


def test_a_thousand_requests_of_strangers_to_clients_paths(tmp_path: Path) -> None:
    desk = Desk({})
    try:
        job_id = desk.client.submit(desk.spec(tmp_path))
        door = client_door_of(desk, job_id)
        play(door, SEED, 2 * len(KINDS))
        before = _resources(desk)
        played = play(door, SEED + 1, COUNT)
        assert sum(played.values()) == COUNT
        wait_until(lambda: _fits(_resources(desk), before), f"an end of what was opened: {before}")
        assert [one.job_id for one in desk.client.statuses()] == [job_id]
        assert desk.client.status(job_id).state is not JobState.KILLED
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)


def test_an_upload_is_signed_for_its_name() -> None:
    """An upload is too long to read before we check its signature. Its name, a hash, is signed."""
    desk = Desk({})
    try:
        signer = client_door_of(desk, "job_1").signer(time.time)
        path = f"/api/v1/code/{hashlib.sha256(b'one').hexdigest()}"
        for signed, sent, wanted in ((b"two", b"one", 401), (b"one", b"two", 400)):
            header = signer.sign("PUT", path, signed)
            assert _status(desk, "PUT", path, header, sent) == wanted
        assert _status(desk, "PUT", path, signer.sign("PUT", path, b"one"), b"one") == 201
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)


def test_the_token_itself_is_taken_only_where_a_setting_says_so(tmp_path: Path) -> None:
    for conf, status in (({}, 401), ({"jobtracker.bearer.tokens": "true"}, 200)):
        desk = Desk(conf)
        try:
            token = desk.service.token
            assert _status(desk, "GET", "/api/v1/jobs", f"Bearer {token}") == status
            assert _status(desk, "GET", "/api/v1/jobs", f"Bearer {token}x") == 401
            assert _status(desk, "GET", "/api/v1/greeting", f"Bearer {token}") == 401
            assert desk.client.statuses() == []
        finally:
            desk.client.close()
            desk.service.stop(timeout=0.5)


def test_paths_of_clients_need_their_token(tmp_path: Path) -> None:
    desk = Desk({})
    try:
        spec = desk.spec(tmp_path)
        job_id = desk.client.submit(spec)
        for token in ("", "wrong", desk.service.token + "x", desk.service.token[:-1]):
            stranger = JobTrackerClient(desk.service.url, token=token, retry_seconds=1.0)
            for ask in (
                partial(stranger.status, job_id),
                stranger.statuses,
                partial(stranger.report, job_id),
                partial(stranger.logs, "attempt_1_1_m_000000_0", "stdout"),
                partial(stranger.kill, job_id, "me"),
                partial(stranger.upload, b"code"),
                partial(stranger.submit, spec),
            ):
                with pytest.raises(ApiProblem) as refused:
                    ask()
                assert refused.value.status == 401
            stranger.close()
        assert desk.client.status(job_id).state is not JobState.KILLED
        assert len(desk.client.statuses()) == 1
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)


def test_a_tracker_speaks_for_itself_and_asks_of_its_own_jobs(tmp_path: Path) -> None:
    desk = Desk({"tasktracker.heartbeat.seconds": "0.05"})
    try:
        job_id = desk.client.submit(desk.spec(tmp_path))
        wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
        (task,) = desk.offer(1)
        tracker = task["executor"]["executor_id"]["value"]
        path = f"/api/v1/jobs/{job_id}/facts"
        assert desk.facts(job_id, tracker).job_id == job_id
        # This TaskTracker is known, but has no part in this job.
        with pytest.raises(ApiProblem) as refused:
            desk.facts(job_id, "tracker_another")
        assert refused.value.status == 403
        for_another = Signer("tracker_another", desk.keys[tracker]).sign("GET", path)
        for_client = f"Bearer {desk.service.token}"
        for header in (for_another, for_client):
            assert _status(desk, "GET", path, header) == 401
        for_itself = Signer(tracker, desk.keys[tracker])
        assert _status(desk, "GET", "/api/v1/jobs", for_itself.sign("GET", "/api/v1/jobs")) == 401
        beat = Heartbeat(
            tracker_id="tracker_another",
            agent_id="a",
            hostname="h",
            url="u",
            sequence=1,
            acknowledged=0,
            slots=[],
        )
        with pytest.raises(ApiProblem) as refused:
            desk.as_tracker(tracker, "POST", "/api/v1/heartbeat", msgspec.json.encode(beat))
        assert refused.value.status == 403
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)


def _status(desk: Desk, method: str, path: str, authorization: str, body: bytes = b"") -> int:
    connection = http.client.HTTPConnection(desk.service.url.removeprefix("http://"))
    connection.request(method, path, body, {AUTHORIZATION: authorization})
    status = connection.getresponse().status
    connection.close()
    return status
