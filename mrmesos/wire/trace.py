"""The trace context of jobs and attempts, and what a worker measures for its attempt's trace.

Contexts have W3C's form `traceparent`: `00-TRACE-SPAN-FLAGS`. All ids are derived from the ids of
jobs and attempts. So every process knows the parent of its spans, and a restarted JobTracker
continues the same trace. The JobTracker sends a job's context with its facts, and only if traces
are on.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Annotated, NamedTuple

import msgspec

from mrmesos.bounds import Name, Seconds
from mrmesos.conf import JOB_TRACEPARENT

TRACEPARENT = "TRACEPARENT"
"""The variable with the context of a process that is a part of a trace."""
SPANS_MAX = 16
"""Most spans that an attempt measures."""
_FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Measured(msgspec.Struct, frozen=True):
    """A part of an attempt. Times are Unix seconds."""

    name: Name
    begin: Seconds
    end: Seconds


Measures = Annotated[tuple[Measured, ...], msgspec.Meta(max_length=SPANS_MAX)]


class TraceContext(NamedTuple):
    """A span, and its trace."""

    trace: str
    span: str
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span}-{int(self.sampled):02d}"

    def of(self, name: str) -> TraceContext:
        """The context of the span for an id, in the same trace."""
        return self._replace(span=_id(name, 8))


def read_context(text: str) -> TraceContext | None:
    """The context in a text. None if the text has another form."""
    found = _FORM.fullmatch(text)
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1))


def within_trace(conf: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of a job. If this process is a part of a span, they have that span."""
    given = environ.get(TRACEPARENT, "")
    known = JOB_TRACEPARENT.name in conf or read_context(given) is None
    return {**conf} if known else {**conf, JOB_TRACEPARENT.name: given}


def on_the_wall(moment: float) -> float:
    """The Unix time of a moment of `time.monotonic`. Only spans have it, for people to read."""
    return time.time() - time.monotonic() + moment


def new_trace(job_id: str) -> str:
    """The trace of a job that does not continue another trace."""
    return _id(f"trace {job_id}", 16)


def _id(name: str, size: int) -> str:
    return hashlib.blake2b(name.encode(), digest_size=size).hexdigest()
