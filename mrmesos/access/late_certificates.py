"""Imports aiohttp without reading the certificates of all authorities that the system trusts.

aiohttp makes two TLS contexts when it is imported, for connections to any `https:` address. Each
reads those certificates: 500 million of the 1,200 million instructions of the import, in each
JobTracker, TaskTracker and minimesos, which never use them. A context that is made during the
import reads them before its first connection instead. Thread: any.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

__all__ = ["LateContext", "certificates_later", "web"]

_read_now = ssl.SSLContext.set_default_verify_paths


class LateContext(ssl.SSLContext):
    """A context whose certificates are not read yet. Its first use makes it an ordinary one."""

    def _read(self) -> None:
        """Read the certificates. From then on a method is that of an ordinary context."""
        _read_now(self)
        # Last: another thread finds an ordinary context with all certificates, or reads them too.
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]

    def wrap_socket(self, *args: Any, **named: Any) -> ssl.SSLSocket:
        """Read the certificates first."""
        self._read()
        return self.wrap_socket(*args, **named)

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        """Read the certificates first."""
        self._read()
        return self.wrap_bio(*args, **named)

    def get_ca_certs(self, *args: Any, **named: Any) -> Any:
        """Read the certificates first."""
        self._read()
        return self.get_ca_certs(*args, **named)

    def cert_store_stats(self) -> dict[str, int]:
        """Read the certificates first."""
        self._read()
        return self.cert_store_stats()


@contextlib.contextmanager
def certificates_later() -> Iterator[None]:
    """Contexts made meanwhile read the system's certificates before their first connection."""

    def later(context: ssl.SSLContext) -> None:
        if type(context) is ssl.SSLContext:
            context.__class__ = LateContext
        else:
            _read_now(context)

    ssl.SSLContext.set_default_verify_paths = later  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        ssl.SSLContext.set_default_verify_paths = _read_now  # type: ignore[method-assign]


with certificates_later():
    from aiohttp import web
