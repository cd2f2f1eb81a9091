"""Start a worker process. Standard library only: the first one is started before anything else is
imported, so that its own imports overlap with the TaskTracker's.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mrmesos.tasktracker.workers.processes import WORKER_MARK

WORKER_COMMAND = (sys.executable, "-P", "-m", "mrmesos.worker")
"""`-P`: what lies in the sandbox must not be imported in place of modules."""

_ENVIRONMENT = {
    # The same attempt run again must write the same bytes, sets included.
    "PYTHONHASHSEED": "0",
    # An attempt has one CPU; threads of libraries would take those of others.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONIOENCODING": "utf-8:backslashreplace",
}
_DEFAULTS = {
    # Arrow's own pool gives memory back to the kernel and asks for it again: page faults took a
    # quarter of the CPU time of an aggregate. With malloc it is half of that, and no more memory.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # And malloc keeps up to 128 MiB that are free, and maps no array below 32 MiB by itself.
    "MALLOC_TOP_PAD_": str(16 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}
_SECRETS = ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "MRMESOS_TOKEN")


@dataclass(frozen=True, slots=True)
class Spawned:
    """A worker process, leader of its own process group, and our end of its channel."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    log_path: Path


def mark(number: int) -> str:
    """The value of WORKER_MARK for a worker of this process."""
    return f"{os.getpid()}.{number}"


def spawn_worker(number: int, sandbox: Path, command: Sequence[str] = WORKER_COMMAND) -> Spawned:
    """Start `command --fd N` in the sandbox, its output going to `worker-<number>.log`.

    Call it in the main thread: the worker asks the kernel to kill it when the thread that started
    it ends. Raises OSError.
    """
    environment = {name: text for name, text in os.environ.items() if name not in _SECRETS}
    environment = _DEFAULTS | environment | _ENVIRONMENT | {WORKER_MARK: mark(number)}
    log_path = sandbox / f"worker-{number}.log"
    ours, theirs = socket.socketpair()
    try:
        with theirs, log_path.open("ab") as log:
            process = subprocess.Popen(
                [*command, "--fd", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                process_group=0,
                cwd=sandbox,
                env=environment,
            )
    except OSError:
        ours.close()
        raise
    return Spawned(process, ours, log_path)
