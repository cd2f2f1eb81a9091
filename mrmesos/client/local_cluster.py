"""Starts a minimesos as a subprocess, for jobs that name no cluster."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mrmesos import conf as settings
from mrmesos.client.machine import AgentSize, machine_size
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf, Setting
from mrmesos.forking import Forked, may_fork, our_command
from mrmesos.garbage import set_apart
from mrmesos.resources import describe, mebibytes, milli

START_SECONDS = 60.0
"""It takes 1 to 2 s on an idle machine. Two cores with a load of 20 needed more than 20 s."""
STOP_SECONDS = 15.0
"""Time for executors to end within their grace period, before all is killed."""
MAX_ERROR_BYTES = 4096
PRINCIPAL = "mrmesos"
OF_ALL = (
    "mrmesos.access.guard",
    "mrmesos.access.listener",
    "mrmesos.access.signing",
    "mrmesos.election.place",
    "mrmesos.io.shuffle.index",
    "mrmesos.mesos.event_loop",
    "mrmesos.task.files.archives",
    "mrmesos.wire.job",
    "mrmesos.wire.trace",
)
"""Modules that this process needs as well as its minimesos and TaskTracker. They are imported once,
before the forks.
"""


def local_size(agents: int) -> AgentSize:
    """An agent's part of this machine: at least one CPU, or no attempt would fit."""
    return machine_size(agents, Path(tempfile.gettempdir()), least_cpus=1.0)


def check_fits(size: AgentSize, agents: int, conf: Conf, num_reducers: int) -> None:
    """Raise UsageProblem if an attempt of the job would wait for ever."""
    kinds: list[tuple[str, Setting[float], Setting[int]]] = [
        ("map", settings.MAP_CPUS, settings.MAP_MEMORY_MB)
    ]
    if num_reducers:
        kinds.append(("reduce", settings.REDUCE_CPUS, settings.REDUCE_MEMORY_MB))
    for further in (settings.MAP_RESOURCES, settings.REDUCE_RESOURCES):
        if conf.get_as(further):
            raise UsageProblem(
                f"{further.name}={conf.get_as(further)}: agents here have only CPUs, memory and "
                "disk; start `mrmesos minimesos --resources ...` and give its URL with --master"
            )
    tracker_mb = conf.get_as(settings.TASKTRACKER_MEMORY_MB)
    fewer = f", or take fewer --local-agents than {agents}" if agents > 1 else ""
    for kind, cpus_setting, memory_setting in kinds:
        memory, cpus = conf.get_as(memory_setting), conf.get_as(cpus_setting)
        if memory + tracker_mb > size.mem:
            raise UsageProblem(
                f"a {kind} attempt needs {mebibytes(memory)} beside the TaskTracker's "
                f"{mebibytes(tracker_mb)}, but an agent here has {mebibytes(size.mem)}; "
                f"lower {memory_setting.name} with -D{fewer}"
            )
        if cpus > size.cpus:
            raise UsageProblem(
                f"a {kind} attempt needs {_cpus(cpus)}, but an agent here has {_cpus(size.cpus)}; "
                f"lower {cpus_setting.name} with -D{fewer}"
            )


def _cpus(number: float) -> str:
    return describe({"cpus": milli(number)})


