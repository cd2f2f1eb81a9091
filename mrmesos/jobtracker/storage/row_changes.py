"""The rows that one transaction of the journal changes, in as few SQL statements as possible.

Comes in: records to put and keys to drop, in order. Goes out: SQL, and the new number of rows and
the sum of their checksums. Thread: the core thread.

Of several records with the same key, only the last one is written. Each SQL statement releases
Python's lock, and then the HTTP server's thread often takes it. So one statement has many rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from mrmesos.jobtracker.core.messages.journal_records import Record, WriteRecords
from mrmesos.jobtracker.storage.journal_rows import COPIED, COPY, checksum

_SIZES = (64, 8, 1)
"""Rows in one statement. SQLite before 3.32 takes at most 999 values, and a row has five."""
_KEY = "(job = ? AND kind = ? AND name = ?)"
_ROW = "(?, ?, ?, ?, ?)"
# Whole texts, because sqlite3 finds a prepared statement by its text.
_PUT = {n: f"INSERT OR REPLACE INTO records VALUES {', '.join([_ROW] * n)}" for n in _SIZES}
_SUM = {  # with OR, SQLite looks up each key; with IN it would read the whole table
    n: f"SELECT count(*), coalesce(sum(sum), 0) FROM records WHERE {' OR '.join([_KEY] * n)}"
    for n in _SIZES
}
_DROP = {n: f"DELETE FROM records WHERE {' OR '.join([_KEY] * n)}" for n in _SIZES}
_SUM_OF_JOB = "SELECT count(*), coalesce(sum(sum), 0) FROM records WHERE job = ?"
_DROP_JOB = "DELETE FROM records WHERE job = ?"

_Key = tuple[str, str, str]


class RowCount(NamedTuple):
    """The number of rows, and the sum of their checksums."""

    rows: int
    sum: int


def apply_writes(
    database: sqlite3.Connection,
    writes: Iterable[WriteRecords],
    before: RowCount,
    encode: Callable[[Record], bytes],
) -> RowCount:
    """Make the changes, in a transaction of the caller. Returns the counts after them."""
    changes = _Changes(database.cursor(), before)
    for write in writes:
        for job_id in write.drop_jobs:
            changes.drop_job(job_id)
        for key in write.drop:
            changes.drop(key)
        for record in write.put:
            changes.put(record, encode(record))
    changes.flush()
    return RowCount(changes.rows, changes.sum)


class _Changes:
    """Puts and drops that are not yet in the database."""

    def __init__(self, cursor: sqlite3.Cursor, before: RowCount) -> None:
        self._execute = cursor.execute
        self.rows, self.sum = before
        self._bodies: dict[_Key, bytes] = {}
        self._dropped: dict[_Key, None] = {}

    def put(self, record: Record, body: bytes) -> None:
        key = record.filed_as
        self._bodies[key] = body
        self._dropped.pop(key, None)
        if key.kind in COPIED:
            self._bodies[key._replace(name=COPY)] = body

    def drop(self, key: _Key) -> None:
        self._bodies.pop(key, None)
        self._dropped[key] = None

    def drop_job(self, job_id: str) -> None:
        self.flush()
        rows, of_job = self._execute(_SUM_OF_JOB, (job_id,)).fetchone()
        self.rows, self.sum = self.rows - rows, self.sum - of_job
        self._execute(_DROP_JOB, (job_id,))

    def flush(self) -> None:
        for keys in _pieces(list(self._dropped)):
            self._forget(keys)
            self._execute(_DROP[len(keys)], _flat(keys))
        for items in _pieces(list(self._bodies.items())):
            self._forget([key for key, _ in items])
            values: list[Any] = []
            for key, body in items:
                check = checksum(key[0], key[1], key[2], body)
                self.sum += check
                values += (*key, body, check)
            self.rows += len(items)
            self._execute(_PUT[len(items)], values)
        self._dropped.clear()
        self._bodies.clear()

    def _forget(self, keys: Sequence[_Key]) -> None:
        """Subtract the rows that these keys have now from the counts."""
        rows, total = self._execute(_SUM[len(keys)], _flat(keys)).fetchone()
        self.rows, self.sum = self.rows - rows, self.sum - total


def _flat(keys: Iterable[_Key]) -> list[str]:
    return list(chain.from_iterable(keys))


def _pieces(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Cut items into pieces of the lengths in _SIZES."""
    start = 0
    for size in _SIZES:
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size
