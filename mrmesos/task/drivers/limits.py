"""Limits on everything that user code and its workers can make grow. Honest use stays far below.

A TaskTracker also checks its workers' messages against them. User code runs inside a worker, and
could send messages in its name.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_COUNTERS = 1_000
"""Most counters of one attempt."""
MAX_NAME_CHARS = 128
"""For the name of a counter and of its group (Hadoop: mapreduce.job.counters.group.name.max)."""
MAX_STATUS_CHARS = 200
MAX_POSITION_CHARS = 2_000
MAX_FETCH_FAILED = 1_000
"""Failed map outputs that one message names. Later messages name the others."""
REPORTS_PER_HEARTBEAT = 50
"""Further reports follow with the next heartbeat, which is sent after the answer to this one."""

_OWN_COUNTERS = 100  # counters of the engine itself


def excess(counters: Mapping[str, Mapping[str, int]]) -> str:
    """How an attempt's counters exceed the limits, as a text. Empty if they do not."""
    if sum(map(len, counters.values())) + len(counters) > 2 * MAX_COUNTERS + _OWN_COUNTERS:
        return f"more than {MAX_COUNTERS:,} counters"
    names = [name for group in counters.values() for name in group]
    if any(len(name) > MAX_NAME_CHARS for name in (*counters, *names)):
        return f"a counter whose name has more than {MAX_NAME_CHARS} characters"
    return ""
