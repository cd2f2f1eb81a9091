"""The heartbeat: TaskTracker to JobTracker by HTTP POST; the answer brings actions.

A tracker always has one heartbeat under way: the JobTracker holds its answer until there is an
action or `tasktracker.heartbeat.seconds` have passed. A tracker with something to report posts at
once, which answers the one that was held. Actions carry numbers and are sent again until the
tracker has acknowledged them, so a lost answer loses nothing; it ignores numbers it has seen.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Name, Text
from mrmesos.wire.task import Attempt, AttemptProgress, AttemptReport, MapOutput

THINGS_MAX = 100_000
"""Slots of a TaskTracker, and what one heartbeat says of them."""


class RunAttempt(msgspec.Struct, frozen=True, tag="run"):
    """Run this attempt in its slot, which has none now."""

    attempt: Attempt


class KillAttempt(msgspec.Struct, frozen=True, tag="kill"):
    """End the attempt now; report it as KILLED."""

    attempt_id: Name
    reason: Text


class EndSlot(msgspec.Struct, frozen=True, tag="end_slot"):
    """The slot gets no more work: send TASK_FINISHED for it, so that Mesos has it back."""

    slot_id: Name


class MapOutputs(msgspec.Struct, frozen=True, tag="map_outputs"):
    """News of a job's finished maps for the reduces running here, in order of completion."""

    job_id: Name
    outputs: Annotated[list[MapOutput], msgspec.Meta(max_length=LIST_MAX)]


class ForgetJob(msgspec.Struct, frozen=True, tag="forget_job"):
    """The job has ended: delete its map outputs, code and workers."""

    job_id: Name


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """End yourself: no slot will come to this TaskTracker any more."""

    reason: Text


class Announce(msgspec.Struct, frozen=True, tag="announce"):
    """The JobTracker has started anew from its journal: tell it at once what runs here.

    A heartbeat that acknowledges this was made after it: whatever an earlier JobTracker said, and
    had not been heard by then, has a lower number and will never be carried out.
    """


Action = RunAttempt | KillAttempt | EndSlot | MapOutputs | ForgetJob | Leave | Announce


class Numbered(msgspec.Struct, frozen=True):
    """An action and its number. Numbers of one tracker grow; a JobTracker that has started anew
    goes on far above those of the one before.
    """

    number: Count
    action: Action


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a TaskTracker says.

    `tracker_id` names this one executor process, never reused. `url` is where it serves map output
    and logs. `acknowledged` is the highest action number it has carried out. `reports` are
    repeated until a heartbeat that held them was answered. `slots` are the Mesos tasks it holds,
    `attempts` names those that run now by their slots.
    `sequence` grows by one with each heartbeat, so that a late one is recognised.
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
    """The actions not yet acknowledged, in order. `unknown` tells a tracker that this JobTracker
    does not know it: it ends itself.
    """

    actions: Annotated[list[Numbered], msgspec.Meta(max_length=LIST_MAX)]
    unknown: bool = False
