"""The shuffle server against honest reduces, and against hostile requests."""

from __future__ import annotations

import asyncio
import os
import socket
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path

import aiohttp
import msgspec
import pytest
from yarl import URL

from mrmesos.access.signing import AUTHORIZATION, REPLY, Signer
from mrmesos.io.shuffle.index import MapOutputIndex, Segment
from mrmesos.tasktracker.outputs import shuffle_server as server_module
from mrmesos.tasktracker.outputs.job_cache import JobCache
from mrmesos.tasktracker.outputs.shuffle_server import ServerLimits, ShuffleServer
from mrmesos.wire.shuffle import FrameHeader
from tests.tasktracker.fake_jobtracker import fake_jobtracker, link_to
from tests.tasktracker.support import JOB, OTHER_JOB, facts, map_attempt, until


def sign(method: str, path: str, body: bytes = b"", job: str = JOB) -> dict[str, str]:
    return {AUTHORIZATION: Signer(job, facts(job).token).sign(method, path, body)}


SIZES = (10, 0, 300_000)


class Served:
    """A server with the jobs JOB and OTHER_JOB, and a client."""

    def __init__(
        self, jobs: JobCache, url: str, server: ShuffleServer, client: aiohttp.ClientSession | None
    ) -> None:
        self.jobs, self.url, self.server = jobs, url, server
        self._client = client

    @property
    def client(self) -> aiohttp.ClientSession:
        assert self._client is not None
        return self._client

    def add_map(self, index: int, sizes: tuple[int, ...] = SIZES) -> list[bytes]:
        """A finished map with random segments of these sizes."""
        name = map_attempt(index).attempt_id
        work = self.jobs.add_attempt(name)
        work.mkdir(parents=True)
        parts = [os.urandom(size) for size in sizes]
        segments, offset = [], 0
        for number, part in enumerate(parts):
            segments.append(Segment(offset, len(part), number, zlib.crc32(part)))
            offset += len(part)
        (work / "file.out").write_bytes(b"".join(parts))
        MapOutputIndex(segments).write(work / "file.out.index")
        logs = self.jobs.logs.directory(name)
        logs.mkdir(parents=True)
        (logs / "stdout").write_text("printed\n")
        self.jobs.add_output(name)
        return parts

    async def shuffle(
        self, partition: object, maps: list[str], *, job: str = JOB, here: bool = False
    ) -> list[tuple[FrameHeader, bytes]]:
        url = f"{self.url}/shuffle/{job}/{partition}"
        body = msgspec.json.encode({"maps": maps} | ({"here": True} if here else {}))
        signer = Signer(job, facts(job).token)
        signed = signer.sign("POST", f"/shuffle/{job}/{partition}", body)
        headers = {AUTHORIZATION: signed}
        async with self.client.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            assert signer.proves(signed, answer.headers[REPLY])
            frames = []
            for _ in maps:
                header = msgspec.json.decode(await answer.content.readline(), type=FrameHeader)
                sent = 0 if header.path else header.length
                frames.append((header, await answer.content.readexactly(sent)))
            assert await answer.content.read() == b""
            return frames

    async def post(
        self, path: str, body: bytes = b'{"maps": []}', headers: dict[str, str] | None = None
    ) -> int:
        sent = sign("POST", path, body) if headers is None else headers
        url = URL(self.url + path, encoded=True)
        async with self.client.post(url, data=body, headers=sent) as answer:
            if answer.status >= 400:
                assert set(msgspec.json.decode(await answer.read())) == {"error"}
            return answer.status


def play(
    sandbox: Path,
    scenario: Callable[[Served], Coroutine[None, None, None]],
    limits: ServerLimits | None = None,
) -> None:
    async def body() -> None:
        async with (
            fake_jobtracker() as jobtracker,
            link_to(jobtracker) as link,
            aiohttp.ClientSession() as client,
        ):
            jobtracker.jobs = {job: facts(job) for job in (JOB, OTHER_JOB)}
            jobs = JobCache(sandbox, link)
            for job in jobtracker.jobs:
                await jobs.fetch(job)
            server = ShuffleServer(jobs, limits)
            url = await server.start("127.0.0.1")
            try:
                await scenario(Served(jobs, url, server, client))
            finally:
                await server.close()

    asyncio.run(body())


def names(*indexes: int) -> list[str]:
    return [map_attempt(index).attempt_id for index in indexes]


