"""The shuffle between TaskTrackers: what a reduce asks for, and the line before each segment."""

from __future__ import annotations

from typing import Literal

import msgspec


class ShuffleRequest(msgspec.Struct, frozen=True):
    """The body of POST /shuffle/{job_id}/{partition}: the map attempts whose output is wanted."""

    maps: list[str]


class FrameHeader(msgspec.Struct, frozen=True):
    """One line of JSON before a segment's bytes, of which there are `length`.

    `length` is 0 where `status` is not "ok".
    """

    attempt_id: str
    status: Literal["ok", "missing", "corrupt"]
    length: int = 0
    rows: int = 0
    crc32: int = 0
