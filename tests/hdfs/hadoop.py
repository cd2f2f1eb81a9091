"""A real HDFS on this machine: one NameNode and three DataNodes, each a JVM of its own.

Hadoop's jars come from Maven Central by the Maven client, once, into the user's cache directory
(docs/hdfs.md). The DataNodes have host names of their own, and one address.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.maven import NoJars, copy_jars

HADOOP = "3.4.1"
POM = Path(__file__).with_name("hadoop-pom.xml")
START_SECONDS = 120.0
DEADLINE = 120.0
STOP_SECONDS = 15.0
HOSTS = ("dn0.hdfs.test", "dn1.hdfs.test", "dn2.hdfs.test")
BLOCK_SIZE = 1 << 20
"""Small, so that a small file has many blocks."""


class NoHadoop(Exception):
    """HDFS cannot run here. The message says why."""


def cache_dir() -> Path:
    """Where the jars stay between runs: outside of the source tree."""
    base = os.environ.get("MRMESOS_TEST_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mrmesos" / f"hadoop-{HADOOP}"


def fetch_jars() -> Path:
    """The directory with Hadoop's jars. It is fetched if it is missing. Raises NoHadoop."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise NoHadoop(f"`{tool}` is not installed (docs/hdfs.md)")
    cache = cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # two test runs at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        jars = cache / "jars"
        if not jars.exists():
            partial = cache / "jars.partial"
            shutil.rmtree(partial, ignore_errors=True)
            try:
                copy_jars(POM, HADOOP, partial)
            except NoJars as problem:
                raise NoHadoop(str(problem)) from None
            partial.rename(jars)
    return jars


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(what())
        time.sleep(0.05)


