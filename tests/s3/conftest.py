"""An S3 server of this machine (moto), as a process, and the environment that leads to it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class S3:
    """A server; `log` has a line for each request."""

    url: str
    log: Path
    environment: dict[str, str]

    def requests(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if "HTTP/1.1" in line]


@contextmanager
def s3_process(log: Path) -> Iterator[S3]:
    """Start a server, and end it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        yield S3(url, log, environment)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with s3_process(tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/moto-api/", timeout=5.0).close()
    except OSError:
        return False
    return True


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def bucket(s3: S3) -> str:
    """The URI of a new bucket."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    filesystem().call_s3("create_bucket", Bucket=name)
    return f"s3://{name}"


def filesystem() -> Any:
    from mrmesos.io.fs.filesystem import open_filesystem

    return open_filesystem("s3://any")[0]
