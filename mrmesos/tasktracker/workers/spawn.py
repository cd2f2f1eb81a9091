"""Starts a worker process.

Importing this module imports only the standard library. The first worker starts before the
TaskTracker imports anything else, so that their imports overlap.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from mrmesos.tasktracker.workers.processes import WORKER_MARK
from mrmesos.tasktracker.workers.vector_sorts import slow_features

WORKER_COMMAND = (sys.executable, "-P", "-m", "mrmesos.worker")
"""`-P`: files in the sandbox must not be imported instead of real modules."""

_ENVIRONMENT = {
    # A second run of an attempt must write the same bytes, also from sets.
    "PYTHONHASHSEED": "0",
    # An attempt has one CPU. Threads of libraries would take CPUs from other attempts.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONIOENCODING": "utf-8:backslashreplace",
}
_DEFAULTS = {
    # Arrow's own pool returns memory to the kernel and asks for it again: page faults took a
    # quarter of the CPU time of an aggregate. With malloc they take half of that, and memory use
    # is the same.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # malloc keeps up to 128 MiB of free memory, and uses mmap only for arrays of 32 MiB or more.
    "MALLOC_TOP_PAD_": str(16 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}
_SECRETS = ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "MRMESOS_TOKEN")


class Spawned(msgspec.Struct, frozen=True):
    """A worker process, which leads its own process group, and our end of its channel."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    log_path: Path


def mark(number: int) -> str:
    """The value of WORKER_MARK for a worker of this process."""
    return f"{os.getpid()}.{number}"


def spawn_worker(number: int, sandbox: Path, command: Sequence[str] = WORKER_COMMAND) -> Spawned:
    """Start `command --fd N` in the sandbox. Its output goes to `worker-<number>.log`.

    Call it in the main thread, because the kernel kills the worker when the thread that started it
    ends. Raises OSError.
    """
    log_path = _log_path(number, sandbox)
    with log_path.open("ab") as log:
        return _spawn([*command], number, sandbox, log, log_path)


def spawn_waiting(number: int, command: Sequence[str] = WORKER_COMMAND) -> Spawned:
    """Start a worker before this TaskTracker knows its sandbox and its whole environment.

    It imports and then waits for `begin_worker`. Raises OSError.
    """
    return _spawn([*command, "--waits"], number, Path("/"), None, Path(os.devnull))


def begin_worker(waiting: Spawned, number: int, sandbox: Path) -> Spawned:
    """Tell a waiting worker our environment and the sandbox. Raises OSError if it has died."""
    from mrmesos.worker.channel import encode  # takes time to import
    from mrmesos.worker.messages import Begin

    log_path = _log_path(number, sandbox)
    message = Begin(_environment(number), str(sandbox), str(log_path))
    waiting.channel.sendall(encode(message))
    return Spawned(waiting.process, waiting.channel, log_path)


def _log_path(number: int, sandbox: Path) -> Path:
    return sandbox / f"worker-{number}.log"


def _environment(number: int) -> dict[str, str]:
    environment = {name: text for name, text in os.environ.items() if name not in _SECRETS}
    environment = _DEFAULTS | slow_features() | environment | _ENVIRONMENT
    environment[WORKER_MARK] = mark(number)
    return environment


def _spawn(
    command: list[str], number: int, directory: Path, log: IO[bytes] | None, log_path: Path
) -> Spawned:
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = subprocess.Popen(
                [*command, "--fd", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                process_group=0,
                cwd=directory,
                env=_environment(number),
            )
    except OSError:
        ours.close()
        raise
    return Spawned(process, ours, log_path)
