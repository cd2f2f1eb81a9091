"""What a reduce asks of the TaskTrackers that hold map outputs: signed, and so are the answers."""

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
    """Map output did not come; the message names the tracker. Trying again may help."""


class Peers:
    """Signs with a job's token. Safe to use from several threads."""

    def __init__(
        self,
        job_id: str,
        token: str,
        connecting: float,
        silence: float,
        tls: Callable[[], ssl.SSLContext],
        source: str = "",
    ) -> None:
        """`connecting` is how long a connection may take to come about, `silence` the longest
        silence on it, in seconds; `tls` is for trackers that speak HTTPS; `source` is the address
        to connect from, any where it is empty.
        """
        self._job_id, self._token = job_id, token
        self._connecting, self._silence = connecting, silence
        self._make_tls = tls
        self._source = (source, 0) if source else None
        self._tls: ssl.SSLContext | None = None
        self._signers: dict[str, Signer] = {}
        """One a tracker, as each may have a clock of its own."""
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    @contextlib.contextmanager
    def post(self, url: str, path: str, body: bytes) -> Iterator[http.client.HTTPResponse]:
        """The answer of the tracker at `url`, to be read within.

        Raises FetchError where it cannot be reached, is refused or not proven to be a tracker's of
        ours, OSError (TimeoutError: only for its silence) and HTTPException.
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
                # Whoever it is, what it sends is not to be unpickled.
                raise FetchError("what answers there is no TaskTracker of ours")
            yield response

    def close(self) -> None:
        """End what is under way: who reads from a silent tracker would wait for long."""
        with self._lock:
            self._closed = True
            for sock in self._open:
                with contextlib.suppress(OSError):  # it is over
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
                sock = self._secured(plain, host)  # which takes its place
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
