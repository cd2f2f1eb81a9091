"""What a job tells of itself; so the model needs to know nothing of the scheduling above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mrmesos.jobtracker.core.model.task import TaskInProgress

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.job import JobInProgress


class JobListener(Protocol):
    """Who is told what of a job changed: the index of waiting tasks (scheduling/job_index.py)."""

    def add(self, job: JobInProgress) -> None:
        """The job was planned, and may run."""

    def remove(self, job: JobInProgress) -> None:
        """The job runs no more."""

    def touch(self, job: JobInProgress) -> None:
        """Something of the job changed."""

    def want_backup(self, task: TaskInProgress, job: JobInProgress) -> None:
        """A task of the job is slow; another attempt of it is wanted."""

    def drop_backup(self, task: TaskInProgress) -> None:
        """The task is not slow, as far as is known."""

    def no_backup(self, task: TaskInProgress) -> None:
        """No further attempt of the task is wanted, whatever for."""

    def has_unheard_maps(self, job: JobInProgress) -> bool:
        """Whether a map of the job runs only where nobody is heard."""
