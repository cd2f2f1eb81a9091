"""SIGTERM ends each of our processes within 5 s, whatever it waits for; a second one at once.

The deadlines here are longer than promised, because the machine may be busy. tests/test_ending.py
proves the 4 s after which an end is forced.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from mrmesos.client.access import open_client
from mrmesos.conf import Conf
from mrmesos.testing.processes import processes_of, send_signal
from tests.jobtracker.fakes import wait_until
from tests.jobtracker.harness import spec
from tests.tasktracker.test_executor import environment as executor_environment

pytestmark = pytest.mark.slow

SECONDS = 20.0
AT_ONCE = 3.0
"""Less than `ending.SECONDS`. Without a second signal, a stuck process ends only after those."""
STEADY = 60.0
"""Time to reach the tested state on a busy machine."""

JOB = """
import time
from mrmesos.api import Job, Mapper

class Sleep(Mapper):
    def map(self, key, value):
        time.sleep(600)
        yield key, value

class Sleepy(Job):
    mapper = Sleep
"""


class Frozen:
    """A server that accepts connections and never answers, as a master or store that hangs."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                self._held.append(self._socket.accept()[0])

    @property
    def asked(self) -> bool:
        return bool(self._held)

    def close(self) -> None:
        self._socket.close()
        for one in self._held:
            one.close()


