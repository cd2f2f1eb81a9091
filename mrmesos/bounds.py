"""What a value in a message may be: bounds as types, which msgspec holds on decoding.

JSON has integers of any size, and msgspec reads them; MessagePack, Arrow and SQLite take 64 bits.
So whatever is read from a peer has a bound in its type, or the core could be given what it cannot
hand out or keep. The bounds lie far beyond honest use. Lone surrogates and infinite numbers do not
pass msgspec's JSON decoder; what was read by another (pymesos) is decoded again by that one.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
LIST_MAX = 1_000_000
"""Entries of a list or mapping; the limit of the whole message is mostly reached before."""

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
"""Words for people, URIs, values of settings."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""In hex digits, as code and files are known by."""


def bounded(total: int) -> int:
    """The total, or the end of 64 bits that is next to it."""
    if INT64_MIN <= total <= INT64_MAX:
        return total
    return INT64_MIN if total < 0 else INT64_MAX
