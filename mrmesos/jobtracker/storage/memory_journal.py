"""A journal that ends with its process: what the core starts anew from, where no file is kept.

The same records as journal.Journal keeps, as the structs that they are: they are frozen, and share
what they hold with the core.
"""

from __future__ import annotations

from collections.abc import Iterable

from mrmesos.jobtracker.core.messages.journal_records import Record, WriteRecords, key_of


class MemoryJournal:
    """Used by one thread."""

    def __init__(self) -> None:
        self._records: dict[str, dict[tuple[str, str], Record]] = {}  # by job

    def read(self) -> list[Record]:
        """Everything that is known."""
        return [record for records in self._records.values() for record in records.values()]

    def write(self, writes: Iterable[WriteRecords]) -> None:
        """All of it."""
        jobs = self._records
        for write in writes:
            for job_id in write.drop_jobs:
                jobs.pop(job_id, None)
            for job, kind, name in write.drop:
                jobs.get(job, {}).pop((kind, name), None)
            for record in write.put:
                job, kind, name = key_of(record)
                jobs.setdefault(job, {})[kind, name] = record

    def close(self) -> None:
        """Nothing is open."""