class Stage:
    """Our processes, started in a directory that their environment names."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.tmp = place / "tmp"
        self.tmp.mkdir()
        self.frozen = Frozen()
        self.started: list[subprocess.Popen[bytes]] = []
        (place / "job.py").write_text(JOB)
        (place / "in.txt").write_text("a\nb\n")

    def start(self, *arguments: str, log: str = "log", **env: str) -> subprocess.Popen[bytes]:
        with (self.place / log).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=self.place,
                env={**os.environ, "TMPDIR": str(self.tmp), **env},
            )
        self.started.append(process)
        return process

    def said(self, words: str, log: str = "log") -> None:
        path = self.place / log
        self.until(lambda: words in path.read_text(), f"{words!r} in {log}")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        def there() -> bool:
            if condition():
                return True
            over = [one for one in self.started if one.poll() not in (None, 0, -signal.SIGKILL)]
            assert not over, (self.place / "log").read_text()
            return False

        for patient in (True, False):  # the machine may be busy
            try:
                wait_until(there, what)
                return
            except AssertionError:
                if not patient:
                    raise

    def jobtracker(self, *arguments: str) -> str:
        """Start a JobTracker whose master hangs; returns its URL."""
        command = ("mrmesos", "jobtracker", "--master", self.frozen.address, "--port", "0")
        self.start(*command, *arguments, log="jobtracker")
        self.said("listens on", "jobtracker")
        text = (self.place / "jobtracker").read_text()
        return text.partition("listens on ")[2].split()[0]

    def submit(self, *arguments: str) -> subprocess.Popen[bytes]:
        files = ("--input", str(self.place / "in.txt"), "--output", str(self.place / "out"))
        return self.start("mrmesos", "submit", "job.py", *files, *arguments)

    def freeze(self, role: str) -> None:
        self.until(lambda: any(p.role == role for p in processes_of(self.tmp)), role)
        for process in processes_of(self.tmp):
            if process.role == role:
                send_signal(process, self.tmp, signal.SIGSTOP)

    def left(self) -> list[str]:
        mine = {process.pid for process in self.started}
        return [str(one) for one in processes_of(self.tmp) if one.pid not in mine]

    def close(self) -> None:
        for process in reversed(self.started):
            if process.poll() is None:
                process.kill()
            process.wait()
        for one in processes_of(self.tmp):
            send_signal(one, self.tmp, signal.SIGKILL)
        self.frozen.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def follows(stage: Stage) -> subprocess.Popen[bytes]:
    url = stage.jobtracker()
    process = stage.submit("--jobtracker", url)
    stage.said("job_")
    return process


def submit_and_it_is_gone(stage: Stage) -> subprocess.Popen[bytes]:
    process = follows(stage)
    stage.started[0].kill()
    stage.started[0].wait()
    return process


def submit_and_it_is_frozen(stage: Stage) -> subprocess.Popen[bytes]:
    process = follows(stage)
    stage.started[0].send_signal(signal.SIGSTOP)
    return process


def submit_detached(stage: Stage, output: str = "out") -> str:
    url = stage.jobtracker()
    stage.submit("--jobtracker", url, "--detach").wait()
    return url


def wait_and_it_is_gone(stage: Stage) -> subprocess.Popen[bytes]:
    url = submit_detached(stage)
    job_id = (stage.place / "log").read_text().split()[-1]
    process = stage.start("mrmesos", "job", "wait", job_id, "--jobtracker", url, log="wait")
    stage.until(lambda: connected(process.pid), "a connection")
    stage.started[0].kill()
    return process


def logs_and_it_is_frozen(stage: Stage) -> subprocess.Popen[bytes]:
    url = submit_detached(stage)
    job_id = (stage.place / "log").read_text().split()[-1]
    stage.started[0].send_signal(signal.SIGSTOP)
    attempt = f"attempt{job_id[3:]}_m_000000_0"
    process = stage.start("mrmesos", "job", "logs", attempt, "--jobtracker", url, log="logs")
    stage.until(lambda: connected(process.pid), "a connection")
    return process


def connected(pid: int) -> bool:
    """Whether a process has a socket."""
    try:
        files = list(Path(f"/proc/{pid}/fd").iterdir())
        return any("socket:" in str(file.readlink()) for file in files)
    except OSError:
        return False


def submit_to_a_frozen_master(stage: Stage) -> subprocess.Popen[bytes]:
    process = stage.submit("--master", stage.frozen.address)
    stage.until(lambda: stage.frozen.asked, "a question")
    return process


def submit_from_a_hung_store(stage: Stage) -> subprocess.Popen[bytes]:
    uri = f"http://{stage.frozen.address}/in.txt"
    process = stage.start(
        "mrmesos", "submit", "job.py", "--input", uri, "--output", str(stage.place / "out")
    )
    stage.until(lambda: stage.frozen.asked, "a question")
    return process


def submit_that_runs(stage: Stage) -> subprocess.Popen[bytes]:
    process = stage.submit()
    stage.until(lambda: worker_has_socket(stage), "a worker")
    stage.said("job_")
    return process


def worker_has_socket(stage: Stage) -> bool:
    return any(process.role == "worker" for process in processes_of(stage.tmp))


def submit_whose_tasktracker_is_frozen(stage: Stage) -> subprocess.Popen[bytes]:
    process = submit_that_runs(stage)
    stage.freeze("tasktracker")
    return process


def jobtracker_whose_master_hangs(stage: Stage) -> subprocess.Popen[bytes]:
    stage.jobtracker()
    return stage.started[0]


def jobtracker_with_a_journal(stage: Stage) -> subprocess.Popen[bytes]:
    stage.jobtracker("--state-dir", str(stage.place / "state"))
    return stage.started[0]


def jobtracker_that_plans_on_a_hung_store(stage: Stage) -> subprocess.Popen[bytes]:
    url = stage.jobtracker()
    store = Frozen()
    client = open_client(url, Conf({}), retry_seconds=10.0, return_seconds=10.0)
    code = client.upload(b"code")
    for number in range(5):
        wanted = replace(
            spec(),
            code=code,
            inputs=(f"http://{store.address}/in",),
            output=f"file://{stage.place}/out{number}",
        )
        client.submit(wanted)
    stage.until(lambda: store.asked, "planning")
    return stage.started[0]


def standby(stage: Stage) -> subprocess.Popen[bytes]:
    zk = f"zk://{stage.frozen.address}/mrmesos"
    state = str(stage.place / "state")
    process = stage.start(
        "mrmesos", "jobtracker", "--master", "127.0.0.1:1", "--zk", zk, "--state-dir", state
    )
    stage.until(lambda: stage.frozen.asked, "a candidate")
    return process


def minimesos_idle(stage: Stage) -> subprocess.Popen[bytes]:
    process = stage.start("mrmesos", "minimesos", "--port", "0", log="minimesos")
    stage.said("minimesos serves", "minimesos")
    return process


def minimesos_whose_tasktracker_is_frozen(stage: Stage) -> subprocess.Popen[bytes]:
    process = minimesos_idle(stage)
    text = (stage.place / "minimesos").read_text()
    url = text.partition("minimesos serves ")[2].split()[0]
    stage.submit("--master", url)
    stage.freeze("tasktracker")
    stage.started[1].kill()
    return process


def tasktracker(stage: Stage) -> subprocess.Popen[bytes]:
    class Agent:
        address = stage.frozen.address

    variables = executor_environment(
        Agent(),  # type: ignore[arg-type]  # of which only the address is asked
        f"http://{stage.frozen.address}",
        stage.tmp,
    )
    process = stage.start("mrmesos.tasktracker", **variables)
    stage.until(lambda: stage.frozen.asked, "a subscription")
    return process


def worker(stage: Stage) -> subprocess.Popen[bytes]:
    ours, theirs = socket.socketpair()
    with closing(theirs):
        process = subprocess.Popen(
            [sys.executable, "-m", "mrmesos.worker", "--fd", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "TMPDIR": str(stage.tmp)},
        )
    stage.started.append(process)
    ours.settimeout(STEADY)
    assert ours.recv(1), "it is not ready"
    process.ours = ours  # type: ignore[attr-defined]  # open for as long as the process
    return process


def simulate(stage: Stage) -> subprocess.Popen[bytes]:
    return stage.start("mrmesos", "simulate", "--agents", "2000", "--seed", "1")


STATES = [
    submit_and_it_is_gone,
    submit_and_it_is_frozen,
    submit_to_a_frozen_master,
    submit_from_a_hung_store,
    submit_that_runs,
    submit_whose_tasktracker_is_frozen,
    wait_and_it_is_gone,
    logs_and_it_is_frozen,
    jobtracker_whose_master_hangs,
    jobtracker_with_a_journal,
    jobtracker_that_plans_on_a_hung_store,
    standby,
    minimesos_idle,
    minimesos_whose_tasktracker_is_frozen,
    tasktracker,
    worker,
    simulate,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("signals", [1, 2])
def test_sigterm_ends_it(
    stage: Stage, state: Callable[[Stage], subprocess.Popen[bytes]], signals: int
) -> None:
    process = state(stage)
    assert process.poll() is None, (stage.place / "log").read_text()
    process.send_signal(signal.SIGTERM)
    if signals == 2:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)  # two signals at the same moment count as one
        process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(SECONDS if signals == 1 else AT_ONCE)
    except subprocess.TimeoutExpired:
        pytest.fail(f"it is still there; {stage.left()}")
    assert code in (0, 1, 143, -signal.SIGTERM)
    others = {one.pid for one in stage.started if one is not process}
    if not others:
        # Not `stage.until`: this process has ended, with any code, and the others may end later.
        wait_until(
            lambda: not processes_of(stage.tmp), "the end of the processes that it had started"
        )
