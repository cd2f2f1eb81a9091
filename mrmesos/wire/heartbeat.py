"""The heartbeat: TaskTracker to JobTracker by HTTP POST; the answer brings actions.

A tracker always has one heartbeat under way: the JobTracker holds its answer until there is an
action or `tasktracker.heartbeat.seconds` have passed. A tracker with something to report posts at
once, which answers the one that was held. Actions carry numbers and are sent again until the
tracker has acknowledged them, so a lost answer loses nothing; it ignores numbers it has seen.
"""

from __future__ import annotations

import msgspec

from mrmesos.wire.task import Attempt, AttemptProgress, AttemptReport, MapOutput


class RunAttempt(msgspec.Struct, frozen=True, tag="run"):
    """Run this attempt in its slot, which has none now."""

    attempt: Attempt


class KillAttempt(msgspec.Struct, frozen=True, tag="kill"):
    """End the attempt now; report it as KILLED."""

    attempt_id: str
    reason: str


class EndSlot(msgspec.Struct, frozen=True, tag="end_slot"):
    """The slot gets no more work: send TASK_FINISHED for it, so that Mesos has it back."""

    slot_id: str


class MapOutputs(msgspec.Struct, frozen=True, tag="map_outputs"):
    """News of a job's finished maps for the reduces running here, in order of completion."""

    job_id: str
    outputs: list[MapOutput]


class ForgetJob(msgspec.Struct, frozen=True, tag="forget_job"):
    """The job has ended: delete its map outputs, code and workers."""

    job_id: str


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """End yourself: no slot will come to this TaskTracker any more."""

    reason: str


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

    number: int
    action: Action


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a TaskTracker says.

    `tracker_id` names this one executor process, never reused. `url` is where it serves map output
    and logs. `acknowledged` is the highest action number it has carried out. `reports` are
    repeated until a heartbeat that held them was answered. `slots` are the Mesos tasks it holds,
    `attempts` names those that run now by their slots.
    `sequence` grows by one with each heartbeat, so that a late one is recognised.
    """

    tracker_id: str
    agent_id: str
    hostname: str
    url: str
    sequence: int
    acknowledged: int
    slots: list[str]
    reports: list[AttemptReport] = []
    progress: list[AttemptProgress] = []
    attempts: dict[str, str] = {}


class HeartbeatAnswer(msgspec.Struct, frozen=True):
    """The actions not yet acknowledged, in order. `unknown` tells a tracker that this JobTracker
    does not know it: it ends itself.
    """

    actions: list[Numbered]
    unknown: bool = False
