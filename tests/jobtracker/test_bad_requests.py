"""Requests that cannot be used are refused with a status 4xx and a text that says why."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mrmesos.access.signing import AUTHORIZATION, Signer
from mrmesos.wire.job import ApiError, JobState
from tests.jobtracker.fakes import wait_until
from tests.jobtracker.test_service import Desk


@contextmanager
def service() -> Iterator[Desk]:
    desk = Desk({"tasktracker.heartbeat.seconds": "0.05", "jobtracker.bearer.tokens": "true"})
    try:
        yield desk
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)


def ask(desk: Desk, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """The status, and the error's text."""
    sent = {AUTHORIZATION: f"Bearer {desk.service.token}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(desk.service.url.removeprefix("http://"))
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if (
        answer.status < 400
        or method == "HEAD"
        or answer.headers["Content-Type"] != "application/json"
    ):
        return answer.status, ""
    return answer.status, msgspec.json.decode(content, type=ApiError).error


WRONG_SPECS: list[tuple[dict[str, Any], str]] = [
    ({"num_reducers": 2**64}, "num_reducers"),
    ({"num_reducers": -1}, "num_reducers"),
    ({"input_format": {"type": "text", "max_line_bytes": 2**64}}, "max_line_bytes"),
    ({"input_format": {"type": "fixed", "record_bytes": -(2**70)}}, "record_bytes"),
    ({"files": [{"name": "f", "sha256": "1" * 64, "size": 2**64, "kind": "file"}]}, "size"),
    ({"files": [{"name": "f", "sha256": "", "size": 1, "kind": "file"}]}, "sha256"),
    ({"code": ""}, "code"),
    ({"conf": {"map.cpus": "inf"}}, "map.cpus"),
    ({"conf": {"map.cpus": "nan"}}, "map.cpus"),
    ({"conf": {"reduce.cpus": "1e300"}}, "reduce.cpus"),
    ({"conf": {"map.memory.mb": "1" + "0" * 16}}, "map.memory.mb"),
    ({"conf": {"task.timeout": "1e999"}}, "task.timeout"),
    ({"name": "a\njob_202611201130_0009  SUCCEEDED  root"}, "control characters"),
    ({"name": "a\u2028b"}, "control characters"),
    ({"user": "me\r"}, "control characters"),
    ({"user": "\x1b[2J"}, "control characters"),
    ({"name": "n" * 2000}, "name"),
]


def test_a_wrong_spec_is_refused(tmp_path: Path) -> None:
    with service() as desk:
        good = msgspec.to_builtins(desk.spec(tmp_path))
        for change, word in WRONG_SPECS:
            body = msgspec.json.encode({**good, **change})
            status, error = ask(desk, "POST", "/api/v1/jobs", body)
            assert (status, word in error) == (400, True), (change, error)
        assert not desk.client.statuses()
        assert ask(desk, "POST", "/api/v1/jobs", msgspec.json.encode(good))[0] == 201


@pytest.mark.parametrize(
    "text", [rb"\ud800", rb"\udfffx", b"\xed\xa0\x80", b"\xff"], ids=["high", "low", "raw", "byte"]
)
def test_text_that_is_no_unicode_is_refused(tmp_path: Path, text: bytes) -> None:
    with service() as desk:
        named = b'"name":"' + text + b'"'
        body = msgspec.json.encode(desk.spec(tmp_path)).replace(b'"name":"n"', named)
        assert ask(desk, "POST", "/api/v1/jobs", body)[0] == 400


def test_encoded_bodies_are_not_taken(tmp_path: Path) -> None:
    with service() as desk:
        body = msgspec.json.encode(desk.spec(tmp_path))
        for sent in (b"no gzip", gzip.compress(body)[:-9], gzip.compress(body), b""):
            for kind in ("gzip", "deflate", "br", "zstd", "x"):
                for method, path in (
                    ("POST", "/api/v1/jobs"),
                    ("PUT", "/api/v1/code/" + "0" * 64),
                    ("POST", "/api/v1/heartbeat"),
                ):
                    status, _ = ask(desk, method, path, sent, Content_Encoding=kind)
                    assert 400 <= status < 500, (kind, method, path)
        assert desk.client.statuses() == []


def test_headers_and_queries_are_looked_at(tmp_path: Path) -> None:
    with service() as desk:
        body = msgspec.json.encode(desk.spec(tmp_path))
        for key in ("\xff\xfe", "\xed", "a\tb"):
            assert ask(desk, "POST", "/api/v1/jobs", body, Idempotency_Key=key)[0] == 400
        job_id = desk.client.submit(desk.spec(tmp_path))
        for query in ("wait=nan", "wait=x", "wait=%ff"):
            assert ask(desk, "GET", f"/api/v1/jobs/{job_id}?{query}")[0] == 400
        assert ask(desk, "GET", f"/api/v1/jobs/{job_id}?wait=-inf")[0] == 200
        for by in ("%0a", "%ff%0d", "%e2%80%a8"):
            assert ask(desk, "POST", f"/api/v1/jobs/{job_id}/kill?by={by}")[0] == 400
        assert ask(desk, "HEAD", f"/api/v1/jobs/{job_id}/facts")[0] == 405
        for name in ("%ff", "%ed%a0%80", "%00", "x" * 3000):
            assert ask(desk, "GET", f"/api/v1/jobs/{name}")[0] == 404
            assert ask(desk, "GET", f"/api/v1/attempts/{name}/logs")[0] == 404
            assert ask(desk, "GET", f"/api/v1/attempts/{name}/logs?stream=%ff")[0] == 400


WRONG_BEATS: list[dict[str, Any]] = [
    {"sequence": 2**64},
    {"sequence": -1},
    {"acknowledged": 2**70},
    {"slots": ["s" * 2000]},
    {"progress": [{"attempt_id": "a", "progress": 1e300}]},
    {"progress": [{"attempt_id": "a", "progress": 0.5, "counters": {"g": {"n": 2**70}}}]},
    *(
        {
            "reports": [
                {"attempt_id": "a", "slot_id": "s", "started": 1, "ended": 2, "state": "KILLED"}
                | wrong
            ]
        }
        for wrong in (
            {"state": "RUNNING"},
            {"started": -1},
            {"ended": 1e300},
            {"counters": {"g": {"n": -(2**64)}}},
            {"error": {"kind": "user code", "message": "m" * (2 << 20)}},
        )
    ),
]


def test_a_wrong_heartbeat_is_refused(tmp_path: Path) -> None:
    with service() as desk:
        (task,) = _launch(desk, tmp_path)
        tracker = task["executor"]["executor_id"]["value"]
        good = {
            "tracker_id": tracker,
            "agent_id": "agent-S0",
            "hostname": "h",
            "url": "http://127.0.0.1:1",
            "sequence": 1,
            "acknowledged": 0,
            "slots": [task["task_id"]["value"]],
        }
        for change in WRONG_BEATS:
            status, error = _beat(desk, tracker, {**good, **change})
            assert (status, "not a Heartbeat" in error) == (400, True), (change, error)
        assert _beat(desk, tracker, good) == (200, "")


def _launch(desk: Desk, directory: Path) -> list[dict[str, Any]]:
    job_id = desk.client.submit(desk.spec(directory))
    wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
    return desk.offer(1)


def _beat(desk: Desk, tracker: str, beat: dict[str, Any]) -> tuple[int, str]:
    body = msgspec.json.encode(beat)
    signed = Signer(tracker, desk.keys[tracker]).sign("POST", "/api/v1/heartbeat", body)
    return ask(desk, "POST", "/api/v1/heartbeat", body, Authorization=signed)
