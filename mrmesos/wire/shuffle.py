"""The shuffle between TaskTrackers: the request of a reduce, and the header of each segment."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Name, Text


class ShuffleRequest(msgspec.Struct, frozen=True):
    """The body of POST /shuffle/{job_id}/{partition}: the map attempts to fetch from.

    A worker of this TaskTracker says `here`. It reads long segments from their files.
    """

    maps: Annotated[list[Name], msgspec.Meta(max_length=LIST_MAX)]
    here: bool = False


class FrameHeader(msgspec.Struct, frozen=True):
    """One line of JSON before the `length` bytes of a segment.

    `length` is 0 if `status` is not "ok". If there is a `path`, no bytes follow: they lie at
    `offset` in this file.
    """

    attempt_id: Name
    status: Literal["ok", "missing", "corrupt"]
    length: Count = 0
    rows: Count = 0
    crc32: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0
    path: Text = ""
    offset: Count = 0
