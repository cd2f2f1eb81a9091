"""Ids as Hadoop writes them (org.apache.hadoop.mapreduce.JobID, TaskID, TaskAttemptID).

job_202611201130476208_0001
task_202611201130476208_0001_m_000003
attempt_202611201130476208_0001_m_000003_0

A chain of jobs has an id of its own: chain_202611201130476208_0001. A queue of free tasks has one,
too: queue_202611201130476208_0001. Attempts of free tasks are
attempt_202611201130476208_0001_t_000003_0.

The first number is the stamp of the JobTracker: when it started, and four random digits. Hadoop's
JobTracker stamps the minute only, so two local runs of one minute would have the same ids.
"""

from __future__ import annotations

import calendar
import re
import time
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

import msgspec

_ATTEMPT = re.compile(r"attempt_(\d+)_(\d+)_([mrt])_(\d+)_(\d+)")
_OF_JOB = re.compile(r"(job|task|attempt)_(\d+_\d+)(_[mrt]_\d+)?(_\d+)?")
_JOB = re.compile(r"job_\d{1,32}_\d{1,32}")
_CHAIN = re.compile(r"chain_\d{1,32}_\d{1,32}")
_QUEUE = re.compile(r"queue_\d{1,32}_\d{1,32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SECOND = "%Y%m%d%H%M%S"

_ID_PARTS = {("job", False, False), ("task", True, False), ("attempt", True, True)}

STAMP_SALTS = 10_000
"""Number of different salts of a stamp."""

# Kinds of names that the JobTracker's core must not mix up. For example, an agent has an id of
# Mesos and the name of its host, and a split names only hosts. Messages carry plain strings. The
# core gives a name its kind when it takes the name out of a message, and mypy follows the kind from
# there. At run time, all are `str`.
if TYPE_CHECKING:
    AgentId = NewType("AgentId", str)
    HostName = NewType("HostName", str)
    TrackerId = NewType("TrackerId", str)
    SlotId = NewType("SlotId", str)
else:
    AgentId = HostName = TrackerId = SlotId = str


class TaskKind(StrEnum):
    """Map, reduce, or free task. A job has maps and reduces, or it has free tasks instead of
    maps.
    """

    MAP = "map"
    REDUCE = "reduce"
    FREE = "task"

    @property
    def letter(self) -> str:
        """`m`, `r` or `t`, as in ids and in `part-r-00000`."""
        return self[0]  # `self.value` would call Python code

    @property
    def plural(self) -> str:
        """`MAPS`, `REDUCES` or `TASKS`, as in names of counters."""
        return f"{self.upper()}S"


SETS = (TaskKind.MAP, TaskKind.REDUCE)
"""The two lists of tasks of a job. Free tasks are in the first one."""
_KINDS = {kind.letter: kind for kind in TaskKind}


class AttemptName(msgspec.Struct, frozen=True):
    """The parts of an attempt id."""

    job_id: str
    kind: TaskKind
    index: int
    number: int

    @property
    def task_id(self) -> str:
        """The id of the attempt's task."""
        return task_id(self.job_id, self.kind, self.index)


def cluster_stamp(now: float, salt: int) -> str:
    """The part of job ids that differs between runs of JobTrackers: UTC to the second, and `salt`.

    `salt` is below STAMP_SALTS. It tells apart JobTrackers that start in the same second.
    """
    return f"{time.strftime(_SECOND, time.gmtime(now))}{salt:04d}"


def stamped_at(stamp: str) -> float:
    """The time of a stamp, as Unix seconds. Earlier releases wrote only the minute."""
    second = stamp[:14].ljust(14, "0")
    return float(calendar.timegm(time.strptime(second, _SECOND)))


def job_id(stamp: str, number: int) -> str:
    """`job_202611201130476208_0001` for stamp `202611201130476208` and number 1."""
    return f"job_{stamp}_{number:04d}"


def task_id(job: str, kind: TaskKind, index: int) -> str:
    """The id of a job's task."""
    return f"task_{job.removeprefix('job_')}_{kind.letter}_{index:06d}"


def attempt_id(job: str, kind: TaskKind, index: int, number: int) -> str:
    """The id of one try at a task; `number` counts from 0."""
    return f"attempt_{job.removeprefix('job_')}_{kind.letter}_{index:06d}_{number}"


def is_job_id(text: str) -> bool:
    """Whether a text is a job id of bounded length. Then it is safe as the name of a directory."""
    return _JOB.fullmatch(text) is not None


def chain_id(stamp: str, number: int) -> str:
    """`chain_202611201130476208_0001` for stamp `202611201130476208` and number 1."""
    return f"chain_{stamp}_{number:04d}"


def is_chain_id(text: str) -> bool:
    """Whether a text is the id of a chain."""
    return _CHAIN.fullmatch(text) is not None


def queue_id(stamp: str, number: int) -> str:
    """`queue_202611201130476208_0001` for stamp `202611201130476208` and number 1."""
    return f"queue_{stamp}_{number:04d}"


def is_queue_id(text: str) -> bool:
    """Whether a text is the id of a queue of free tasks."""
    return _QUEUE.fullmatch(text) is not None


def parse_attempt(text: str) -> AttemptName:
    """Parse an attempt id. Raises ValueError."""
    match = _ATTEMPT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not an attempt id such as attempt_202611201130476208_0001_m_000003_0"
        )
    stamp, number, letter, index, attempt = match.groups()
    return AttemptName(f"job_{stamp}_{number}", _KINDS[letter], int(index), int(attempt))


def named_attempts(text: str) -> tuple[str, str]:
    """Two parts of a job, task or attempt id: its job, and the beginning of its attempts' ids.

    Raises ValueError.
    """
    match = _OF_JOB.fullmatch(text)
    parts = (match[1], match[3] is not None, match[4] is not None) if match else ()
    if match is None or parts not in _ID_PARTS:
        raise ValueError(
            f"{text!r} is not an id of a job, task or attempt, such as job_202611201130476208_0001"
        )
    begin = f"attempt_{match[2]}{match[3] or ''}"
    return f"job_{match[2]}", text if match[1] == "attempt" else f"{begin}_"


def is_sha256(text: str) -> bool:
    """Whether `text` is a SHA-256 in hex digits, which identifies code and files."""
    return _SHA256.fullmatch(text) is not None
