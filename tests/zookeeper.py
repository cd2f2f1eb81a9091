"""A real ZooKeeper for tests: Debian's package, or what ZOOKEEPER_CLASSPATH names."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEBIAN_JAR = Path("/usr/share/java/zookeeper.jar")
START_SECONDS = 60.0


def classpath() -> str:
    """The place of ZooKeeper's classes. Skips the test if there are none, or no Java."""
    if shutil.which("java") is None:
        pytest.skip("no Java to run a ZooKeeper with")
    if given := os.environ.get("ZOOKEEPER_CLASSPATH"):
        return given
    if not DEBIAN_JAR.exists():
        pytest.skip("no ZooKeeper: install Debian's package, or set ZOOKEEPER_CLASSPATH")
    return f"{DEBIAN_JAR}:{DEBIAN_JAR.parent}/*"


class ZooKeeper:
    """A server on a loopback port, which may be killed and started again."""

    def __init__(self, directory: Path) -> None:
        classes = classpath()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        directory.mkdir()
        conf = directory / "zoo.cfg"
        conf.write_text(
            f"tickTime=500\ndataDir={directory / 'data'}\nclientPort={self._port}\n"
            "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
        )
        main = "org.apache.zookeeper.server.ZooKeeperServerMain"
        self._command = ["java", "-Xmx128m", "-cp", classes, main, str(conf)]
        self._log = directory / "log"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + START_SECONDS
        while not _answers(self._port):
            assert self.process.poll() is None, self._log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < end, "ZooKeeper does not come up"
            time.sleep(0.05)

    def restart(self) -> None:
        """After its end."""
        self.process = self._start()
        self.wait()

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def zookeeper_process(directory: Path) -> Iterator[ZooKeeper]:
    """A server while entered."""
    server = ZooKeeper(directory)
    try:
        server.wait()
        yield server
    finally:
        server.kill()


@contextmanager
def zookeeper(directory: Path) -> Iterator[str]:
    """A server while entered; its host:port."""
    with zookeeper_process(directory) as server:
        yield server.address


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0):
            return True
    except OSError:
        return False
