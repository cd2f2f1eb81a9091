"""The interface by which a job reports its changes. So the model does not import scheduling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mrmesos.jobtracker.core.model.task import TaskInProgress

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.job import JobInProgress


class JobListener(Protocol):
    """Hears what changed in a job: the index of waiting tasks (scheduling/job_index.py)."""

    def add(self, job: JobInProgress) -> None:
        """The job was planned, and may run."""

    def remove(self, job: JobInProgress) -> None:
        """The job no longer runs."""

    def touch(self, job: JobInProgress) -> None:
        """Something in the job changed."""

    def want_backup(self, task: TaskInProgress, job: JobInProgress) -> None:
        """A task of the job is slow and wants a backup attempt."""

    def drop_backup(self, task: TaskInProgress) -> None:
        """The task is no longer known to be slow."""

    def no_backup(self, task: TaskInProgress) -> None:
        """The task wants no further attempt, whether it is slow or unheard."""

    def has_unheard_maps(self, job: JobInProgress) -> bool:
        """Whether a map of the job runs only on TaskTrackers that we do not hear."""
