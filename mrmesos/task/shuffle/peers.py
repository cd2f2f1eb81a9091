"""Signed requests of a reduce to the TaskTrackers that hold map outputs. Answers are signed too."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from mrmesos.access.signing import AUTHORIZATION, REPLY, TIME, Signer


class FetchError(Exception):
    """A fetch of map output failed. The message names the tracker. Another try may succeed."""


class Peers:
    """Sends requests signed with a job's token. Several threads may use it at once."""

    def __init__(
        self,
        job_id: str,
        token: str,
        connecting: float,
        silence: float,
        tls: Callable[[], ssl.SSLContext],
        source: str = "",
    ) -> None:
        """`connecting` limits the time to connect, `silence` the time without data, in seconds.

        `tls` is for trackers that speak HTTPS. `source` is the address to connect from; if it is
        empty, the kernel chooses.
        """
        self._job_id, self._token = job_id, token
        self._connecting, self._silence = connecting, silence
        self._make_tls = tls
        self._source = (source, 0) if source else None
        self._tls: ssl.SSLContext | None = None
        self._signers: dict[str, Signer] = {}
        """One for each tracker, because each has its own clock."""
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    @contextlib.contextmanager
    def post(self, url: str, path: str, body: bytes) -> Iterator[http.client.HTTPResponse]:
        """The answer of the tracker at `url`. The caller must read it inside the `with` block.

        Raises FetchError if the tracker is unreachable, refuses, or does not prove that it is one
        of our TaskTrackers; OSError (TimeoutError only if it is silent) and HTTPException.
        """
        parts = urlsplit(url)
        target = parts.path.rstrip("/") + path
        signer = self._signer(url)
        with self._connected(url) as connection:
            signed = signer.sign("POST", target, body)
            headers = {AUTHORIZATION: signed, "Content-Type": "application/json"}
            connection.request("POST", target, body, headers)
            response = connection.getresponse()
            if response.status != 200:
                signer.learn_time(signed, response.getheader(TIME, ""))
                said = response.read(500).decode("utf-8", "replace")
                raise FetchError(f"status {response.status}: {said}")
            if not signer.proves(signed, response.getheader(REPLY, "")):
                # Data from an unknown sender must never be unpickled.
                raise FetchError("the answer is not signed by one of our TaskTrackers")
            yield response

    def close(self) -> None:
        """End all open requests. Otherwise a read from a silent tracker would wait for long."""
        with self._lock:
            self._closed = True
            for sock in self._open:
                with contextlib.suppress(OSError):  # it is closed already
                    sock.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _connected(self, url: str) -> Iterator[http.client.HTTPConnection]:
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        connection = http.client.HTTPConnection(host, port)
        try:
            plain = socket.create_connection((host, port), self._connecting, self._source)
        except OSError as exc:
            raise FetchError(f"no connection: {exc}") from exc
        sock = plain
        try:
            plain.settimeout(self._silence)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._keep(plain)
            if secure:
                sock = self._secured(plain, host)  # this takes over the plain socket
                self._keep(sock)
            connection.sock = sock
            yield connection
        finally:
            with self._lock:
                self._open -= {plain, sock}
            connection.close()
            for each in (sock, plain):
                each.close()

    def _keep(self, sock: socket.socket) -> None:
        with self._lock:
            if self._closed:
                raise FetchError("the fetch of map output was given up")
            self._open.add(sock)

    def _secured(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        with self._lock:
            self._tls = self._tls or self._make_tls()
        return self._tls.wrap_socket(sock, server_hostname=host)

    def _signer(self, url: str) -> Signer:
        with self._lock:
            return self._signers.setdefault(url, Signer(self._job_id, self._token))
