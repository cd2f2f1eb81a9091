"""Who hears of changes, so that the model needs to know nothing of the journal above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.cluster import Slot, Tracker
    from mrmesos.jobtracker.core.model.job import JobInProgress
    from mrmesos.jobtracker.core.model.task import TaskAttempt


class ChangeListener(Protocol):
    """Who hears of changes while an event is handled (state/changes.py)."""

    def job(self, job: JobInProgress) -> None:
        """The job is new, or in another state."""

    def attempt(self, attempt: TaskAttempt) -> None:
        """The attempt began or ended, or what it won is no longer there."""

    def slot(self, slot: Slot) -> None:
        """The slot is new, or ending, or gone."""

    def tracker(self, tracker: Tracker) -> None:
        """The TaskTracker is new, or was heard for the first time, or leaves, or is gone."""

    def outputs(self, job: JobInProgress) -> None:
        """There is news of map outputs for the job's reduces."""


class Nobody:
    """A ChangeListener that does not care."""

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
