"""The cluster as the JobTracker knows it, for pages and for `mrmesos top`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Name, Seconds, Text

CLUSTER_PATH = "/api/v1/cluster"

Numbers = Annotated[dict[Name, Count], msgspec.Meta(max_length=LIST_MAX)]
"""Numbers by name. Amounts of resources are in thousandths."""


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent. `size` is the most that it ever offered at once.

    `held` is what our Mesos tasks take there. `used` is the part of it in slots that run an
    attempt, and `busy` is the number of these slots. `avoided` says why no attempt starts there
    now. It is empty if attempts may start.
    """

    id: Name
    hostname: Name
    rack: Name
    tracker: Name
    tracker_id: Name
    slots: Count
    busy: Count
    size: Numbers
    held: Numbers
    used: Numbers
    seen: Seconds
    avoided: Text
    until: Seconds


class PoolView(msgspec.Struct, frozen=True, kw_only=True):
    """A pool with its jobs in progress. `weight` and `least` are in thousandths (PoolShare)."""

    name: Name
    weight: Count
    least: Count
    jobs: Count
    running: Count
    waiting: Count
    cpus: Count


class SharedView(msgspec.Struct, frozen=True, kw_only=True):
    """A global resource (`resources.global`), in thousandths. `held`: by running attempts. `jobs`
    ask for it, and `blocked` of them wait until enough is free.
    """

    name: Name
    total: Count
    held: Count
    jobs: Count
    blocked: Count


class OffersView(msgspec.Struct, frozen=True):
    """How many offers were accepted, and how many were declined for each reason, since the
    start.
    """

    taken: Count
    declined: Numbers
    last: Seconds | None
    suppressed: bool


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster as the core knows it."""

    now: Seconds
    connected: bool
    framework_id: Name
    scheduler: Name
    agents: Annotated[list[AgentView], msgspec.Meta(max_length=LIST_MAX)]
    pools: Annotated[list[PoolView], msgspec.Meta(max_length=LIST_MAX)]
    offers: OffersView
    faults: Numbers
    trackers: Numbers
    last_stderr: Text
    shared: Annotated[list[SharedView], msgspec.Meta(max_length=LIST_MAX)] = []
    queues: Count = 0
    """How many queues of free tasks have not ended."""
