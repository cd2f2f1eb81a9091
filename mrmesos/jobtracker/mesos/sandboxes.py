"""Reads the stderr of TaskTrackers that did not start, by their agents' `/files/read`.

Comes in: ReadSandbox commands. Goes out: SandboxRead events, or nothing if the file cannot be read.
Thread: one of its own, with a deadline for each file and a bounded queue. Nobody waits for it.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable

from mrmesos.jobtracker.core.messages.commands import ReadSandbox
from mrmesos.jobtracker.core.messages.events import Event, SandboxRead
from mrmesos.jobtracker.http.live_logs import FileGone
from mrmesos.jobtracker.mesos.agent_files import AgentFiles

logger = logging.getLogger(__name__)

TAIL_BYTES = 2048
MAX_WAITING = 8
"""Most queued files. If TaskTrackers fail faster than agents answer, a few files are enough."""


class SandboxReader:
    """Reads files in its own thread."""

    def __init__(self, files: AgentFiles, post: Callable[[Event], None]) -> None:
        self._files, self._post = files, post
        self._waiting: queue.Queue[ReadSandbox | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="sandboxes", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def submit(self, command: ReadSandbox) -> None:
        """Queue a file, unless too many wait."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(command)

    def stop(self) -> None:
        """Read no more files. A request under way ends by its deadline."""
        with contextlib.suppress(queue.Full, queue.Empty):
            self._waiting.get_nowait()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def _run(self) -> None:
        while (asked := self._waiting.get()) is not None:
            sandbox = asked.sandbox
            try:
                data, _ = self._files.read(sandbox, "stderr", None, TAIL_BYTES)
            except FileGone as problem:
                logger.info("no stderr of %s: %s", sandbox.tracker, problem)
                continue
            # The file may hold any bytes, but JSON and terminals need valid text.
            text = data.decode("utf-8", "backslashreplace").strip()
            if text:
                self._post(SandboxRead(sandbox.tracker, asked.hostname, text))
