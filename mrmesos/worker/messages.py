"""What a TaskTracker and its worker processes say to each other, as structs.

One conversation goes

    worker  -> Ready                    once, when its imports are done
    tracker -> RunTask                  the worker sends WorkerProgress now and then, then one Done
    tracker -> MapOutputsKnown …        while a reduce runs; ignored when it names another attempt
    tracker -> RunTask                  the next attempt of the same job, and so on

There is no message for killing: the tracker kills the worker's whole process group.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.api.context import Counters
from mrmesos.bounds import LIST_MAX, Count, Name, Text
from mrmesos.task.drivers.record_spans import Redo, Span
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptState,
    FailedFetches,
    MapOutput,
)

MAP_OUTPUTS_PER_FRAME = 20_000
"""The tracker cuts longer lists of map outputs into several messages."""


class RunTask(msgspec.Struct, frozen=True, kw_only=True, tag="run"):
    """Run this attempt, in the directory `work_dir`, which exists and is the attempt's own.

    `code_path` holds the cloudpickled job, checked against `facts.spec.code`. While the attempt
    runs, file descriptors 1 and 2 go to `stdout_path` and `stderr_path` (both exist; open them
    with O_APPEND, for the tracker truncates them at their limit). `memory_limit_mb` (MiB) is what
    the tracker kills at; `hostname` and `agent_id` say where this is; `log_url` is where the
    attempt's output can be read while the tracker lives. `redo` is there where the attempt was
    started before, and its worker ended or gave up: what that left in `work_dir` is to be removed.
    """

    attempt: Attempt
    facts: JobFacts
    code_path: Text
    work_dir: Text
    stdout_path: Text
    stderr_path: Text
    memory_limit_mb: Count
    hostname: Name
    agent_id: Name
    log_url: Text
    redo: Redo | None = None


class MapOutputsKnown(msgspec.Struct, frozen=True, tag="map_outputs"):
    """News for a running reduce, in order. What is known when it starts comes right after RunTask.

    A later entry for the same map replaces the earlier; `attempt_id` "" withdraws it.
    """

    attempt_id: Name
    outputs: Annotated[list[MapOutput], msgspec.Meta(max_length=LIST_MAX)]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker has imported what it needs and waits for RunTask."""


class WorkerProgress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far the running attempt is; sent about every 0.5 s, and when `position` changes much.

    `active` says whether it has read, written or reported anything since the last one: an attempt
    that is not active for `task.timeout` is killed. `position` is where it is, in words that fit
    after "while", such as "reading file:///data/x.txt near offset 1048576"; a crash is reported
    with the last one.
    """

    progress: AttemptProgress
    active: bool
    position: Text = ""


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The attempt has ended: SUCCEEDED, or FAILED with an error. Its files are closed.

    The fields are those of `AttemptReport`; the tracker adds slot, times and the tail of the logs.
    `at`: the records that user code failed at, where the attempt could do without them.
    """

    attempt_id: Name
    state: AttemptState
    counters: Counters = {}
    error: AttemptError | None = None
    fetch_failed: FailedFetches = []
    at: Span | None = None


ToWorker = RunTask | MapOutputsKnown
FromWorker = Ready | WorkerProgress | Done
