"""Reads whole bodies of requests, with a bound and a deadline. Thread: the server's event loop."""

from __future__ import annotations

import asyncio

from aiohttp import web

BODY_SECONDS = 60.0


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. Raises HTTPException if it is over `limit` bytes, or comes too slowly."""
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length or 0)
    if not request.can_read_body:
        return b""
    parts = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.content.iter_chunked(1 << 20):
                parts += part
                if len(parts) > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, len(parts))
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"it did not arrive in {BODY_SECONDS:g} s") from None
    return bytes(parts)
