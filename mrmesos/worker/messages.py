"""The messages between a TaskTracker and its worker processes, as structs.

A conversation looks like this:

    tracker -> Begin                    only to a worker that was started with --waits
    worker  -> Ready                    once, when its imports are done
    tracker -> RunTask                  the worker sends WorkerProgress regularly, then one Done
    tracker -> MapOutputsKnown …        while a reduce runs; ignored when it names another attempt
    tracker -> RunTask                  the next attempt of the same job, and so on

No message kills a worker: the tracker kills the worker's whole process group instead.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.api.context import Counters
from mrmesos.bounds import LIST_MAX, PROFILE_MAX, Count, Name, Text
from mrmesos.task.drivers.record_spans import Redo, Span
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptState,
    FailedFetches,
    FreeResult,
    MapOutput,
)
from mrmesos.wire.trace import Measures

MAP_OUTPUTS_PER_FRAME = 20_000
"""The tracker cuts longer lists of map outputs into several messages."""


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """Become the worker of a TaskTracker that has been launched now.

    `environment` replaces the worker's whole environment. `directory` is its working directory from
    now on, and `log_path` gets what it prints outside attempts.
    """

    environment: Annotated[dict[Text, Text], msgspec.Meta(max_length=LIST_MAX)]
    directory: Text
    log_path: Text


class RunTask(msgspec.Struct, frozen=True, kw_only=True, tag="run"):
    """Run this attempt in the directory `work_dir`, which exists and belongs to the attempt.

    `code_path` holds the cloudpickled job, checked against `facts.spec.code`. While the attempt
    runs, file descriptors 1 and 2 go to `stdout_path` and `stderr_path`. Both files exist; open
    them with O_APPEND, because the tracker truncates them at their limit. The tracker kills the
    worker above `memory_limit_mb` (MiB). `hostname` and `agent_id` name this agent.
    `tracker_url` is the tracker's own URL, as map outputs name it. If `redo` is set, the attempt
    was started before and failed: the worker must first remove the earlier start's files from
    `work_dir`.
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
    tracker_url: Text
    redo: Redo | None = None


class MapOutputsKnown(msgspec.Struct, frozen=True, tag="map_outputs"):
    """Map outputs for a running reduce, in order. The first such message follows RunTask directly.

    A later entry for the same map replaces an earlier one; `attempt_id` "" withdraws it.
    """

    attempt_id: Name
    outputs: Annotated[list[MapOutput], msgspec.Meta(max_length=LIST_MAX)]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker has finished its imports and waits for RunTask."""


class WorkerProgress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """Progress of the running attempt, sent about every 0.5 s.

    `active` says whether the attempt has read, written or reported anything since the last message.
    An attempt that is not active for `task.timeout` is killed. `position` fits after "while", such
    as "reading file:///data/x.txt near offset 1048576"; a crash report contains the last one.
    """

    progress: AttemptProgress
    active: bool
    position: Text = ""


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The attempt has ended: SUCCEEDED, or FAILED with an error. Its files are closed.

    The fields are those of `AttemptReport`; the tracker adds slot, times and the tail of the logs.
    `at`: the records at which user code failed, if the attempt may skip records. `result` is that
    of a free task. `profile`: a packed one (wire/profile.py), if the job asked for it.
    """

    attempt_id: Name
    state: AttemptState
    counters: Counters = {}
    error: AttemptError | None = None
    fetch_failed: FailedFetches = []
    at: Span | None = None
    result: FreeResult | None = None
    profile: Annotated[str, msgspec.Meta(max_length=PROFILE_MAX)] = ""
    trace: Name = ""
    spans: Measures = ()


ToWorker = Begin | RunTask | MapOutputsKnown
FromWorker = Ready | WorkerProgress | Done
