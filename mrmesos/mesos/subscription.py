"""A driver's connection to its event stream: pymesos' `Connection`, with its bugs fixed."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from typing import Protocol

from http_parser.http import HttpParser

from mrmesos.mesos.addresses import host_and_port
from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.calls import MAX_ANSWER_BYTES
from mrmesos.mesos.errors import MesosCallError, MesosError
from mrmesos.mesos.events import BadEvent, read_event
from mrmesos.mesos.pymesos_import import Connection

__all__ = ["MAX_RECORD_BYTES", "SubscribeRefused", "Subscriber", "Subscription"]

RECEIVE_BYTES = 256 * 1024
MAX_RECORD_BYTES = 256 * 1024 * 1024
"""If a RecordIO record claims to be longer, the stream is broken."""
_MAX_LENGTH_DIGITS = 12


class SubscribeRefused(MesosCallError):
    """The answer to SUBSCRIBE was not 200."""

    def __init__(self, status: int, body: str, location: str | None) -> None:
        super().__init__(status, body)
        self.location = location
        """The target of a redirection."""


class Subscriber(Protocol):
    """The driver, as seen by its connection."""

    stream_id: str | None

    def gen_request(self) -> bytes:
        """The bytes of the SUBSCRIBE request."""

    def process_event(self, event: Json) -> None:
        """Handle one event. Raises MesosError if the stream must end."""

    def refuse_event(self, event: object, problem: str) -> None:
        """Handle an invalid event. Raises MesosError if the stream must end."""

    def on_close(self) -> None:
        """Handle the end of the connection."""


class Subscription(Connection):  # type: ignore[misc]  # pymesos is untyped
    """One connection with its SUBSCRIBE request and its events.

    Bugs of pymesos that it fixes: it read 4 KiB at a time. An answer other than 200 ended the
    thread with an untyped error before the body had arrived. Each event copied all records again.
    Lengths were never checked.
    """

    def __init__(self, addr: str, callback: Subscriber) -> None:
        """Begin to connect to `addr` ("host:port").

        Raises:
            OSError: the name is unknown, or the port refuses at once.
        """
        self._addr = host_and_port(addr)
        self._callback = callback
        self._parser = HttpParser()
        self._stream_id: str | None = None
        self._request = callback.gen_request()
        self._records = bytearray()
        self._refusal = bytearray()
        self.connected = False
        self.started_at = self.heard_at = time.monotonic()
        family, kind, proto, _, where = socket.getaddrinfo(
            *self._addr, type=socket.SOCK_STREAM, family=socket.AF_INET
        )[0]
        self._sock = socket.socket(family, kind, proto)
        self._sock.setblocking(False)
        code = self._sock.connect_ex(where)
        if code not in (0, errno.EINPROGRESS, errno.EAGAIN):
            self._sock.close()
            raise OSError(code, os.strerror(code))

    def step(self, ready: int) -> bool:
        """Do what the poll flags in `ready` allow. Returns whether the stream goes on.

        Raises:
            SubscribeRefused: the answer was not 200.
            MesosError: the stream is invalid.
            OSError: the connection failed.
        """
        if not self.connected:
            problem = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                raise OSError(problem, os.strerror(problem))
            self.connected = True
        if ready & select.POLLOUT and self._request:
            try:
                sent = self._sock.send(self._request)
            except (BlockingIOError, InterruptedError):
                sent = 0
            self._request = self._request[sent:]
        if ready & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return self.read()
        return True

    def read(self) -> bool:
        """Read once, and pass on all complete events."""
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return True
        self.heard_at = time.monotonic()
        if not data:
            if self._parser.is_headers_complete() and self._stream_id is None:
                self._refused()
            return False
        if self._parser.execute(data, len(data)) != len(data):
            raise MesosError(f"not an HTTP response (parser error {self._parser.get_errno()})")
        if not self._parser.is_headers_complete():
            return True
        if self._stream_id is None and not self._accepted():
            return True
        self._records += self._parser.recv_body()
        self._hand_on()
        return not self._parser.is_message_complete()

    def _accepted(self) -> bool:
        """Check the answer's status and headers. Collects the body of a refusal."""
        if self._parser.get_status_code() != 200:
            self._refusal += self._parser.recv_body()
            if self._parser.is_message_complete() or len(self._refusal) > MAX_ANSWER_BYTES:
                self._refused()
            return False
        if not self._parser.is_chunked():
            raise MesosError("the answer to SUBSCRIBE is not chunked")
        self._stream_id = self._header("mesos-stream-id") or ""
        self._callback.stream_id = self._stream_id
        return True

    def _refused(self) -> None:
        text = self._refusal[:MAX_ANSWER_BYTES].decode("utf-8", "replace")
        raise SubscribeRefused(self._parser.get_status_code(), text, self._header("location"))

    def _header(self, name: str) -> str | None:
        headers = self._parser.get_headers()
        return next((value for key, value in headers.items() if key.lower() == name), None)

    def _hand_on(self) -> None:
        """Pass on all complete records. RecordIO repeats: decimal length, newline, JSON bytes."""
        records, at = self._records, 0
        while True:
            end = records.find(b"\n", at, at + _MAX_LENGTH_DIGITS + 1)
            if end < 0:
                begun = records[at:]
                if len(begun) > _MAX_LENGTH_DIGITS or (begun and not begun.isdigit()):
                    raise MesosError("the event stream is not RecordIO")
                break
            digits = bytes(records[at:end])
            if not digits.isdigit() or int(digits) > MAX_RECORD_BYTES:
                raise MesosError(f"the event stream has a record of length {digits!r}")
            stop = end + 1 + int(digits)
            if stop > len(records):
                break
            at, record = stop, records[end + 1 : stop]
            try:
                event = read_event(record)
            except BadEvent as problem:
                self._callback.refuse_event(bytes(record), str(problem))
                continue
            self._callback.process_event(event)
        del records[:at]

    def close(self) -> None:
        """Close the socket and tell the driver."""
        self._sock.close()
        self.connected = False
        self._callback.on_close()
