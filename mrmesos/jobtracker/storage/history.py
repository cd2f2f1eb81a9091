"""The history's file: SQLite, with one row for each ended job.

Comes in: records (jobtracker/history/record.py). Goes out: lists of jobs, and records by job id.
Thread: any. Each call opens the file anew. So several JobTrackers and `mrmesos history` may use one
file, and the file may be replaced at any time. It uses a rollback journal and no WAL, because WAL
needs memory that all hosts share.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from mrmesos.jobtracker.history.record import HistoryRecord

FILE = "history.sqlite"
APPLICATION_ID = 0x6D724873  # "mrHs" marks our databases, for us and for the command `file`
FORMAT = 2
BUSY_SECONDS = 5.0
MAX_BODY_BYTES = 1 << 30
"""Most bytes of a record when it is unpacked. A larger one is damaged or forged."""

_TABLE = """
CREATE TABLE jobs (
    job TEXT PRIMARY KEY, name TEXT NOT NULL, user TEXT NOT NULL, state TEXT NOT NULL,
    submitted REAL NOT NULL, ended REAL NOT NULL, maps INTEGER NOT NULL, reduces INTEGER NOT NULL,
    bytes INTEGER NOT NULL, error TEXT NOT NULL, body BLOB NOT NULL
)
"""
_LINE = "job, name, user, state, submitted, ended, maps, reduces, bytes, error"
_PUT = f"INSERT OR REPLACE INTO jobs ({_LINE}, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ERROR_MAX = 500


class HistoryError(Exception):
    """The history cannot be used. The message says why."""


class HistoryDamaged(HistoryError):
    """The file is no history, or it is damaged."""


class HistoryLine(msgspec.Struct, frozen=True):
    """One job in a list. Times are Unix seconds; `bytes` is the size of its record."""

    job_id: str
    name: str
    user: str
    state: str
    submitted: float
    ended: float
    maps: int
    reduces: int
    bytes: int
    error: str
    """The message of its error; empty if it has none."""


class HistoryStore(Protocol):
    """A history: an SQLite file (History), or a file for each job (HistoryFiles). The methods are
    those of History.
    """

    place: str

    def put(self, record: HistoryRecord) -> None: ...
    def prune(self, *, max_age_seconds: float, max_bytes: int, now: float | None = None) -> int: ...
    def ids(self) -> set[str]: ...
    def lines(
        self, *, limit: int, name: str = "", user: str = "", state: str = "", text: str = ""
    ) -> list[HistoryLine]: ...
    def get(self, job_id: str) -> HistoryRecord | None: ...
    def set_aside(self) -> str: ...


def pack(record: HistoryRecord) -> bytes:
    """A record as it is kept."""
    return zlib.compress(msgspec.msgpack.encode(record), 3)


def unpack(body: bytes, what: str) -> HistoryRecord:
    """A record that was kept. Raises HistoryDamaged with `what`."""
    try:
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(body, MAX_BODY_BYTES)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise ValueError("it is not complete")
        return msgspec.msgpack.decode(content, type=HistoryRecord)
    except (zlib.error, ValueError, TypeError) as problem:
        raise HistoryDamaged(f"{what}: {problem}") from problem


class History:
    """The history in `directory`. `put` creates it (mode 0700)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / FILE
        self.place = str(self.path)

    def put(self, record: HistoryRecord) -> None:
        """Keep a record. It replaces an older record of the same job. Raises HistoryError."""
        status = record.report.status
        ended = status.ended if status.ended is not None else status.submitted
        body = pack(record)
        row = (status.job_id, status.name, status.user, status.state.value, status.submitted, ended)
        with self._open(write=True) as database:
            counts = (status.maps.total, status.reduces.total, len(body))
            error = status.error.message[:ERROR_MAX] if status.error is not None else ""
            database.execute(_PUT, (*row, *counts, error, body))

    def prune(self, *, max_age_seconds: float, max_bytes: int, now: float | None = None) -> int:
        """Forget jobs that are too old, then the oldest ones until the rest fits into `max_bytes`.

        Returns how many jobs it forgot. 0 means no limit. The job that ended last always stays.
        Raises HistoryError.
        """
        if not self.path.exists():
            return 0
        now = time.time() if now is None else now
        with self._open(write=True) as database:
            rows = database.execute(
                "SELECT job, ended, bytes FROM jobs ORDER BY ended DESC, job DESC"
            ).fetchall()
            total, gone = 0, []
            for number, (job_id, ended, size) in enumerate(rows):
                total += size
                old = max_age_seconds and now - ended > max_age_seconds
                if number and (old or (max_bytes and total > max_bytes)):
                    gone.append((job_id,))
            database.executemany("DELETE FROM jobs WHERE job = ?", gone)
        if gone:
            with self._open(write=True) as database:
                database.execute("PRAGMA incremental_vacuum").fetchall()
        return len(gone)

    def ids(self) -> set[str]:
        """The ids of all jobs. Raises HistoryError."""
        with self._open() as database:
            return {job_id for (job_id,) in database.execute("SELECT job FROM jobs")}

    def lines(
        self, *, limit: int, name: str = "", user: str = "", state: str = "", text: str = ""
    ) -> list[HistoryLine]:
        """The jobs that match, the one that ended last first. A file that does not exist has no
        jobs.

        `name` is a part of the name. `text` is a part of the name, the id, the user or the error.
        Raises HistoryError.
        """
        wanted, values = ["1"], []
        for clause, value in (
            ("instr(lower(name), lower(?))", name),
            ("instr(lower(job || ' ' || name || ' ' || user || ' ' || error), lower(?))", text),
            ("user = ?", user),
            ("state = ?", state),
        ):
            if value:
                wanted.append(clause)
                values.append(value)
        ask = f"SELECT {_LINE} FROM jobs WHERE {' AND '.join(wanted)}"
        with self._open() as database:
            rows = database.execute(
                f"{ask} ORDER BY ended DESC, job DESC LIMIT ?", (*values, limit)
            ).fetchall()
        return [HistoryLine(*row) for row in rows]

    def get(self, job_id: str) -> HistoryRecord | None:
        """The record of a job; None if there is none. Raises HistoryError."""
        with self._open() as database:
            row = database.execute("SELECT body FROM jobs WHERE job = ?", (job_id,)).fetchone()
        if row is None:
            return None
        return unpack(row[0], f"{self.path}: the record of {job_id}")

    def set_aside(self) -> str:
        """Rename a damaged file, so that a new one begins. Returns the new name. Raises OSError."""
        names = (f"{FILE}.damaged-{number}" for number in range(1, 10_000))
        name = next(name for name in names if not (self.directory / name).exists())
        self.path.rename(self.directory / name)
        with contextlib.suppress(FileNotFoundError):
            (self.directory / f"{FILE}-journal").rename(self.directory / f"{name}-journal")
        return name

    @contextlib.contextmanager
    def _open(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction. A reader of a missing file sees an empty one, and creates nothing."""
        try:
            with contextlib.closing(self._connect(write)) as database, database:
                _check(database, self.path, create=write or not self.path.exists())
                yield database
        except sqlite3.OperationalError as problem:  # busy, full, not readable
            raise HistoryError(f"{self.path}: {problem}") from problem
        except sqlite3.DatabaseError as problem:
            raise HistoryDamaged(f"{self.path}: {problem}") from problem
        except OSError as problem:
            raise HistoryError(f"{self.directory}: {problem.strerror or problem}") from problem

    def _connect(self, write: bool) -> sqlite3.Connection:
        if not write:
            where = f"{self.path.absolute().as_uri()}?mode=ro" if self.path.exists() else ":memory:"
            return sqlite3.connect(where, uri=True, timeout=BUSY_SECONDS)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600, exist_ok=True)
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS)


def _check(database: sqlite3.Connection, path: Path, *, create: bool) -> None:
    found = _pragma(database, "user_version")
    if found == FORMAT and _pragma(database, "application_id") == APPLICATION_ID:
        return
    if found or not create or _has_tables(database):
        raise HistoryDamaged(f"{path} is no history of format {FORMAT}")
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for statement in _statements():
        database.execute(statement)


def _statements() -> Sequence[str]:
    return (
        "BEGIN IMMEDIATE",
        _TABLE,
        "CREATE INDEX jobs_by_end ON jobs (ended)",
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {FORMAT}",
        "COMMIT",
    )


def _has_tables(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
