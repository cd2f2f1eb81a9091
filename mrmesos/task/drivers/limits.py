"""Limits on what user code and the workers that run it can make grow, far beyond honest use.

A TaskTracker holds them against its workers as well: user code runs in these, and could speak in
their name.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_COUNTERS = 1_000
"""Counters of one attempt."""
MAX_NAME_CHARS = 128
"""Of the name of a counter, or of its group (as Hadoop's mapreduce.job.counters.group.name.max)."""
MAX_STATUS_CHARS = 200
MAX_POSITION_CHARS = 2_000
MAX_FETCH_FAILED = 1_000
"""Map outputs that one message names as not to be had; more come once these are dealt with."""
REPORTS_PER_HEARTBEAT = 50
"""The others follow with the next heartbeat, which goes out when this one was answered."""

_OWN_COUNTERS = 100  # the engine's, beside the user's


def excess(counters: Mapping[str, Mapping[str, int]]) -> str:
    """What is too much about an attempt's counters, in words; empty if nothing is."""
    if sum(map(len, counters.values())) + len(counters) > 2 * MAX_COUNTERS + _OWN_COUNTERS:
        return f"more than {MAX_COUNTERS:,} counters"
    names = [name for group in counters.values() for name in group]
    if any(len(name) > MAX_NAME_CHARS for name in (*counters, *names)):
        return f"a counter whose name has more than {MAX_NAME_CHARS} characters"
    return ""