def test_segments_of_many_maps_come_in_the_order_asked(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        parts = {index: served.add_map(index) for index in range(5)}
        for partition in range(3):
            frames = await served.shuffle(partition, names(4, 0, 2))
            assert [header.attempt_id for header, _ in frames] == names(4, 0, 2)
            for index, (header, data) in zip((4, 0, 2), frames, strict=True):
                assert (header.status, header.rows) == ("ok", partition)
                assert data == parts[index][partition]
                assert zlib.crc32(data) == header.crc32

    play(tmp_path, scenario)


def test_large_and_small_segments_keep_their_order(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        sizes = (1, 70_000, 0, 9_000_000, 65_536, 65_537)
        parts = {i: served.add_map(i, (size, 5, 5)) for i, size in enumerate(sizes)}
        frames = await served.shuffle(0, names(*range(len(sizes))))
        assert [data for _, data in frames] == [parts[i][0] for i in range(len(sizes))]

    play(tmp_path, scenario)


def test_a_worker_of_this_tracker_gets_the_place_of_a_large_segment(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        parts = served.add_map(0, (5, 70_000, 65_536))
        [(header, data)] = await served.shuffle(1, names(0), here=True)
        assert (header.status, header.length, data) == ("ok", 70_000, b"")
        whole = await asyncio.to_thread(Path(header.path).read_bytes)
        assert whole[header.offset :][: header.length] == parts[1]
        [(header, data)] = await served.shuffle(2, names(0), here=True)
        assert (header.path, data) == ("", parts[2])
        [(header, data)] = await served.shuffle(1, names(0))
        assert (header.path, data) == ("", parts[1])

    play(tmp_path, scenario)


def test_missing_and_corrupt_outputs_are_frames_of_their_own(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        for index in range(5):
            served.add_map(index)
        dirs = [served.jobs.attempt_dir(name) for name in names(*range(5))]
        (dirs[0] / "file.out").unlink()
        (dirs[1] / "file.out.index").unlink()
        (dirs[2] / "file.out").write_bytes(b"short")
        (dirs[3] / "file.out.index").write_bytes(b"rubbish that is no index")
        running = map_attempt(7).attempt_id
        served.jobs.add_attempt(running)
        frames = await served.shuffle(2, [*names(0, 1, 2, 3, 4), running, "attempt_9", "../x"])
        assert [header.status for header, _ in frames] == [
            "missing",
            "missing",
            "corrupt",
            "corrupt",
            "ok",
            "missing",
            "missing",
            "missing",
        ]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {facts().token}"},
        {"Authorization": facts().token},
        {"Authorization": Signer(JOB, facts(OTHER_JOB).token).sign("POST", f"/shuffle/{JOB}/0")},
        {"Authorization": Signer("job_1_9", "").sign("POST", "/shuffle/job_1_9/0")},
        sign("POST", f"/shuffle/{JOB}/0", b"another body"),
        sign("POST", f"/shuffle/{JOB}/1", b'{"maps": []}'),
        sign("GET", f"/shuffle/{JOB}/0", b'{"maps": []}'),
    ],
)
def test_without_the_jobs_token_nothing_is_served(tmp_path: Path, headers: dict[str, str]) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0)
        assert await served.post(f"/shuffle/{JOB}/0", headers=headers) == 401
        assert await served.post("/shuffle/job_1_9/0", headers=headers) == 401

    play(tmp_path, scenario)


def test_another_jobs_token_does_not_open_this_ones_maps(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0)
        ((header, _),) = await served.shuffle(0, names(0), job=OTHER_JOB)
        assert header.status == "missing"
        body = msgspec.json.encode({"maps": names(0)})
        path = f"/shuffle/{JOB}/0"
        assert await served.post(path, body, sign("POST", path, body, OTHER_JOB)) == 403
        name = map_attempt().attempt_id
        path = f"/attempts/{name}/logs?stream=stdout"
        for job, status in ((OTHER_JOB, 404), (JOB, 200)):
            headers = sign("GET", path, job=job)
            async with served.client.get(served.url + path, headers=headers) as answer:
                assert answer.status == status
        async with served.client.get(served.url + path) as answer:
            assert answer.status == 401


def test_a_request_is_good_once(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        headers = sign("POST", f"/shuffle/{JOB}/0", b'{"maps": []}')
        assert await served.post(f"/shuffle/{JOB}/0", headers=headers) == 200
        assert await served.post(f"/shuffle/{JOB}/0", headers=headers) == 401

    play(tmp_path, scenario)


@pytest.mark.parametrize("partition", ["3", "-1", "x", "1e0", "99999999999", "a%2fb", "%C2%B2"])
def test_partitions_that_there_are_not(tmp_path: Path, partition: str) -> None:
    async def scenario(served: Served) -> None:
        assert await served.post(f"/shuffle/{JOB}/{partition}") == 400

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"maps": [1]}', b'{"maps": ["a", "a"]}', b"\xff", b'{"maps": 0}']
)
def test_bodies_that_make_no_sense(tmp_path: Path, body: bytes) -> None:
    async def scenario(served: Served) -> None:
        assert await served.post(f"/shuffle/{JOB}/0", body) == 400

    play(tmp_path, scenario)


