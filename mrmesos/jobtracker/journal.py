"""The journal's file: SQLite, one table of records by key.

Used by one thread, of one process, and a write is one transaction. There are two ways to keep it.

*Alone*, in WAL mode: the file is locked for as long as the process lives, and another JobTracker is
refused. A write survives the end of the process at once; that of the machine only where `sync`
was asked for, or once a later write was synced or the file checkpointed. So work may be lost with
the machine's power, but never the order of what was written.

*Shared*, by JobTrackers on several hosts of which one is elected: WAL needs memory that all share,
so a rollback journal takes its place, every write is synced, and the file is locked for the time of
a write only. Who opens it owns it from then on, and each write first looks whether it still does,
in its transaction: a leader that was deposed without knowing, as it was stopped for a minute, say,
can change nothing any more, and cannot keep the next from beginning.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mrmesos.jobtracker.records import FORMAT, KINDS, Record, WriteRecords, key_of

FILE = "journal.sqlite"
APPLICATION_ID = 0x6D724A54  # "mrJT": what `file` and we know such a database by
WAL_BYTES = 64 << 20
"""The write-ahead log is cut back to this once it was copied into the database."""
FREE_PAGES = 512
"""Pages given back to the filesystem at a time, as jobs are dropped."""

_TABLES = """
CREATE TABLE records (
    job TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (job, kind, name)
) WITHOUT ROWID;
"""


class JournalError(ValueError):
    """The journal cannot be used; the message names its path and says why."""


class JournalInUse(JournalError):
    """Another process uses it; once that has ended, it can be opened."""


class JournalLost(JournalError):
    """Another JobTracker has opened it since: this one can write no more."""


class Journal:
    """The journal in `directory`, which is made (mode 0700) where it is missing."""

    def __init__(self, directory: Path, *, shared: bool = False) -> None:
        """Raises JournalError: not ours alone, in use, of another format, or damaged."""
        self.path = directory / FILE
        self._shared = shared
        self._token = secrets.token_bytes(16)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = directory.stat().st_mode & 0o777
        except OSError as problem:
            raise JournalError(f"{directory}: {problem.strerror or problem}") from problem
        if mode & 0o077:
            raise JournalError(
                f"{directory} has mode {mode:o}, and a journal holds what lets others into jobs; "
                "make it 700"
            )
        self._encoder = msgspec.msgpack.Encoder()
        self._database: sqlite3.Connection | None = None
        try:
            # isolation_level None: transactions begin and end where we say so.
            self._database = sqlite3.connect(
                self.path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            self._open(self._database)
        except sqlite3.Error as problem:
            self.close()
            if "locked" in str(problem):
                raise JournalInUse(f"{self.path}: another JobTracker uses it") from problem
            raise JournalError(f"{self.path}: it cannot be read: {problem}") from problem
        except BaseException:
            self.close()
            raise

    def _open(self, database: sqlite3.Connection) -> None:
        # Before anything is read: the lock is kept until we end, however we end. Also where it will
        # be shared, as it may be in WAL mode until now, and that is not to be read by several.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute(f"PRAGMA journal_mode = {'PERSIST' if self._shared else 'WAL'}")
        if self._shared:
            database.execute("PRAGMA locking_mode = NORMAL")
        database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        self._sync(database, self._shared)
        database.execute("BEGIN IMMEDIATE")
        found = _pragma(database, "user_version")
        if found == 0:
            for statement in filter(str.strip, _TABLES.split(";")):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {FORMAT}")
        elif _pragma(database, "application_id") != APPLICATION_ID:
            raise JournalError(f"{self.path} is a database of somebody else")
        elif found != FORMAT:
            raise JournalError(
                f"{self.path} has format {found}, and this mrmesos writes {FORMAT}: start the "
                "release that wrote it, or remove the journal, which forgets its jobs"
            )
        # From here on nobody else can write, so what `read` finds is the last word.
        database.execute("CREATE TABLE IF NOT EXISTS owner (token BLOB NOT NULL)")
        database.execute("DELETE FROM owner")
        database.execute("INSERT INTO owner VALUES (?)", (self._token,))
        database.execute("COMMIT")

    @staticmethod
    def _sync(database: sqlite3.Connection, full: bool) -> None:
        database.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")

    def read(self) -> list[Record]:
        """All records, by key. Raises JournalError where one makes no sense."""
        decoders = {kind: msgspec.msgpack.Decoder(type_) for kind, type_ in KINDS.items()}
        records: list[Record] = []
        try:
            for job, kind, name, body in self._opened().execute(
                "SELECT job, kind, name, body FROM records ORDER BY job, kind, name"
            ):
                try:
                    records.append(decoders[kind].decode(body))
                except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as problem:
                    where = f"{self.path}: the record {kind} {job} {name}"
                    raise JournalError(f"{where} makes no sense: {problem}") from problem
        except sqlite3.Error as problem:
            raise JournalError(f"{self.path} cannot be read: {problem}") from problem
        return records

    def write(self, writes: Iterable[WriteRecords]) -> None:
        """Write it all, or nothing. Raises JournalError; it may then be tried again. JournalLost is
        for good.
        """
        database = self._opened()
        writes = list(writes)
        sync = not self._shared and any(write.sync for write in writes)
        try:
            if sync:
                self._sync(database, full=True)
            database.execute("BEGIN IMMEDIATE")
            try:
                self._check_owner(database)
                dropped = self._write(database, writes)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            finally:
                if sync:
                    self._sync(database, full=False)
            if dropped:
                database.execute(f"PRAGMA incremental_vacuum({FREE_PAGES})").fetchall()
        except sqlite3.Error as problem:
            raise JournalError(f"{self.path} cannot be written: {problem}") from problem

    def _check_owner(self, database: sqlite3.Connection) -> None:
        if database.execute("SELECT token FROM owner").fetchone() != (self._token,):
            raise JournalLost(f"{self.path}: another JobTracker has taken it over")

    def _write(self, database: sqlite3.Connection, writes: Iterable[WriteRecords]) -> bool:
        dropped, encode = False, self._encoder.encode
        for write in writes:
            for job_id in write.drop_jobs:
                database.execute("DELETE FROM records WHERE job = ?", (job_id,))
                dropped = True
            for key in write.drop:
                database.execute("DELETE FROM records WHERE job = ? AND kind = ? AND name = ?", key)
            for record in write.put:
                database.execute(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
                    (*key_of(record), encode(record)),
                )
        return dropped

    def close(self) -> None:
        """Copy the log into the database, and let others at it."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise JournalError(f"{self.path} is closed")
        return self._database


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
