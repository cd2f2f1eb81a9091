"""Datetimes with a zone as `timestamp('us', zone)`, and time zones by their names in Arrow."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from functools import lru_cache

import pyarrow as pa

from mrmesos.io.columns.schema import RecordTypeError

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_MINUTE = dt.timedelta(minutes=1)


def zone_name(zone: dt.tzinfo) -> str | None:
    """Arrow's name of a zone from which `zone_of` makes an equal zone; None if there is none."""
    if zone == dt.UTC:
        return "UTC"
    if type(zone) is dt.timezone:
        minutes, rest = divmod(zone.utcoffset(None), _MINUTE)
        if rest:
            return None
        return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    if type(zone) is zoneinfo.ZoneInfo and zone.key not in (None, "UTC", "Z"):
        return zone.key
    return None


@lru_cache(maxsize=256)
def zone_of(name: str) -> dt.tzinfo:
    """The zone that Arrow calls `name`. Raises RecordTypeError if this machine has none."""
    if name in ("UTC", "Z"):
        return dt.UTC
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        sign, hours, minutes = offset.groups()
        size = dt.timedelta(hours=int(hours), minutes=int(minutes))
        return dt.timezone(-size if sign == "-" else size)
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise RecordTypeError(
            f"this machine does not know the time zone {name!r}; install tzdata, or write the "
            "times in UTC"
        ) from None


def zoned(objects: list[dt.datetime | None], name: str) -> pa.Array | None:
    """Datetimes of the zone `name` as a column. None if they would change on the way back.

    A change to summer time skips some wall times. They exist in no zone of Arrow's.
    """
    array = pa.array(objects, pa.timestamp("us", name))
    if _OFFSET.fullmatch(name) is None and name != "UTC":
        try:
            back = datetimes(array)
        except OverflowError:  # within a day of the years 1 and 9999
            return None
        if any(_wall(one) != _wall(other) for one, other in zip(objects, back, strict=True)):
            return None
    return array


def _wall(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment.replace(tzinfo=None)


def datetimes(array: pa.Array) -> list[dt.datetime | None]:
    """The Python datetimes of a column of zoned timestamps, none of them in nanoseconds."""
    zone = zone_of(array.type.tz)
    plain = array.cast(pa.timestamp("us")).to_pylist()
    if zone is dt.UTC:
        return [None if each is None else each.replace(tzinfo=zone) for each in plain]
    return [None if each is None else zone.fromutc(each.replace(tzinfo=zone)) for each in plain]
