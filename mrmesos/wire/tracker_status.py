"""What a TaskTracker says of itself: to the JobTracker's pages, and as metrics."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Name, Seconds, Text

STATUS_PATH = "/status"
STACK_PATH = "/attempts/{attempt_id}/stack"


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process, with the memory of all its children."""

    pid: Count
    attempt_id: Name = ""
    memory_bytes: Count = 0
    limit_bytes: Count = 0


class TrackerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A TaskTracker now. Sums count from its start."""

    tracker_id: Name
    hostname: Name
    seconds: Seconds
    """Since it started."""
    slots: Count
    busy: Count
    memory_bytes: Count
    """Memory of the TaskTracker itself, without its workers."""
    disk_total_bytes: Count
    disk_free_bytes: Count
    jobs: Count
    map_outputs: Count
    """How many map outputs it serves."""
    connections: Count
    served_bytes: Count
    """Bytes of map output that it has sent to reduces."""
    served_requests: Count
    attempts: Annotated[dict[Name, Count], msgspec.Meta(max_length=100)]
    """Number of attempts that ended here, by state."""
    workers: Annotated[list[WorkerStatus], msgspec.Meta(max_length=LIST_MAX)]


class Stack(msgspec.Struct, frozen=True):
    """The present stacks of a worker's threads. `problem` says why there are none."""

    text: Text = ""
    problem: Text = ""
