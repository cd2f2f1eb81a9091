"""Saves the readable part of a damaged journal, for a start that accepts the loss of the rest."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mrmesos.jobtracker.core.messages.journal_records import (
    FrameworkRecord,
    Key,
    LifeRecord,
    Record,
    SlotRecord,
    TrackerRecord,
)
from mrmesos.jobtracker.storage.commit_number import FILE as NUMBER_FILE
from mrmesos.jobtracker.storage.directory_sync import sync_directory
from mrmesos.jobtracker.storage.journal_rows import (
    COPIED,
    DamagedRows,
    FoundRows,
    Row,
    checksum,
    read_rows,
)

logger = logging.getLogger(__name__)

FILE = "journal.sqlite"
_LOG = f"{FILE}-wal"
_PARTS = (FILE, _LOG, f"{_LOG}.refused", f"{FILE}-shm", f"{FILE}-journal", NUMBER_FILE)
_BACKWARDS = "ORDER BY job DESC, kind DESC, name DESC"
_OWN = frozenset({"job", "ended", "chain", "chain_ended", "queue", "queue_ended"})
"""Kinds of records that say what a job, a chain or a queue of free tasks is."""
_OF_JOBS = _OWN | {"plan", "tally", "attempt", "free_task", "task_end"}
"""These, and the kinds of their parts."""


def unusable(found: FoundRows) -> str | None:
    """Why no start may use these rows unless the loss is accepted. None if it may.

    A damaged row of a job, a chain or a queue costs only that. A damaged row of a slot or a
    TaskTracker costs only the attempts that ran there; one of a notice, only that notice.
    """
    jobs = {record.filed_as.job for record in found.records if record.filed_as.kind in _OWN}
    jobs |= {one.key.job for one in found.damaged if one.key.kind in _OWN}
    for one in found.damaged:
        if one.key.kind in COPIED:
            return f"{one.why}, and its copy, too"
        if one.key.kind in _OF_JOBS and one.key.job not in jobs:
            return f"{one.why}, and no job of that name is there"
        if one.key.kind not in _OF_JOBS and one.key.kind not in ("tracker", "slot", "notice"):
            return f"{one.why}, and nobody knows what it was"
    return None


def keep_log(directory: Path) -> None:
    """Keep the write-ahead log under another name, once, so that somebody can examine it."""
    kept = directory / f"{_LOG}.refused"
    with contextlib.suppress(OSError):  # no log, already kept, or no hard links on this filesystem
        kept.hardlink_to(directory / _LOG)


def set_aside(directory: Path) -> tuple[FoundRows, str]:
    """Read what can be read, and rename the files. Returns what was read, and the new name."""
    found = read_rows(_rows(directory / FILE))
    _disown(directory / FILE)
    if not any(isinstance(record, LifeRecord) for record in found.records):
        # The names, numbers and keys of everything that runs depend on this record.
        found = FoundRows()
    _drop_lost(found)
    number = next(n for n in range(1, 10_000) if not (directory / f"{FILE}.lost-{n}").exists())
    for part in _PARTS:
        with contextlib.suppress(FileNotFoundError):
            (directory / part).rename(directory / f"{part}.lost-{number}")
    sync_directory(directory)
    found.repaired.clear()  # the new journal has every record under its own key
    return found, f"{FILE}.lost-{number}"


def _disown(path: Path) -> None:
    """Stop another leader that still has the file open. It must not go on writing there."""
    with contextlib.suppress(sqlite3.Error):  # too damaged, also for the other leader
        database = sqlite3.connect(path, timeout=1.0)
        with contextlib.closing(database), database:
            database.execute("DELETE FROM owner")


def _drop_lost(found: FoundRows) -> None:
    """Drop records that are useless without others: slots and TaskTrackers without the framework's
    id, and parts of jobs, chains and queues whose own record is gone. These are noted as damaged.
    """
    if not any(isinstance(record, FrameworkRecord) for record in found.records):
        found.records = [r for r in found.records if not isinstance(r, TrackerRecord | SlotRecord)]
    whole = {r.filed_as.job for r in found.records if r.filed_as.kind in _OWN}
    parts = {record.filed_as.job for record in found.records} - whole - {""}
    damaged = {one.key.job for one in found.damaged}
    for job_id in sorted(parts - damaged):
        found.damaged.append(
            DamagedRows(Key(job_id, "job", ""), f"the record job {job_id} is gone")
        )
    found.records = [record for record in found.records if _is_whole(record, parts)]


def _is_whole(record: Record, parts: set[str]) -> bool:
    return record.filed_as.job not in parts


def _rows(path: Path) -> Iterator[Row]:
    """The rows, each once: as they lie in the table, then by their keys from both ends. Each way
    ends at the damage.
    """
    seen: set[Key] = set()
    for way in ("NOT INDEXED", "ORDER BY job, kind, name", _BACKWARDS):
        statement = f"SELECT * FROM records {way}"
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=1.0)) as database:
                database.text_factory = lambda text: text.decode("utf-8", "replace")
                for row in database.execute(statement):
                    key = Key(*(str(part) for part in row[:3]))
                    if key not in seen:
                        seen.add(key)
                        unchecked = len(row) == 4 and isinstance(row[3], bytes)  # of format 2
                        yield (*key, row[3], checksum(*key, row[3]) if unchecked else row[-1])
        except sqlite3.Error as problem:
            logger.warning("%s: reading %s ends with %s", path, way, problem)