@dataclass(slots=True)
class Hdfs:
    """A running HDFS. `conf_dir` is what a client takes as HADOOP_CONF_DIR.

    `hosts` are the names of its DataNodes.
    """

    work_dir: Path
    jars: Path
    hosts: tuple[str, ...] = HOSTS
    block_size: int = BLOCK_SIZE
    replication: int = 2
    java: tuple[str, ...] = ("-XX:TieredStopAtLevel=1",)
    """Options of each JVM. These start faster, and run slower after minutes."""
    rpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return f"hdfs://127.0.0.1:{self.rpc_port}"

    @property
    def http_address(self) -> str:
        return f"127.0.0.1:{self.http_port}"

    @property
    def conf_dir(self) -> Path:
        return self.work_dir / "client"

    @property
    def _common(self) -> dict[str, str]:
        return {
            "fs.defaultFS": self.uri,
            "hadoop.tmp.dir": str(self.work_dir / "tmp"),
            # Without a table it asks no script and no name server.
            "net.topology.node.switch.mapping.impl": "org.apache.hadoop.net.TableMapping",
        }

    @property
    def _storage(self) -> dict[str, str]:
        return {
            "dfs.blocksize": str(self.block_size),
            "dfs.replication": str(self.replication),
            "dfs.namenode.http-address": self.http_address,
            "dfs.namenode.fs-limits.min-block-size": "1",
        }

    def start(self) -> None:
        name_node = {
            "dfs.namenode.name.dir": str(self.work_dir / "name"),
            "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            "dfs.namenode.heartbeat.recheck-interval": "1000",
            "dfs.namenode.safemode.extension": "0",
            "dfs.permissions.enabled": "false",
            "dfs.heartbeat.interval": "1",
            "dfs.stream-buffer-size": "65536",
        }
        _write_conf(self.conf_dir, self._common, self._storage)
        _write_conf(self.work_dir / "nn", self._common, self._storage | name_node)
        self._java("format", "nn", "namenode.NameNode", "-format", "-nonInteractive").wait(60)
        self.processes["nn"] = self._java("nn", "nn", "namenode.NameNode")
        for number in range(len(self.hosts)):
            self.start_datanode(number)
        self.wait_ready()

    def start_datanode(self, number: int) -> None:
        """Start it, with the data that it stored before."""
        name = f"dn{number}"
        own = {
            "dfs.datanode.hostname": self.hosts[number],
            "dfs.datanode.address": "127.0.0.1:0",
            "dfs.datanode.http.address": "127.0.0.1:0",
            "dfs.datanode.ipc.address": "127.0.0.1:0",
            "dfs.datanode.data.dir": str(self.work_dir / f"{name}-data"),
            "dfs.heartbeat.interval": "1",
            "dfs.blockreport.initialDelay": "0",
            "dfs.datanode.du.reserved": "0",
        }
        _write_conf(self.work_dir / name, self._common | self._storage, own)
        self.processes[name] = self._java(name, name, "datanode.DataNode")

    def wait_ready(self) -> None:
        """Wait until all DataNodes have reported."""
        wait_until(self._ready, START_SECONDS, lambda: f"HDFS did not start:\n{self.logs()}")
        # The NameNode loads WebHDFS with the first request, which takes long on a busy machine.
        url = f"http://{self.http_address}/webhdfs/v1/?op=LISTSTATUS"
        with urllib.request.urlopen(url, timeout=START_SECONDS) as answer:
            assert "FileStatuses" in json.load(answer)

    def kill_datanode(self, number: int) -> None:
        """Kill it, as a loss of power does."""
        process = self.processes.pop(f"dn{number}")
        process.kill()
        process.wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGKILL)
        for process in self.processes.values():
            process.wait(STOP_SECONDS)
        self.processes.clear()

    def logs(self) -> str:
        """The last words of each process."""
        texts = {path.name: path.read_text()[-2000:] for path in self.work_dir.glob("*.log")}
        return "\n".join(f"--- {name}\n{text}" for name, text in texts.items())

    def _ready(self) -> bool:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended:\n{self.logs()}"
        state = self._jmx("FSNamesystemState")
        all_live = state.get("NumLiveDataNodes") == len(self.hosts)
        return all_live and state["FSState"] == "Operational"

    def _jmx(self, bean: str) -> dict[str, object]:
        url = f"http://{self.http_address}/jmx?qry=Hadoop:service=NameNode,name={bean}"
        try:
            with urllib.request.urlopen(url, timeout=5.0) as answer:
                beans = json.load(answer)["beans"]
        except (OSError, urllib.error.URLError, ValueError):
            return {}
        return dict(beans[0]) if beans else {}

    def _java(self, log: str, conf: str, main: str, *args: str) -> subprocess.Popen[bytes]:
        command = [
            *("java", "-Xmx256m", "-XX:+UseSerialGC", "-Xshare:auto", *self.java),
            # For WebHDFS' JSON under Java 17, as Hadoop's own scripts do.
            *("--add-opens", "java.base/java.lang=ALL-UNNAMED"),
            f"-Djava.io.tmpdir={self.work_dir}",
            *("-cp", f"{self.work_dir / conf}:{self.jars}/*"),
            *(f"org.apache.hadoop.hdfs.server.{main}", *args),
        ]
        with (self.work_dir / f"{log}.log").open("wb") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, cwd=self.work_dir)


def _write_conf(directory: Path, core: dict[str, str], hdfs: dict[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, values in (("core-site.xml", core), ("hdfs-site.xml", hdfs)):
        properties = "".join(
            f"  <property><name>{key}</name><value>{value}</value></property>\n"
            for key, value in values.items()
        )
        text = f'<?xml version="1.0"?>\n<configuration>\n{properties}</configuration>\n'
        (directory / name).write_text(text)
    (directory / "log4j.properties").write_text(
        "log4j.rootLogger=WARN,console\n"
        "log4j.appender.console=org.apache.log4j.ConsoleAppender\n"
        "log4j.appender.console.layout=org.apache.log4j.SimpleLayout\n"
    )
    for page in ("hdfs", "datanode"):  # Hadoop's own are not in its jars, and WebHDFS needs none
        (directory / "webapps" / page).mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def running_hdfs(work_dir: Path, **fields: Any) -> Iterator[Hdfs]:
    """HDFS until the block ends, with these fields of `Hdfs`. Raises NoHadoop."""
    hdfs = Hdfs(work_dir, fetch_jars(), **fields)
    try:
        hdfs.start()
        yield hdfs
    finally:
        hdfs.stop()
