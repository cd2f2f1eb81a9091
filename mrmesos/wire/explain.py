"""Why a job waits, and why it was slow: the answer to `mrmesos job explain`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Name, Seconds, Text

EXPLAIN_PATH = "/api/v1/jobs/{job_id}/explain"


class Why(StrEnum):
    """A kind of reason for waiting."""

    PLANNING = "planning"
    ENDING = "ending"
    NO_MASTER = "no-master"
    ROLE = "role"
    CONSTRAINT = "constraint"
    TOO_LARGE = "too-large"
    """No agent has ever offered as much as the task needs."""
    TURN = "turn"
    SHARE = "share"
    QUOTA = "quota"
    GLOBAL_RESOURCE = "global-resource"
    NO_OFFER = "no-offer"
    SLOW_START = "slow-start"
    MAPS_FIRST = "maps-first"
    RATIO = "ratio"
    LOCALITY = "locality"
    SPREAD = "spread"
    TOO_SMALL = "too-small"
    FAILED_HERE = "failed-here"
    CUT = "cut"
    BLACKLISTED = "blacklisted"
    AVOIDED = "avoided"
    SILENT = "silent"
    MAINTENANCE = "maintenance"
    ALONE = "alone"
    NEXT = "next"
    """Nothing holds it back: the next offer starts it."""


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason. `kind` is `map` or `reduce`; empty if it holds for both.

    `agents` is the number of agents for which it holds; 0 if it does not depend on agents. `help`
    names the setting or the step that helps.
    """

    why: Why
    words: Text
    kind: Name = ""
    agents: Count = 0
    help: Text = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why a job was slow. `help` names the setting that helps."""

    what: Name
    words: Text
    help: Text
    seconds: Seconds = 0.0
    """About how much time it cost, summed over attempts. 0 if this is unknown."""


class WaitingTasks(msgspec.Struct, frozen=True, kw_only=True):
    """The JobTracker's own words about a job in progress, or about one of its tasks.

    `facts` are further lines about the task. `declined` counts the offers declined since the
    JobTracker's start, by reason.
    """

    waiting: Count
    """How many of the job's tasks wait."""
    running: Count
    reasons: Annotated[list[Reason], msgspec.Meta(max_length=LIST_MAX)]
    facts: Annotated[list[Text], msgspec.Meta(max_length=LIST_MAX)] = []
    last_offer: Seconds | None = None
    declined: Annotated[dict[Name, Count], msgspec.Meta(max_length=LIST_MAX)] = {}


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job waits (`waiting` is None if it is not in progress), and why it was slow."""

    job_id: Name
    state: Name
    now: Seconds
    waiting: WaitingTasks | None = None
    findings: Annotated[list[Finding], msgspec.Meta(max_length=LIST_MAX)] = []
