"""A journal in memory. If there is no journal file, a core that starts again restores from this.

It keeps the same records as journal.Journal, without encoding them. They are frozen structs, and
share their content with the core.
"""

from __future__ import annotations

from collections.abc import Iterable

from mrmesos.jobtracker.core.messages.journal_records import Record, WriteRecords


class MemoryJournal:
    """Only one thread may use it."""

    def __init__(self) -> None:
        self._records: dict[str, dict[tuple[str, str], Record]] = {}  # by job

    def read(self) -> list[Record]:
        """All records."""
        return [record for records in self._records.values() for record in records.values()]

    def write(self, writes: Iterable[WriteRecords]) -> None:
        """Keep all these changes."""
        jobs = self._records
        for write in writes:
            for job_id in write.drop_jobs:
                jobs.pop(job_id, None)
            for job, kind, name in write.drop:
                jobs.get(job, {}).pop((kind, name), None)
            for record in write.put:
                job, kind, name = record.filed_as
                jobs.setdefault(job, {})[kind, name] = record

    def close(self) -> None:
        """Does nothing, because no file is open."""
