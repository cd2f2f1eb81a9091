"""Messages between clients and a JobTracker about chains: jobs that follow each other."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from mrmesos.api.chain import STEPS_MAX
from mrmesos.api.context import Counters
from mrmesos.bounds import Name, Seconds, Sha256, Text
from mrmesos.wire.job import JobSpec, JobStatus
from mrmesos.wire.task import AttemptError

GROUP_CHARS_MAX = 128
NOTES = "_chain.json"


class ChainState(StrEnum):
    """The states of a chain: PREP (its files are checked), RUNNING, and the others.

    CLEANING: all steps have succeeded, and their data are being removed. STOPPING: the chain cannot
    succeed, and its running steps are being killed.
    """

    PREP = "PREP"
    RUNNING = "RUNNING"
    CLEANING = "CLEANING"
    STOPPING = "STOPPING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in (ChainState.SUCCEEDED, ChainState.FAILED, ChainState.KILLED)


class StepState(StrEnum):
    """The states of a step. KEPT: an earlier run has finished it. CANCELLED: it never began."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    KEPT = "KEPT"
    CANCELLED = "CANCELLED"

    @property
    def done(self) -> bool:
        """Whether the step's output is there."""
        return self in (StepState.SUCCEEDED, StepState.KEPT)


class StepNote(msgspec.Struct, frozen=True):
    """The directory's note of a step. `job_id` is the job that wrote the step's output."""

    fingerprint: Sha256
    job_id: Name


class ChainNotes(msgspec.Struct, frozen=True):
    """The content of NOTES."""

    chain_id: Name
    steps: dict[Name, StepNote]
    hooks: dict[Name, Sha256] = {}


class StepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A step: its job, and the names of the steps that must be done before it starts.

    `identity` is a hash of the step's code. (`job.code` also covers the command's words.) `fused`
    names the steps that have no job, because their mappers run in the maps of this step.
    """

    name: Name
    job: JobSpec
    identity: Sha256
    after: Annotated[tuple[Name, ...], msgspec.Meta(max_length=STEPS_MAX)] = ()
    fused: Annotated[tuple[Name, ...], msgspec.Meta(max_length=STEPS_MAX)] = ()


class ChainSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A chain as submitted. Each step stands after the steps that it waits for.

    `data` is the URI of the directory with the outputs that later steps read. It is removed when
    the chain has succeeded. With `resume`, steps that an earlier run has finished there do not run
    again. Without `resume`, the directory must not exist, unless `overwrite` lets it be removed.

    `hooks` has marks of what has run in the client before the steps; the JobTracker keeps them.
    `keep_data`: the client removes the directory, when its hook behind the last step has run.
    """

    name: Name
    user: Name
    output: Text
    data: Text
    steps: Annotated[tuple[StepSpec, ...], msgspec.Meta(min_length=1, max_length=STEPS_MAX)]
    resume: bool = False
    overwrite: bool = False
    hooks: Annotated[dict[Name, Sha256], msgspec.Meta(max_length=10)] = {}
    keep_data: bool = False

    @property
    def notes(self) -> str:
        """The file in `data` that says what is done. It is there when the first step begins, so it
        is also the input of steps that read nothing.
        """
        return f"{self.data}/{NOTES}"

    def uploads(self) -> tuple[str, ...]:
        """The hashes of all files that a client must upload for the steps."""
        return tuple(dict.fromkeys(each for step in self.steps for each in step.job.uploads()))

    def is_intermediate(self, step: StepSpec) -> bool:
        """Whether later steps read the step's output."""
        return step.job.output.startswith(f"{self.data}/")


def fused_group(step: str, group: str) -> str:
    """The counter group for a fused step, in the job that runs the step. `group` is the usual
    name.
    """
    return f"{step}: {group}"[:GROUP_CHARS_MAX]


def left_behind(data: str) -> str:
    """The error if the directory of steps exists already, and --resume was not given."""
    return (
        f"{data}: an earlier run has left its steps there; submit with --resume to go on after "
        "the last finished step, or with --overwrite to begin anew"
    )


class StepStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a step. `after` names the steps that it waits for.

    `job` is the status of its job, if the job has begun and is still known. A fused step has no
    job. Its state is that of the step `into`, whose maps run it. Its `counters` are those of its
    mapper.
    """

    name: Name
    state: StepState
    job_id: Name = ""
    job: JobStatus | None = None
    after: Annotated[tuple[Name, ...], msgspec.Meta(max_length=STEPS_MAX)] = ()
    into: Name = ""
    counters: Counters = {}


class ChainStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a chain. Times are Unix seconds. `kept` is where data of steps are kept.
    `session` is the session that has submitted it, if one has.
    """

    chain_id: Name
    name: Name
    user: Name
    state: ChainState
    submitted: Seconds
    ended: Seconds | None
    steps: Annotated[tuple[StepStatus, ...], msgspec.Meta(max_length=STEPS_MAX)]
    output: Text
    error: AttemptError | None = None
    waiting: Text = ""
    kept: Text = ""
    session: Name = ""


class ChainAnswer(msgspec.Struct, frozen=True):
    """The id of an accepted chain."""

    chain_id: Name
