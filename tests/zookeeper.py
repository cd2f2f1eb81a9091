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
    """Where ZooKeeper's classes are. Skips the test where there are none, or no Java."""
    if shutil.which("java") is None:
        pytest.skip("no Java to run a ZooKeeper with")
    if given := os.environ.get("ZOOKEEPER_CLASSPATH"):
        return given
    if not DEBIAN_JAR.exists():
        pytest.skip("no ZooKeeper: install Debian's package, or set ZOOKEEPER_CLASSPATH")
    return f"{DEBIAN_JAR}:{DEBIAN_JAR.parent}/*"


@contextmanager
def zookeeper(directory: Path) -> Iterator[str]:
    """A server on a loopback port; its host:port."""
    classes = classpath()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    directory.mkdir()
    conf = directory / "zoo.cfg"
    conf.write_text(
        f"tickTime=500\ndataDir={directory / 'data'}\nclientPort={port}\n"
        "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
    )
    log = (directory / "log").open("wb")
    main = "org.apache.zookeeper.server.ZooKeeperServerMain"
    command = ["java", "-Xmx128m", "-cp", classes, main, str(conf)]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert process.poll() is None, (directory / "log").read_text(errors="replace")[-2000:]
            assert time.monotonic() < end, "ZooKeeper does not come up"
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)
        log.close()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0):
            return True
    except OSError:
        return False
