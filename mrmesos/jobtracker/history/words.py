"""How pages and reports write numbers, durations and times."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_BYTES = ("BYTES",)
_MILLIS = ("MILLIS", "MILLISECONDS")


def count(number: float) -> str:
    """`1,234`; at most one digit after the point."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def size(number: float) -> str:
    """`1.2 MiB`."""
    value = float(number)
    for unit in _UNITS:
        if abs(value) < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def duration(seconds: float | None) -> str:
    """`0.3 s`, `12 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`; empty for None."""
    if seconds is None:
        return ""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def ago(moment: float, now: float) -> str:
    """`just now`, `12 s ago`, `in 3 min 00 s`. It is short, because the exact time stands beside
    it.
    """
    past = now - moment
    if abs(past) < 2:
        return "just now"
    seconds = abs(past)
    if seconds < 60:
        text = f"{seconds:.0f} s"
    elif seconds < 3600:
        text = f"{seconds // 60:.0f} min"
    elif seconds < 172_800:
        text = f"{seconds // 3600:.0f} h"
    else:
        text = f"{seconds // 86_400:.0f} d"
    return f"{text} ago" if past > 0 else f"in {text}"


def absolute(moment: float) -> str:
    """`2026-11-29 11:06:21 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


def machine(moment: float) -> str:
    """For `<time datetime>`."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def cpus(thousandths: float) -> str:
    """`1.5` for 1500."""
    return f"{thousandths / 1000:g}"


def amount(name: str, thousandths: float) -> str:
    """An amount of a resource with its unit. Memory and disk are in MiB at Mesos."""
    if name in ("mem", "disk"):
        return size(thousandths / 1000 * (1 << 20))
    return cpus(thousandths)


def counter(name: str, number: float) -> str:
    """A counter's value, with the unit from the counter's name."""
    words = name.upper().split("_")
    if any(word in _BYTES for word in words):
        return size(number)
    if any(word in _MILLIS for word in words):
        return duration(number / 1000)
    return count(number)


def percent(part: float) -> str:
    """`42 %`. Rounded down, so that 100 % means all."""
    return f"{int(part * 100)} %"
