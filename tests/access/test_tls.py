"""TLS between real sockets, with an authority that the test creates."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import time
from pathlib import Path

import msgspec
import pytest

from mrmesos.access.signing import AUTHORIZATION, REPLY, Signer
from mrmesos.access.tls import client_context, server_context
from mrmesos.client.api_client import JobTrackerClient, Unreachable
from mrmesos.conf import Conf, ConfError
from mrmesos.tasktracker.jobtracker.client import JobTrackerLink
from mrmesos.tasktracker.outputs.job_cache import JobCache
from mrmesos.tasktracker.outputs.shuffle_server import ServerLimits, ShuffleServer
from mrmesos.wire.shuffle import FrameHeader
from tests.access.authority import Authority
from tests.jobtracker.test_service import Desk
from tests.tasktracker.fake_jobtracker import KEY, fake_jobtracker, link_to
from tests.tasktracker.outputs.test_shuffle_server import Served, names
from tests.tasktracker.support import JOB, facts, until


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_context(Conf()) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"tls.key.file": "/nowhere/key"},
        {"tls.certificate.file": "/nowhere/certificate"},
        {"tls.certificate.file": "{ca}", "tls.key.file": "/nowhere/key"},
        {"tls.certificate.file": "{ca}", "tls.key.file": "{key}"},
        {"tls.certificate.file": "{key}"},
    ],
)
def test_files_that_are_none_are_named(tmp_path: Path, settings: dict[str, str]) -> None:
    authority = Authority(tmp_path)
    _, key = authority.certify()
    named = {name: text.format(ca=authority.file, key=key) for name, text in settings.items()}
    with pytest.raises(ConfError, match=r"tls\."):
        server_context(Conf(named))


def test_an_authority_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("rubbish")
    for name in ("ca", "nothing"):
        with pytest.raises(ConfError, match=f"tls.ca.file={tmp_path / name}"):
            client_context(Conf({"tls.ca.file": str(tmp_path / name)}))


def test_a_jobtracker_speaks_to_those_who_trust_it(tmp_path: Path) -> None:
    conf = Authority(tmp_path / "ours").settings()
    stranger = Authority(tmp_path / "theirs").file
    desk = Desk(conf)
    try:
        url, token = desk.service.url, desk.service.token
        assert url.startswith("https://127.0.0.1:")
        desk.client.close()
        for ca, trusted in ((conf["tls.ca.file"], True), (str(stranger), False)):
            context = client_context(Conf({"tls.ca.file": ca}))
            client = JobTrackerClient(url, token=token, tls=context, retry_seconds=0.1)
            if trusted:
                assert client.statuses() == []
            else:
                with pytest.raises(Unreachable, match="its certificate is not trusted here"):
                    client.statuses()
            client.close()
        plain = JobTrackerClient(url.replace("https", "http"), token=token, retry_seconds=0.1)
        with pytest.raises(Unreachable):
            plain.statuses()
        plain.close()
    finally:
        desk.service.stop(timeout=0.5)


def test_a_tasktracker_asks_by_tls(tmp_path: Path) -> None:
    """Also checks that a JobTracker with another certificate gets no request."""
    conf = Conf(Authority(tmp_path / "ours").settings())
    other = Authority(tmp_path / "theirs").file

    async def scenario() -> None:
        async with fake_jobtracker(tls=server_context(conf)) as jobtracker:
            jobtracker.jobs[JOB] = facts()
            for authority, wanted in ((conf["tls.ca.file"], 2), (str(other), 0)):
                jobtracker.requests.clear()
                context = client_context(Conf({"tls.ca.file": authority}))
                link = JobTrackerLink(jobtracker.url, "tracker_1", context)
                await link.open()
                link.use_key(KEY)
                jobs = JobCache(tmp_path / str(wanted), link, give_up_seconds=0.2)
                if wanted:
                    assert (await jobs.fetch(JOB)).facts == facts()
                else:
                    with pytest.raises(Exception, match="certificate verify failed"):
                        await jobs.fetch(JOB)
                assert len(jobtracker.requests) == wanted
                await link.close()

    asyncio.run(scenario())


def test_segments_by_tls_are_the_same_bytes(tmp_path: Path) -> None:
    conf = Conf(Authority(tmp_path / "tls").settings())

    async def scenario() -> None:
        async with fake_jobtracker() as jobtracker, link_to(jobtracker) as link:
            jobtracker.jobs[JOB] = facts()
            jobs = JobCache(tmp_path / "sandbox", link)
            await jobs.fetch(JOB)
            server = ShuffleServer(jobs, tls=server_context(conf))
            url = await server.start("127.0.0.1")
            assert url.startswith("https://")
            try:
                sizes = (5, 3_000_000, 0, 65_537)
                served = Served(jobs, url, server, None)
                parts = [served.add_map(n, (size, 0, 0))[0] for n, size in enumerate(sizes)]
                got = await asyncio.to_thread(_shuffle, url, client_context(conf))
                assert got == parts
                await until(lambda: server.connections == 0)
            finally:
                await server.close()

    asyncio.run(scenario())


def _shuffle(url: str, context: ssl.SSLContext) -> list[bytes]:
    connection = http.client.HTTPSConnection(
        url.removeprefix("https://"), context=context, timeout=20
    )
    body = msgspec.json.encode({"maps": names(0, 1, 2, 3)})
    signer, path = Signer(JOB, facts().token), f"/shuffle/{JOB}/0"
    signed = signer.sign("POST", path, body)
    connection.request("POST", path, body, {AUTHORIZATION: signed})
    answer = connection.getresponse()
    assert signer.proves(signed, answer.headers[REPLY])
    parts = []
    for _ in range(4):
        header = msgspec.json.decode(answer.readline(), type=FrameHeader)
        assert header.status == "ok"
        parts.append(answer.read(header.length))
    connection.close()
    return parts


def test_who_does_not_shake_hands_is_left(tmp_path: Path) -> None:
    conf = Conf(Authority(tmp_path / "tls").settings())

    async def scenario() -> None:
        async with fake_jobtracker() as jobtracker, link_to(jobtracker) as link:
            jobs = JobCache(tmp_path / "sandbox", link)
            limits = ServerLimits(request_seconds=0.3, connections=5)
            server = ShuffleServer(jobs, limits, tls=server_context(conf))
            url = await server.start("127.0.0.1")
            try:
                host, port = url.removeprefix("https://").split(":")
                socks = [socket.create_connection((host, int(port)), 20) for _ in range(20)]
                for sock in socks:
                    assert await asyncio.to_thread(_ended, sock)
                await until(lambda: server.connections == 0)
            finally:
                await server.close()

    asyncio.run(scenario())


def _ended(sock: socket.socket) -> bool:
    with sock:
        end = time.monotonic() + 20
        try:
            while sock.recv(4096):
                assert time.monotonic() < end
        except ConnectionError:
            return True
        return True
