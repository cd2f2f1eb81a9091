"""Messages between clients and a JobTracker about free tasks: queues of tasks, and their ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from mrmesos.bounds import Count, Index, Name, Seconds, Sha256, Text
from mrmesos.wire.job import JobFile, JobStatus
from mrmesos.wire.task import AttemptError, FreeResult, Inline, Stored

AFTER_MAX = 10_000
"""Most tasks that one task waits for."""
TASKS_OF_REQUEST = 1_000
"""Most tasks in one request. A client sends more of them in several requests."""
ENDS_OF_ANSWER = 1_000
ENDS_BYTES = 8 << 20
"""Most ends in one answer. Most bytes of their results in one answer."""

Keys = Annotated[tuple[Count, ...], msgspec.Meta(max_length=AFTER_MAX)]


class QueueState(StrEnum):
    """The states of a queue. CLOSED: it takes no further tasks, but those that it has still run.

    STOPPING: its tasks are being killed.
    """

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    STOPPING = "STOPPING"
    ENDED = "ENDED"
    KILLED = "KILLED"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in (QueueState.ENDED, QueueState.KILLED)


class QueueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A queue of free tasks, as a client asks for it.

    `conf` has the settings for all its tasks. `code` is a pickle that workers load before the first
    task, and `files` are the modules that the tasks import. `store` is a directory (a URI) that the
    client and all agents can write to, for large pickles.
    """

    name: Name
    user: Name
    conf: Annotated[dict[Name, Text], msgspec.Meta(max_length=10_000)]
    code: Sha256
    python: Name = ""
    files: Annotated[tuple[JobFile, ...], msgspec.Meta(max_length=10_000)] = ()
    store: Text = ""

    def uploads(self) -> tuple[str, ...]:
        """The hashes of all files that a client must upload for the tasks."""
        return (self.code, *(file.sha256 for file in self.files))


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A free task. The client numbers the tasks of a queue by `key`, which only grows.

    `need` has the resources by name, in thousandths; `cpus` and `mem` (MiB) are among them. The
    tasks in `after` must succeed first. The tasks in `behind` must end first, in any way. `retries`
    is how often a failed task runs again. Times are in seconds, and 0 means no limit: `timeout` is
    for one attempt, `deadline` for all attempts from now on.
    """

    key: Count
    name: Name
    need: Annotated[dict[Name, Count], msgspec.Meta(max_length=100)]
    payload: Inline = b""
    stored: Stored | None = None
    priority: Name = ""
    constraints: Annotated[str, msgspec.Meta(max_length=4_096)] = ""
    after: Keys = ()
    behind: Keys = ()
    retries: Index = 0
    timeout: Seconds = 0.0
    deadline: Seconds = 0.0
    fail_if_impossible: bool = False


class QueueRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks of its queue: new tasks, in the order of their keys, then ends of tasks.

    After `close`, the queue takes no further tasks.
    """

    tasks: Annotated[tuple[TaskSpec, ...], msgspec.Meta(max_length=TASKS_OF_REQUEST)] = ()
    cancel: Keys = ()
    close: bool = False


class TaskEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a task. `number` grows with each end of the queue.

    Without `error`, the task succeeded, and `result` is its pickled result. With `error`, `result`
    may be the pickled exception. `name` is that of the task, for a client that did not execute it.
    """

    number: Count
    key: Count
    error: AttemptError | None = None
    result: FreeResult | None = None
    name: Name = ""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        value = 0 if self.result is None else len(self.result.value)
        return value + (0 if self.error is None else len(self.error.detail)) + 200


class TaskEnds(msgspec.Struct, frozen=True):
    """The ends that a client has not taken yet, in order, and the state of the queue."""

    ends: Annotated[list[TaskEnd], msgspec.Meta(max_length=ENDS_OF_ANSWER)]
    state: QueueState
    words: Text = ""
    """Why the queue was killed, or why tasks wait."""


class QueueStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a queue, with its jobs: one for each kind of demand. Times are Unix seconds."""

    queue_id: Name
    name: Name
    user: Name
    state: QueueState
    submitted: Seconds
    ended: Seconds | None
    jobs: Annotated[tuple[JobStatus, ...], msgspec.Meta(max_length=10_000)]
    waiting: Count
    """Tasks that wait for other tasks."""
    unread: Count
    """Ends that the client has not taken yet."""
    open: Count = 0
    """Tasks whose ends the client will hear."""
    highest: Index = 0
    """The highest key of its tasks."""
    words: Text = ""


class QueueAnswer(msgspec.Struct, frozen=True):
    """The id of an accepted queue."""

    queue_id: Name
