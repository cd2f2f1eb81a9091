"""The interfaces by which the model reports changes: it imports neither journal nor index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.global_resources import GlobalResources
    from mrmesos.jobtracker.core.model.job import JobInProgress
    from mrmesos.jobtracker.core.model.slot import Slot
    from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress
    from mrmesos.jobtracker.core.model.tracker import Tracker


class ChangeListener(Protocol):
    """Hears of each change while an event is handled (state/journal_changes.py)."""

    def job(self, job: JobInProgress) -> None:
        """The job is new, or its state changed."""

    def attempt(self, attempt: TaskAttempt) -> None:
        """The attempt began or ended, or the output with which it won is lost."""

    def slot(self, slot: Slot) -> None:
        """The slot is new, or ending, or gone."""

    def tracker(self, tracker: Tracker) -> None:
        """The TaskTracker is new, heard for the first time, leaving, or gone."""

    def outputs(self, job: JobInProgress) -> None:
        """There is news of map outputs for the job's reduces."""


class Nobody:
    """A ChangeListener that does nothing."""

    def job(self, job: JobInProgress) -> None:
        """See ChangeListener."""

    def attempt(self, attempt: TaskAttempt) -> None:
        """See ChangeListener."""

    def slot(self, slot: Slot) -> None:
        """See ChangeListener."""

    def tracker(self, tracker: Tracker) -> None:
        """See ChangeListener."""

    def outputs(self, job: JobInProgress) -> None:
        """See ChangeListener."""


NOBODY = Nobody()


class JobListener(Protocol):
    """Hears what changed in a job: the index of waiting tasks (scheduling/job_index.py)."""

    shared: GlobalResources

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
        """The task no longer wants another attempt, neither because it is slow nor because its
        TaskTracker is silent.
        """

    def has_unheard_maps(self, job: JobInProgress) -> bool:
        """Whether a map of the job runs only on silent TaskTrackers."""
