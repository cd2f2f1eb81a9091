"""What a reduce asks of the TaskTrackers that hold map outputs: signed, and so are the answers."""

from __future__ import annotations

import contextlib
import http.client
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
        self, job_id: str, token: str, timeout: float, tls: Callable[[], ssl.SSLContext]
    ) -> None:
        """`timeout` is the longest silence, in seconds; `tls` is for trackers that speak HTTPS."""
        self._job_id, self._token = job_id, token
        self._timeout = timeout
        self._make_tls = tls
        self._tls: ssl.SSLContext | None = None
        self._signers: dict[str, Signer] = {}
        """One a tracker, as each may have a clock of its own."""
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def post(self, url: str, path: str, body: bytes) -> Iterator[http.client.HTTPResponse]:
        """The answer of the tracker at `url`, to be read within.

        Raises FetchError where it is refused or not proven to be a tracker's of ours, OSError and
        HTTPException.
        """
        parts = urlsplit(url)
        target = parts.path.rstrip("/") + path
        signer = self._signer(url)
        connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
        try:
            signed = signer.sign("POST", target, body)
            headers = {AUTHORIZATION: signed, "Content-Type": "application/json"}
            connection.request("POST", target, body, headers)
            response = connection.getresponse()
            if response.status != 200:
                signer.learn_time(signed, response.getheader(TIME, ""))
                said = response.read(500).decode("utf-8", "replace")
                raise FetchError(f"{url}: status {response.status}: {said}")
            if not signer.proves(signed, response.getheader(REPLY, "")):
                # Whoever it is, what it sends is not to be unpickled.
                raise FetchError(f"{url}: what answers there is no TaskTracker of ours")
            yield response
        finally:
            connection.close()

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        with self._lock:
            self._tls = self._tls or self._make_tls()
        return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)

    def _signer(self, url: str) -> Signer:
        with self._lock:
            return self._signers.setdefault(url, Signer(self._job_id, self._token))
