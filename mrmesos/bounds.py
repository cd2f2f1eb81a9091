"""Bounds of values in messages, as types that msgspec checks when it decodes.

JSON has integers of any size, and msgspec decodes them. MessagePack, Arrow and SQLite take only 64
bits. So every value from a peer has a bound in its type. Without it, the core could get a value
that it cannot send or store. The bounds are far above honest use.

msgspec's JSON decoder rejects lone surrogates and infinite numbers. Messages that pymesos decoded
are therefore decoded again with msgspec.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
LIST_MAX = 1_000_000
"""Entries of a list or mapping; the size limit of the whole message is usually reached first."""

Int64 = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
Count = Annotated[int, Meta(ge=0, le=INT64_MAX)]
"""Numbers, sizes and offsets in bytes."""
Index = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""The number of a map, a reduce or a port."""
Seconds = Annotated[float, Meta(ge=0.0, le=1e12)]
"""A duration, or a moment in Unix seconds; 1e12 is the year 33,658."""
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Finite = Annotated[float, Meta(ge=-1e300, le=1e300)]

Name = Annotated[str, Meta(max_length=1_024)]
"""An id, the name of a thing, a host, an address."""
Text = Annotated[str, Meta(max_length=1 << 20)]
"""Text for people, URIs, values of settings."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""A hash in hex digits; code and files are identified by it."""

PROFILE_MAX = 128 << 10
"""Characters of the packed profile of one attempt."""


def bounded(total: int) -> int:
    """The total, limited to the range of 64-bit integers."""
    if INT64_MIN <= total <= INT64_MAX:
        return total
    return INT64_MIN if total < 0 else INT64_MAX
