"""Faults hit only processes and files of their directory, in the requested way."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mrmesos.testing.connections import connections_of, cut
from mrmesos.testing.faults import Injector
from mrmesos.testing.processes import Process, processes_of, send_signal

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
CONNECT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    print("up", flush=True)
    print("got", connection.recv(1), flush=True)
"""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


class Starter:
    """Starts processes, and ends them."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def __call__(self, directory: Path, code: str, *more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *more],
            env={**os.environ, "TMPDIR": str(directory)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process


@pytest.fixture
def start() -> Iterator[Starter]:
    starter = Starter()
    yield starter
    for process in starter.started:
        process.kill()
        process.communicate()


def state_of(process: subprocess.Popen[str]) -> str:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_only_those_of_the_directory_are_found(tmp_path: Path, start: Starter) -> None:
    mine = start(tmp_path / "mine", SLEEP, "mrmesos", "submit")
    start(tmp_path / "mine2", SLEEP)
    [found] = processes_of(tmp_path / "mine")
    assert (found.pid, found.role) == (mine.pid, "client")
    other = Process(start.started[1].pid, "client", "")
    assert not send_signal(other, tmp_path / "mine", signal.SIGKILL)
    assert start.started[1].poll() is None


def test_a_kill(tmp_path: Path, start: Starter) -> None:
    victim = start(tmp_path, SLEEP, "-m", "mrmesos.worker")
    injector = Injector(tmp_path, random.Random(1))
    assert injector.inject("kill tasktracker") is None
    fault = injector.inject("kill worker")
    assert fault is not None
    assert fault.what == f"worker {victim.pid}"
    assert victim.wait(30) == -signal.SIGKILL
    assert injector.inject("kill worker") is None
    assert injector.by_kind() == {"kill worker": 1}


def test_a_stop_and_its_end(tmp_path: Path, start: Starter) -> None:
    victim = start(tmp_path, SLEEP, "a", "part")
    injector = Injector(tmp_path, random.Random(1), {"part": ("a", "part")})
    assert injector.inject("stop part") is not None
    wait_until(lambda: state_of(victim) == "T", "the stop")
    injector.resume_due(time.monotonic())
    assert state_of(victim) == "T"
    injector.resume_all()
    wait_until(lambda: state_of(victim) == "S", "its end")


def test_a_connection_is_cut_at_both_ends(tmp_path: Path, start: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = start(tmp_path, CONNECT, str(port))
        connection, _ = server.accept()
        [process] = processes_of(tmp_path)
        [known] = connections_of(process)
        assert known.remote == port
        try:
            assert cut(process, tmp_path, random.Random(1)) == known
        except PermissionError:
            pytest.skip("other processes may not be traced here")
        with connection:
            connection.settimeout(30)
            assert connection.recv(1) == b""
        assert client.communicate(timeout=30)[0] == "got b''\n"
        assert cut(process, tmp_path, random.Random(1)) is None


@pytest.mark.parametrize("verb", ["flip", "truncate", "remove"])
def test_a_spoilt_file(tmp_path: Path, verb: str) -> None:
    path, other = tmp_path / "deep" / "file.out", tmp_path / "other"
    path.parent.mkdir()
    path.write_bytes(bytes(100))
    other.write_bytes(bytes(100))
    injector = Injector(tmp_path, random.Random(1))
    assert injector.inject(f"{verb} file.out") is not None
    left = path.read_bytes() if path.exists() else None
    match verb:
        case "flip":
            assert left is not None
            assert len(left) == 100
            assert sum(byte.bit_count() for byte in left) == 1
        case "truncate":
            assert left is not None
            assert len(left) < 100
        case "remove":
            assert left is None
    assert other.read_bytes() == bytes(100)


def test_old_and_empty_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file.out").write_bytes(b"x")
    os.utime(tmp_path / "file.out", (0, 0))
    (tmp_path / "empty").write_bytes(b"")
    injector = Injector(tmp_path, random.Random(1))
    assert injector.inject("flip file.out") is None
    assert injector.inject("truncate empty") is None


def test_faults_of_ones_own_and_unknown_ones(tmp_path: Path) -> None:
    said = iter(["done", ""])
    injector = Injector(tmp_path, random.Random(1), more={"lose agent": lambda: next(said)})
    assert injector.inject("lose agent") is not None
    assert injector.inject("lose agent") is None
    assert [fault.what for fault in injector.log] == ["done"]
    with pytest.raises(ValueError, match="no such fault"):
        injector.inject("burn house")
