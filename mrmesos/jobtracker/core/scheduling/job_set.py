"""JobSet: a set of running jobs as one integer with one bit for each job.

With many jobs, an operation on such integers costs a fraction of one on Python's sets. At run time
a JobSet is a plain `int`. For mypy it is a type of its own, so that a count, an index or a mask of
something else is never taken for a set of jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:

    class JobSet:
        """The operations of `int` that make sense for sets. A job's bit is the set of this job."""

        def __init__(self, bits: int) -> None: ...
        def __or__(self, other: JobSet) -> JobSet: ...
        def __and__(self, other: JobSet) -> JobSet: ...
        def __xor__(self, other: JobSet) -> JobSet: ...
        def __invert__(self) -> JobSet: ...
        def __bool__(self) -> bool: ...
        def __neg__(self) -> JobSet:
            """For the lowest bit: `jobs & -jobs`."""

        def __sub__(self, one: int) -> JobSet:
            """For the jobs with lower bits: `bit - 1`."""

        def bit_length(self) -> int:
            """For a bit's number: `bit.bit_length() - 1`."""

else:
    JobSet = int

NO_JOBS, EVERY_JOB = JobSet(0), JobSet(-1)
"""The empty set, and the set of all jobs: every bit is set."""
