"""Executors and commands as processes: sandbox, environment, output files, and their end.

A container is a process, its session and all its descendants. It ends when its first process ends;
the other processes are then killed, as in Mesos' posix launcher.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mrmesos.minimesos.agent import fetcher, keepsake, reaper
from mrmesos.minimesos.agent.prepared import Prepared, Process, Reaper
from mrmesos.minimesos.model.resources import Json

log = logging.getLogger(__name__)

NO_DIRECTORY = "Failed to create executor directory"
"""First words of Mesos' message when the sandbox cannot be created."""

Exited = Callable[[int], None]  # raw wait status
Failed = Callable[[str], None]  # why nothing was started
Started = Callable[[int], None]  # process id


@dataclass(slots=True)
class Container:
    """One run of an executor or a command."""

    id: str
    sandbox: Path
    process: Process | None = None
    doomed: bool = False  # killed by us, or to be killed as soon as it has started
    over: asyncio.Event = field(default_factory=asyncio.Event)
    marks: set[str] = field(default_factory=set)
    """Values of MESOS_SANDBOX by which its processes are found."""


class Containers:
    """Starts, watches and ends the containers of all agents of this process."""

    def __init__(
        self,
        max_sandboxes: int = 200,
        keep_failed: Path | None = None,
        prepared: Prepared | None = None,
        started_reaper: Reaper | None = None,
    ) -> None:
        """`keep_failed` is a directory for copies of the output of failed containers."""
        self._keep_failed, self._prepared = keep_failed, prepared
        self._live: dict[str, Container] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._reaper = started_reaper
        self._ended: deque[Path] = deque()
        self._max_sandboxes = max_sandboxes

    def open(self, scratch: Path | None = None) -> None:
        """Start the reaper, if there is none yet. It removes `scratch` when this process ends, even
        by SIGKILL.
        """
        if self._reaper is None:
            self._reaper = subprocess.Popen(
                [sys.executable, "-I", "-S", reaper.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        if scratch is not None:
            self._tell(f"!{scratch}")
        if self._prepared is not None:
            self._tell(f"+{self._prepared.sandbox}")

    def _tell(self, line: str) -> None:
        if self._reaper is None or self._reaper.stdin is None:
            return
        try:
            self._reaper.stdin.write(os.fsencode(f"{line}\n"))
            self._reaper.stdin.flush()
        except OSError as error:
            log.error("the reaper is gone (%s): a SIGKILL here may leave executors behind", error)

    def start(
        self,
        container: Container,
        command: Json,
        environment: dict[str, str],
        user: str | None,
        *,
        started: Started,
        exited: Exited,
        failed: Failed,
    ) -> None:
        """Prepare the sandbox and run the command there. Then call either `exited` or `failed`."""
        self._live[container.id] = container
        job = asyncio.get_running_loop().create_task(
            self._run(container, command, environment, user, started, exited, failed)
        )
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _run(
        self,
        container: Container,
        command: Json,
        environment: dict[str, str],
        user: str | None,
        started: Started,
        exited: Exited,
        failed: Failed,
    ) -> None:
        try:
            _make_sandbox(container.sandbox, user)
        except OSError as error:
            self._forget(container)
            failed(f"{NO_DIRECTORY} '{container.sandbox}': {error}")
            return
        try:
            if command.get("uris"):
                await asyncio.to_thread(_fetch, command["uris"], container)
            if container.doomed:
                self._forget(container)
                exited(signal.SIGKILL)
                return
            self._tell(f"+{container.sandbox}")
            container.marks.add(str(container.sandbox))
            container.process = self._spawn(command, container, environment, user)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            await self._keep(container)
            self._forget(container)
            failed(f"Failed to launch container: {error}")
            return
        started(container.process.pid)
        status = await _wait(container.process)
        await asyncio.to_thread(reaper.kill_all, container.marks)
        if status and not container.doomed:
            await self._keep(container)
        self._forget(container)
        exited(status)

    def _spawn(
        self, command: Json, container: Container, environment: dict[str, str], user: str | None
    ) -> Process:
        prepared = self._prepared
        if prepared is not None and _other_user(user) is None:
            process = prepared.take(command, environment, container.sandbox)
            if process is not None:
                container.marks.add(str(prepared.sandbox))
                return process
        return spawn(command, container.sandbox, environment, user)

    async def _keep(self, container: Container) -> None:
        if self._keep_failed is not None:
            await asyncio.to_thread(keepsake.keep, container.sandbox, self._keep_failed)

    def _forget(self, container: Container) -> None:
        for mark in container.marks:
            self._tell(f"-{mark}")
        self._live.pop(container.id, None)
        container.over.set()
        self._ended.append(container.sandbox)
        while len(self._ended) > self._max_sandboxes:
            old = self._ended.popleft()
            job = asyncio.get_running_loop().create_task(asyncio.to_thread(_remove, old))
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)

    def destroy(self, container: Container) -> None:
        """Kill the container's first process. The others are killed when it has ended."""
        container.doomed = True
        if container.process is not None and container.process.returncode is None:
            container.process.kill()

    def terminate(self, container: Container) -> None:
        """Send SIGTERM to the container's process group."""
        if container.process is not None and container.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(container.process.pid, signal.SIGTERM)

    async def close(self, grace: float) -> None:
        """Wait `grace` seconds for live containers, kill the rest, and end the reaper."""
        live = list(self._live.values())
        if live:
            waits = [asyncio.create_task(container.over.wait()) for container in live]
            await asyncio.wait(waits, timeout=grace)
            for container in live:
                self.destroy(container)
            await asyncio.wait(waits, timeout=reaper.PASSES * reaper.PAUSE)
            for wait in waits:
                wait.cancel()
        if self._jobs:
            await asyncio.wait(set(self._jobs), timeout=5.0)
        if self._prepared is not None and not self._prepared.taken:
            self._prepared.process.kill()
            await asyncio.to_thread(reaper.kill_all, {str(self._prepared.sandbox)})
            self._tell(f"-{self._prepared.sandbox}")
            _reap(self._prepared.process)
        if self._reaper is not None and self._reaper.stdin is not None:
            with contextlib.suppress(OSError):
                self._reaper.stdin.close()
            await asyncio.to_thread(self._reaper.wait)


def _remove(sandbox: Path) -> None:
    """Remove an old sandbox and its parents if they are then empty."""
    shutil.rmtree(sandbox, ignore_errors=True)
    runs = sandbox.parent
    with contextlib.suppress(OSError):
        if (runs / "latest").readlink().name == sandbox.name:
            (runs / "latest").unlink()
        runs.rmdir()
        runs.parent.rmdir()


def _make_sandbox(sandbox: Path, user: str | None) -> None:
    """Create the directory of a run. Raises OSError with Mesos' words."""
    sandbox.parent.mkdir(parents=True, exist_ok=True)
    # Other users must not read what tasks print. Mesos has 0750, with the user's group.
    sandbox.mkdir(mode=0o700, exist_ok=True)
    try:
        if (ids := _other_user(user)) is not None:
            os.chown(sandbox, *ids)
    except KeyError:
        raise OSError(f"Failed to chown directory to '{user}': No such user '{user}'") from None
    _point_latest(sandbox)


def _other_user(user: str | None) -> tuple[int, int] | None:
    """User and group id to switch to; None when we are not root, or when `user` is root.

    Raises KeyError for an unknown user.
    """
    if not user or os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(user)
    return (entry.pw_uid, entry.pw_gid) if entry.pw_uid != 0 else None


def _fetch(uris: list[Json], container: Container) -> None:
    """Fetch into the sandbox. Raises OSError with Mesos' words.

    The cause is written to `stderr` in the sandbox, as mesos-fetcher does.
    """
    try:
        fetcher.fetch_all(uris, container.sandbox)
    except fetcher.FetchError as error:
        with (container.sandbox / "stderr").open("a", encoding="utf-8") as log:
            log.write(f"{error}\n")
        words = f"Failed to fetch all URIs for container '{container.id}': exited with status 1"
        raise OSError(words) from error


def _point_latest(sandbox: Path) -> None:
    """Make `runs/latest` a link to the newest run: people look for logs there."""
    latest = sandbox.parent / "latest"
    with contextlib.suppress(FileNotFoundError):
        latest.unlink()
    latest.symlink_to(sandbox.name)


def base_environment() -> dict[str, str]:
    """The environment that executors inherit: that of this process, without Mesos' variables."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("MESOS_", "LIBPROCESS_"))}


def command_variables(command: Json) -> dict[str, str]:
    """The environment that a CommandInfo asks for."""
    variables = (command.get("environment") or {}).get("variables", [])
    return {v["name"]: v["value"] for v in variables if v.get("value") is not None}


def spawn(
    command: Json, sandbox: Path, environment: dict[str, str], user: str | None
) -> subprocess.Popen[bytes]:
    """Run a CommandInfo in its sandbox and its own session; output goes to `stdout` and `stderr`.

    It runs as this process' user, unless this process is root and `user` names another.
    """
    value = command.get("value")
    if command.get("shell", True):
        program, arguments = "/bin/sh", ["sh", "-c", str(value)]
    else:
        arguments = [str(one) for one in command.get("arguments", [])] or [str(value)]
        program = str(value)
        if "/" in program and not program.startswith("/"):
            program = str(sandbox / program)
    uid, gid = _other_user(user) or (None, None)
    with (sandbox / "stdout").open("ab") as out, (sandbox / "stderr").open("ab") as err:
        return subprocess.Popen(
            arguments,
            executable=program,
            cwd=sandbox,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=[] if uid is not None else None,
        )


async def _wait(process: Process) -> int:
    """Wait for a child without a thread (by a pidfd) and return its raw wait status."""
    loop = asyncio.get_running_loop()
    fd = os.pidfd_open(process.pid)
    done: asyncio.Event = asyncio.Event()
    loop.add_reader(fd, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return _reap(process)


def _reap(process: Process) -> int:
    """Return the raw wait status of a child that has ended."""
    try:
        _, status = os.waitpid(process.pid, 0)
    except ChildProcessError:  # a poll() elsewhere has already reaped it
        code = process.returncode or 0
        return -code if code < 0 else code << 8
    process.returncode = os.waitstatus_to_exitcode(status)
    return status