def test_a_body_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "REQUEST_BYTES_MAX", 1000)

    async def scenario(served: Served) -> None:
        assert await served.post(f"/shuffle/{JOB}/0", b" " * 2000) == 413
        assert await served.post(f"/shuffle/{JOB}/0") == 200

    play(tmp_path, scenario)


def test_paths_from_outside_reach_no_file(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0)
        (tmp_path / "secret").write_text("secret")
        for path in (
            "/attempts/../../secret/logs",
            "/attempts/..%2f..%2fsecret/logs",
            f"/attempts/{map_attempt(5).attempt_id}/logs",
            f"/attempts/{map_attempt().attempt_id}/../../secret",
            "/jobs/secret",
        ):
            url = URL(served.url + path, encoded=True)
            async with served.client.get(url, headers=sign("GET", path)) as answer:
                assert answer.status == 404, path
                assert await answer.read() != b"secret"
        path = f"/attempts/{map_attempt().attempt_id}/logs?stream=file.out"
        async with served.client.get(served.url + path, headers=sign("GET", path)) as bad:
            assert bad.status == 400

    play(tmp_path, scenario)


def test_logs_are_served_by_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LOG_BYTES_MAX", 5)

    async def scenario(served: Served) -> None:
        served.add_map(0)
        name = map_attempt().attempt_id
        path = f"/attempts/{name}/logs?stream=stdout"
        async with served.client.get(served.url + path, headers=sign("GET", path)) as answer:
            assert await answer.read() == b"nted\n"
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        path = f"/attempts/{name}/logs"
        async with served.client.get(served.url + path, headers=sign("GET", path)) as answer:
            assert await answer.read() == b"", "stderr, which is not there"
        for offset, start, text in (
            (0, 0, b"print"),
            (5, 5, b"ed\n"),
            (8, 8, b""),
            (9, 3, b"nted\n"),
        ):
            path = f"/attempts/{name}/logs?stream=stdout&offset={offset}"
            async with served.client.get(served.url + path, headers=sign("GET", path)) as answer:
                assert await answer.read() == text
                assert answer.headers["X-Log-Start"] == str(start)

    play(tmp_path, scenario)


def test_a_forgotten_jobs_maps_are_served_no_more(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0)
        await served.jobs.forget(JOB)
        assert await served.post(f"/shuffle/{JOB}/0") == 401

    play(tmp_path, scenario)


async def _raw(url: str, request: bytes) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, int(port)))
    await loop.sock_sendall(sock, request)
    return sock


async def _ends(sock: socket.socket) -> bool:
    """Whether the other side closes the connection, after any last data."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(20):
            while await loop.sock_recv(sock, 1 << 16):
                pass
    except ConnectionError:
        return True
    return True


def _request(index: int) -> bytes:
    body = msgspec.json.encode({"maps": names(index)})
    signed = sign("POST", f"/shuffle/{JOB}/0", body)[AUTHORIZATION]
    return (
        f"POST /shuffle/{JOB}/0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {signed}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def test_a_reader_that_does_not_read_is_left(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0, (50_000_000, 0, 0))
        sock = await _raw(served.url, _request(0))
        await until(lambda: served.server._sending == 1)
        await until(lambda: served.server._sending == 0)
        assert await _ends(sock)
        sock.close()
        assert len(await served.shuffle(1, names(0))) == 1

    play(tmp_path, scenario, ServerLimits(stall_seconds=0.2))


def test_a_reader_that_goes_away_does_no_harm(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0, (50_000_000, 0, 0))
        sock = await _raw(served.url, _request(0))
        await until(lambda: served.server._sending == 1)
        sock.close()
        await until(lambda: served.server._sending == 0)
        assert len(await served.shuffle(1, names(0))) == 1

    play(tmp_path, scenario)


def test_too_many_readers_are_asked_to_come_again(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0, (50_000_000, 0, 0))
        sock = await _raw(served.url, _request(0))
        await until(lambda: served.server._sending == 1)
        assert await served.post(f"/shuffle/{JOB}/0") == 503
        sock.close()
        await until(lambda: served.server._sending == 0)
        assert await served.post(f"/shuffle/{JOB}/0") == 200

    play(tmp_path, scenario, ServerLimits(sending=1))


def test_too_many_connections_are_refused(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        first, second = await _raw(served.url, b""), await _raw(served.url, b"")
        third = await _raw(served.url, b"")
        assert await _ends(third)
        for sock in (first, second, third):
            sock.close()

    play(tmp_path, scenario, ServerLimits(connections=2))


@pytest.mark.parametrize("said", [b"", b"POST /shuf", _request(0)[:-5]])
def test_an_unfinished_request_is_disconnected(tmp_path: Path, said: bytes) -> None:
    async def scenario(served: Served) -> None:
        sock = await _raw(served.url, said)
        assert await _ends(sock)
        sock.close()

    play(tmp_path, scenario, ServerLimits(request_seconds=0.2))
