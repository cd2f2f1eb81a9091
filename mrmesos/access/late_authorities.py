"""Importing aiohttp without reading the system's certificates before somebody needs them.

aiohttp makes its two default TLS contexts when it is imported, and each reads all authorities
that the system knows: 50 ms of CPU in every process of ours, few of which ever speak TLS.
"""

from __future__ import annotations

import ssl
from typing import Any


class _ReadsAuthoritiesLate(ssl.SSLContext):
    """A context that reads the system's authorities with its first connection."""

    _has_read = False

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        """See ssl.SSLContext; all that asyncio asks of a context."""
        if not self._has_read:
            self._has_read = True
            self.set_default_verify_paths()
        return super().wrap_bio(*args, **named)


def import_aiohttp() -> None:
    """Call it before any other import of aiohttp; after one it does nothing.

    Only contexts made during the import are affected, and those are aiohttp's own.
    """
    made: list[ssl.SSLContext] = []

    def later(context: ssl.SSLContext) -> None:
        made.append(context)

    # Hides the inherited method while aiohttp is imported, which offers no other way.
    ssl.SSLContext.set_default_verify_paths = later  # type: ignore  # it is to be hidden
    try:
        import aiohttp  # noqa: F401
    finally:
        del ssl.SSLContext.set_default_verify_paths
    for context in made:
        context.__class__ = _ReadsAuthoritiesLate