class LocalCluster:
    """`mrmesos minimesos` as a subprocess in its own process group.

    It ends when its standard input closes. That also happens when this process is killed. It
    accepts only calls with the `secret` of PRINCIPAL, which only this process knows.
    """

    def __init__(self, size: AgentSize, agents: int, *, fork: bool = False) -> None:
        """Start it. `wait_ready()` waits until it is ready.

        `fork`: this process is a command of ours, and has not yet begun its work.
        """
        self._started = time.monotonic()
        self.size = size
        self.secret = secrets.token_urlsafe(32)
        self.failed = Path(tempfile.gettempdir()) / f"mrmesos-failed-{secrets.token_hex(8)}"
        """Directory with the output of failed TaskTrackers; the first failure creates it."""
        announce, announced = os.pipe()
        credentials = _readable(f"{PRINCIPAL} {self.secret}\n")
        self._announce: int | None = announce
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        command = [
            *("minimesos", "--port", "0", "--agents", str(agents)),
            *("--resources", size.as_text()),
            *("--announce", f"fd:{announced}", "--exit-with-stdin", "--prepare-tasktracker"),
            *("--keep-failed", str(self.failed)),
            # so no argument and no variable shows the secret
            *("--credentials", f"fd:{credentials}"),
        ]
        if agents > 1:
            # With the number in Mesos' agent ids (…-S0), so reports can tell agents apart.
            command += ["--hostname", f"{os.uname().nodename}-{{n}}"]
        self._process: Forked | subprocess.Popen[bytes]
        try:
            kept, environment = (announced, credentials), environment_of_children()
            if fork and may_fork():
                self._process = Forked(
                    our_command(command),
                    name="minimesos",
                    output=self._errors.fileno(),
                    keep=kept,
                    environment=environment,
                )
            else:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "mrmesos", *command],
                    stdin=subprocess.PIPE,
                    stdout=self._errors,
                    stderr=self._errors,
                    pass_fds=kept,
                    env=environment,
                    start_new_session=True,
                )
        except BaseException:
            os.close(announce)
            self._errors.close()
            raise
        finally:
            os.close(announced)
            os.close(credentials)

    def wait_ready(self) -> str:
        """Wait for the master's URL and return it. Raises UsageProblem if it does not start."""
        assert self._announce is not None
        text = b""
        while not text.endswith(b"\n"):
            left = self._started + START_SECONDS - time.monotonic()
            readable, _, _ = select.select([self._announce], [], [], max(0.0, left))
            part = os.read(self._announce, 4096) if readable else b""
            if not part:
                raise UsageProblem(f"minimesos did not start: {self._last_words()}")
            text += part
        return text.decode("utf-8").strip()

    def poll(self) -> int | None:
        """Return its exit status if it has ended."""
        return self._process.poll()

    def stop(self, wait_for: Callable[[Callable[[float], bool], float], bool]) -> bool:
        """Shut it down. Returns False if it had to be killed.

        `wait_for(condition, seconds)` waits as long as the caller allows. After that the process
        is killed, and its reaper kills the executors.
        """
        process = self._process
        gone = process.poll() is not None
        if not gone:
            process.send_signal(signal.SIGTERM)
            gone = wait_for(self._ended_within, STOP_SECONDS)
        if not gone:
            self.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
        self._errors.close()
        if self._announce is not None:
            os.close(self._announce)
            self._announce = None
        return gone

    def last_stderr(self) -> str:
        """The end of the stderr of the TaskTracker that failed last."""
        kept = sorted(self.failed.glob("*/stderr"), key=lambda path: path.stat().st_mtime)
        text = kept[-1].read_bytes()[-MAX_ERROR_BYTES:] if kept else b""
        return text.decode("utf-8", "replace").strip()

    def keep_failed(self, into: Path) -> Path | None:
        """Copy the output of failed TaskTrackers. Returns None if that is not possible."""
        try:
            return Path(shutil.copytree(self.failed, into, dirs_exist_ok=True))
        except (OSError, shutil.Error):
            return None

    def forget_failed(self) -> None:
        """Remove the output of failed TaskTrackers."""
        shutil.rmtree(self.failed, ignore_errors=True)

    def kill(self) -> None:
        """Kill it. Its reaper then kills the executors and removes their directories."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _ended_within(self, seconds: float) -> bool:
        """Wait for its end. `Popen.wait` with a timeout only looks every 50 ms."""
        try:
            pidfd = os.pidfd_open(self._process.pid)
        except OSError:  # it has been waited for; or Linux before 5.3
            deadline = time.monotonic() + seconds
            while self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
        else:
            try:
                ended = select.poll()  # unlike select, it takes descriptors above 1023
                ended.register(pidfd, select.POLLIN)
                ended.poll(seconds * 1000)
            finally:
                os.close(pidfd)
        return self._process.poll() is not None

    def _last_words(self) -> str:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - MAX_ERROR_BYTES))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"it printed nothing in {START_SECONDS:g} s"


def forked_cluster(agents: int) -> LocalCluster:
    """A minimesos that is a fork of this process, if this process has no further thread yet."""
    for name in OF_ALL:
        set_apart()  # a look at what is imported would take 10 ms
        importlib.import_module(name)
    return LocalCluster(local_size(agents), agents, fork=True)


def _readable(text: str) -> int:
    """A descriptor from which a child reads this text and then end of file."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    return reading


def environment_of_children() -> dict[str, str]:
    """Our environment. If mrmesos runs from a source tree, PYTHONPATH has it."""
    from mrmesos.wire.tracker_command import own_source_tree

    environment = dict(os.environ)
    tree = own_source_tree()
    if tree is not None:
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{tree}{os.pathsep}{before}" if before else tree
    return environment
