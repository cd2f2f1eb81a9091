"""A TaskTracker that is started before its launch, and waits for it.

A local cluster knows that a TaskTracker will be launched as soon as the job is submitted. Until
then the TaskTracker and its first worker import what they need, while the client loads the job. It
is a fork of the local cluster's process, which has imported most of that.

In: on stdin, at the launch, a `Launch` as JSON, then end of file. Without one it ends. From then on
it is a TaskTracker like any other. Thread: main.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import NoReturn

from mrmesos.ending import die_with_parent, leave
from mrmesos.tasktracker.workers.spawn import Spawned, spawn_waiting

LAUNCH_MAX_BYTES = 60_000
"""A launch must fit into a pipe (64 KiB), so that its writer never waits."""

logger = logging.getLogger("mrmesos.tasktracker")


def launch(environment: dict[str, str], sandbox: str) -> bytes:
    """The message that makes a waiting TaskTracker begin in `sandbox` with this environment."""
    return json.dumps({"environment": environment, "sandbox": sandbox}).encode()


def wait_for_launch() -> NoReturn:
    """Run in a fork that leads its own session. It dies with its parent, as its workers do."""
    die_with_parent()
    workers: list[Spawned] = []
    try:
        workers.append(spawn_waiting(1))  # first: it takes longest to import
    except OSError as problem:
        logger.warning("cannot start a worker before the launch: %s", problem)
    import mrmesos.tasktracker.executor
    import mrmesos.tasktracker.shell  # noqa: F401 (imported now, so that it need not be later)
    from mrmesos.tasktracker.__main__ import main
    from mrmesos.worker.begin import enter

    text = sys.stdin.buffer.read()
    if not text:
        leave(0)
    order = json.loads(text)
    sandbox = order["sandbox"]
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    enter(sandbox, order["environment"], f"{sandbox}/stdout", f"{sandbox}/stderr")
    leave(main(workers))
