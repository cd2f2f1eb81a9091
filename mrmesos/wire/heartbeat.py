"""The heartbeat: TaskTracker to JobTracker by HTTP POST; the answer brings actions.

A tracker always has one open heartbeat. The JobTracker delays the answer until it has an action, or
until `tasktracker.heartbeat.seconds` have passed. If a tracker has something to report, it posts at
once. The answer to a report of ended attempts comes at once, and the open heartbeat stays. Actions
have numbers. The JobTracker repeats them until the tracker has acknowledged them, so a lost answer
loses nothing. The tracker ignores numbers that it has seen.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Name, Text
from mrmesos.wire.task import Attempt, AttemptProgress, AttemptReport, MapOutput

THINGS_MAX = 100_000
"""Most slots of a TaskTracker, and most reports of each kind in one heartbeat."""


class RunAttempt(msgspec.Struct, frozen=True, tag="run"):
    """Run this attempt in its slot, which is free."""

    attempt: Attempt


class KillAttempt(msgspec.Struct, frozen=True, tag="kill"):
    """End the attempt now; report it as KILLED."""

    attempt_id: Name
    reason: Text


class EndSlot(msgspec.Struct, frozen=True, tag="end_slot"):
    """The slot gets no more work: send TASK_FINISHED, which gives its resources back to Mesos."""

    slot_id: Name


class MapOutputs(msgspec.Struct, frozen=True, tag="map_outputs"):
    """Newly finished maps of a job, for the reduces on this tracker, in order of completion."""

    job_id: Name
    outputs: Annotated[list[MapOutput], msgspec.Meta(max_length=LIST_MAX)]


class ForgetJob(msgspec.Struct, frozen=True, tag="forget_job"):
    """The job has ended: delete its map outputs, code and workers."""

    job_id: Name


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """The TaskTracker must end, because it gets no more slots."""

    reason: Text


class Announce(msgspec.Struct, frozen=True, tag="announce"):
    """The JobTracker has restarted from its journal. The tracker must report its attempts at once.

    A heartbeat that acknowledges this action was sent after the restart. An action of an earlier
    JobTracker that has not arrived by then has a lower number, so the tracker will never execute
    it.
    """


Action = RunAttempt | KillAttempt | EndSlot | MapOutputs | ForgetJob | Leave | Announce


class Numbered(msgspec.Struct, frozen=True):
    """An action and its number. The numbers for one tracker increase.

    A restarted JobTracker continues far above the numbers of its predecessor.
    """

    number: Count
    action: Action


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The message of a TaskTracker.

    `tracker_id` names this executor process and is never reused.
    `url` serves map output and logs.
    `acknowledged` is the highest action number that the tracker has executed.
    `reports` are repeated until the JobTracker has answered a heartbeat with them.
    `slots` are the Mesos tasks of the tracker; `attempts` has the running attempts by slot.
    `sequence` grows by one with each heartbeat, so that late heartbeats are recognised.
    """

    tracker_id: Name
    agent_id: Name
    hostname: Name
    url: Name
    sequence: Count
    acknowledged: Count
    slots: Annotated[list[Name], msgspec.Meta(max_length=THINGS_MAX)]
    reports: Annotated[list[AttemptReport], msgspec.Meta(max_length=THINGS_MAX)] = []
    progress: Annotated[list[AttemptProgress], msgspec.Meta(max_length=THINGS_MAX)] = []
    attempts: Annotated[dict[Name, Name], msgspec.Meta(max_length=THINGS_MAX)] = {}


class HeartbeatAnswer(msgspec.Struct, frozen=True):
    """The actions that are not yet acknowledged, in order.

    `unknown` says that this JobTracker does not know the tracker; the tracker then ends.
    """

    actions: Annotated[list[Numbered], msgspec.Meta(max_length=LIST_MAX)]
    unknown: bool = False
