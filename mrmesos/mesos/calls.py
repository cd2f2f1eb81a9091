"""A persistent HTTP connection for the calls of a driver, separate from its event stream."""

from __future__ import annotations

import http.client
import json
import select
import socket
import threading
from collections.abc import Mapping
from typing import Any

from mrmesos.mesos.addresses import host_and_port
from mrmesos.mesos.errors import MesosCallError, MesosUnreachable

__all__ = ["MAX_ANSWER_BYTES", "CallChannel"]

MAX_ANSWER_BYTES = 64 * 1024
"""Most bytes read of an answer's body. Mesos answers calls with one line of text at most."""


class CallChannel:
    """Sends calls one after another, from any thread, each within a deadline.

    It has its own lock, which the thread that reads events never holds. So a master that does not
    answer delays only the callers. It never repeats a call: if no answer comes, only the caller
    knows whether a second call does harm.
    """

    def __init__(self, path: str, timeout: float) -> None:
        """`path` of the API, `timeout` in seconds for each wait (connect, send, answer)."""
        self._path = path
        self._timeout = timeout
        self._lock = threading.Lock()
        self._conn: http.client.HTTPConnection | None = None
        self._address = ""
        self._stale = False

    def post(self, address: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> str:
        """POST `body` as JSON to `address` ("host:port"); return the text of the 2xx answer.

        Raises:
            MesosCallError: any other answer.
            MesosUnreachable: no answer within the timeout.
        """
        data = json.dumps(body, separators=(",", ":")).encode()
        sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        if not self._lock.acquire(timeout=self._timeout):
            raise MesosUnreachable(f"{address}: another call still waits for its answer")
        try:
            status, text = self._exchange(address, sent, data)
        finally:
            self._lock.release()
        if not 200 <= status < 300:
            raise MesosCallError(status, text)
        return text

    def _exchange(self, address: str, headers: dict[str, str], data: bytes) -> tuple[int, str]:
        try:
            conn = self._connection(address)
            conn.request("POST", self._path, body=data, headers=headers)
            answer = conn.getresponse()
            text = answer.read(MAX_ANSWER_BYTES).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as problem:
            self._drop()
            raise MesosUnreachable(f"{address}: {problem or type(problem).__name__}") from problem
        if not answer.isclosed():
            self._drop()
        return answer.status, text

    def _connection(self, address: str) -> http.client.HTTPConnection:
        kept = self._conn
        if kept is not None and (self._stale or address != self._address or _is_over(kept)):
            self._drop()
        self._stale = False
        if self._conn is None:
            host, port = host_and_port(address)
            self._conn = http.client.HTTPConnection(host, port, timeout=self._timeout)
            self._address = address
        return self._conn

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def interrupt(self) -> None:
        """End a call that is waiting. Any thread may call it. Later calls connect anew."""
        self._stale = True
        conn = self._conn
        sock = conn.sock if conn is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The connection is closed, or not made yet. Then the call waits at most for the
                # connect.
                return

    def close(self) -> None:
        """Interrupt, then close. Waits for a running call, at most the timeout."""
        self.interrupt()
        if self._lock.acquire(timeout=self._timeout):
            try:
                self._drop()
            finally:
                self._lock.release()


def _is_over(conn: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed the connection, or sent data without a request."""
    if conn.sock is None:
        return False
    poller = select.poll()
    poller.register(conn.sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poller.poll(0))
