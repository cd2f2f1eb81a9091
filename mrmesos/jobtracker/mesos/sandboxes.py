"""Reads the stderr of TaskTrackers that did not start, by their agents' `/files/read`.

Comes in: ReadSandbox commands. Goes out: SandboxRead events, or nothing if the file cannot be read
(the agent is unknown, it wants credentials or TLS, or the sandbox is gone). Thread: one of its own,
with a deadline for each file and a bounded queue. Nobody waits for it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlencode

from mrmesos.jobtracker.core.messages.commands import ReadSandbox
from mrmesos.jobtracker.core.messages.events import Event, SandboxRead
from mrmesos.mesos.callbacks import Json

logger = logging.getLogger(__name__)

TAIL_BYTES = 2048
ANSWER_BYTES = 1 << 16
SECONDS = 3.0
"""Deadline of each of the two requests that one file takes."""
MAX_WAITING = 8
"""Most queued files. If TaskTrackers fail faster than agents answer, some files are enough."""
MAX_AGENTS = 10_000


class SandboxReader:
    """Reads files in its own thread. `learn` notes the agents' addresses from their offers."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post
        self._agents: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._waiting: queue.Queue[tuple[ReadSandbox, str] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="sandboxes", daemon=True)

    def learn(self, offers: list[Json]) -> None:
        """Note the addresses of the offers' agents, unless they use TLS."""
        for offer in offers:
            url = offer.get("url", {})
            address = url.get("address", {})
            host, port = address.get("ip") or address.get("hostname"), address.get("port")
            if url.get("scheme", "http") != "http" or not host or not isinstance(port, int):
                continue
            agent_id = offer["agent_id"]["value"]
            self._agents[agent_id] = (host, port)
            self._agents.move_to_end(agent_id)
            while len(self._agents) > MAX_AGENTS:
                self._agents.popitem(last=False)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def submit(self, command: ReadSandbox, framework_id: str) -> None:
        """Queue a file, unless too many wait."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait((command, framework_id))

    def stop(self) -> None:
        """Read no more files. A request under way ends by its deadline."""
        with contextlib.suppress(queue.Full, queue.Empty):
            self._waiting.get_nowait()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def _run(self) -> None:
        while (asked := self._waiting.get()) is not None:
            command, framework_id = asked
            where = self._agents.get(command.agent_id)
            if where is None or not framework_id:
                continue
            path = f"/frameworks/{framework_id}/executors/{command.tracker_id}/runs/latest/stderr"
            try:
                text = read_tail(where, path)
            except (OSError, http.client.HTTPException, ValueError) as problem:
                logger.info("no stderr of %s from %s: %s", command.tracker_id, where, problem)
                continue
            if text:
                self._post(SandboxRead(command.tracker_id, command.hostname, text))


def read_tail(where: tuple[str, int], path: str) -> str:
    """The end of a file. Raises OSError, HTTPException or ValueError."""
    connection = http.client.HTTPConnection(*where, timeout=SECONDS)
    with contextlib.closing(connection):
        size = _read(connection, path=path, offset=-1)["offset"]
        start = max(0, size - TAIL_BYTES)
        text: str = _read(connection, path=path, offset=start, length=TAIL_BYTES)["data"]
    # The file may hold any bytes, but JSON and terminals need valid text.
    return text[-TAIL_BYTES:].strip().encode("utf-8", "backslashreplace").decode("utf-8")


def _read(connection: http.client.HTTPConnection, **query: object) -> Json:
    connection.request("GET", f"/files/read?{urlencode(query)}")
    answer = connection.getresponse()
    body = answer.read(ANSWER_BYTES)
    if answer.status != 200:
        raise ValueError(f"HTTP {answer.status}")
    found = json.loads(body.decode("utf-8", "replace"))
    types = {"data": str, "offset": int}
    if not isinstance(found, dict) or any(type(found.get(n)) is not t for n, t in types.items()):
        raise ValueError("no answer of /files/read")
    return found
