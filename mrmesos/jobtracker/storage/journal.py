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

Nothing in it is believed unchecked: SQLite keeps no checksums of a database, and forgets what a
damaged log held. Each row has one (journal_rows.py), the row in `owner` tells how many rows there
are and the sum of their checksums, and the last commit's number is kept beside (commit_number.py).
A journal that fails is not written to. `accept_loss` saves what can be read into a new one.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mrmesos.jobtracker.core.messages.journal_records import FORMAT, Record, WriteRecords, key_of
from mrmesos.jobtracker.storage import journal_salvage as salvage
from mrmesos.jobtracker.storage.commit_number import Acknowledged, CommitNumber
from mrmesos.jobtracker.storage.journal_errors import (
    JournalDamaged,
    JournalError,
    JournalInUse,
    JournalLost,
)
from mrmesos.jobtracker.storage.journal_rows import COPIED, COPY, FoundRows, checksum, read_rows
from mrmesos.wire.ids import is_sha256

logger = logging.getLogger(__name__)

FILE = salvage.FILE
CODE = "code"
"""The directory beside it with code and files of jobs (code_store.py)."""
APPLICATION_ID = 0x6D724A54  # "mrJT": what `file` and we know such a database by
WAL_BYTES = 64 << 20
"""The write-ahead log is cut back to this once it was copied into the database."""
FREE_PAGES = 512
"""Pages given back to the filesystem at a time, as jobs are dropped."""

_TABLES = """
CREATE TABLE records (
    job TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY (job, kind, name)
) WITHOUT ROWID
"""
_OWNER = """
CREATE TABLE owner (
    token BLOB NOT NULL, commits INTEGER NOT NULL, rows INTEGER NOT NULL, sum INTEGER NOT NULL
)
"""
_ONE = "WHERE job = ? AND kind = ? AND name = ?"
# Whole statements: one that is put together for each call costs a microsecond to be found again.
_SUM = f"SELECT sum FROM records {_ONE}"
_PUT = "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)"
_DROP = f"DELETE FROM records {_ONE}"
_SUM_OF_JOB = "SELECT count(*), coalesce(sum(sum), 0) FROM records WHERE job = ?"
_DROP_JOB = "DELETE FROM records WHERE job = ?"
_COUNT = "UPDATE owner SET commits = ?, rows = ?, sum = ? WHERE token = ?"
_ALL = "SELECT job, kind, name, body, sum FROM records ORDER BY job, kind, name"


class Journal:
    """The journal in `directory`, which is made (mode 0700) where it is missing."""

    def __init__(self, directory: Path, *, shared: bool = False, accept_loss: bool = False) -> None:
        """Raises JournalError: not ours alone, in use, of another format, or damaged.

        With `accept_loss` a damaged one is set aside, and what can be read of it goes on.
        """
        self.path = directory / FILE
        self.found = FoundRows()
        """What was there; whoever uses it empties it."""
        self._directory, self._shared = directory, shared
        self._token = secrets.token_bytes(16)
        self._commits = self._rows = self._sum = self._synced = 0
        self._number = CommitNumber(directory)
        self._encoder = msgspec.msgpack.Encoder()
        self._database: sqlite3.Connection | None = None
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
        try:
            self._connect()
        except JournalDamaged as problem:
            if not accept_loss:
                raise
            self._begin_again(problem)

    def _begin_again(self, problem: JournalDamaged) -> None:
        """Set the damaged journal aside; its readable records begin a new one."""
        saved, where = salvage.set_aside(self._directory)
        logger.warning("%s", problem)
        logger.warning(
            "the loss is accepted: %d records were saved, and the old journal is now %s",
            len(saved.records),
            where,
        )
        self._connect(new=True)
        self.write([WriteRecords(tuple(saved.records), sync=True)])
        self.found = saved

    def _connect(self, *, new: bool = False) -> None:
        """Open and check it; `new`: whatever else lies there, this one is to be empty."""
        try:
            # isolation_level None: transactions begin and end where we say so.
            self._database = sqlite3.connect(
                self.path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            self._open(self._database, new=new)
        except sqlite3.Error as problem:
            if "locked" in str(problem):
                self.close()
                raise JournalInUse(f"{self.path}: another JobTracker uses it") from problem
            self._keep_log()
            self.close()
            raise JournalDamaged(f"{self.path}: it cannot be read: {problem}") from problem
        except JournalDamaged:
            self._keep_log()
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    def _keep_log(self) -> None:
        """SQLite removes the log as it closes, with what it did not believe."""
        salvage.keep_log(self._directory)

    def _open(self, database: sqlite3.Connection, *, new: bool) -> None:
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
        known = None if new else self._number.read()
        found = _pragma(database, "user_version")
        if found == 0:
            if not new:
                self._check_new(known)
            for statement in (_TABLES, _OWNER):
                database.execute(statement)
            database.execute("INSERT INTO owner VALUES (x'', 0, 0, 0)")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {FORMAT}")
        elif _pragma(database, "application_id") != APPLICATION_ID:
            raise JournalError(
                f"{self.path} is a database of somebody else, or damaged; move it away to begin "
                "anew, which forgets its jobs"
            )
        elif found == 2:
            _upgrade(database)
        elif found != FORMAT:
            raise JournalError(
                f"{self.path} has format {found}, and this mrmesos writes {FORMAT}: start the "
                "release that wrote it, or move the journal away, which forgets its jobs"
            )
        else:
            self._check_commits(database, known)
        self._check_rows(database)
        self._take_over(database, known)

    def _check_new(self, known: Acknowledged | None) -> None:
        """Raise JournalDamaged where an empty journal is what is left of another."""
        if known is not None and known.least(self._number.boot):
            raise JournalDamaged(f"{self.path} is empty or gone, and commit {known.last} was made")
        code = self._directory / CODE
        files = sum(is_sha256(path.name) for path in code.iterdir()) if code.is_dir() else 0
        if files:
            raise JournalDamaged(
                f"{self.path} is empty or gone, and {code} has {files} files of its jobs"
            )

    def _check_commits(self, database: sqlite3.Connection, known: Acknowledged | None) -> None:
        row = database.execute("SELECT commits, rows, sum FROM owner").fetchone()
        if row is None or not all(isinstance(number, int) for number in row):
            raise JournalDamaged(f"{self.path}: the row that counts its commits is damaged")
        self._commits, self._rows, self._sum = row
        if known is None:
            raise JournalDamaged(
                f"{self._number.path}, which holds the number of the last commit, is gone"
            )
        if self._commits < known.least(self._number.boot):
            raise JournalDamaged(
                f"{self.path} ends with commit {self._commits}, and {known.last} were acknowledged "
                f"({known.synced} of them for good)"
            )
        if self._commits < known.last:
            logger.warning(
                "the last %d commits went with the power of the machine: what attempts and slots "
                "did in them is found out anew",
                known.last - self._commits,
            )
        rows, total = database.execute("SELECT count(*), sum(sum) FROM records").fetchone()
        if (rows, total or 0) != (self._rows, self._sum):
            raise JournalDamaged(
                f"{self.path} holds {rows} records, and not the {self._rows} that were written"
            )

    def _check_rows(self, database: sqlite3.Connection) -> None:
        (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise JournalDamaged(f"{self.path}: {' '.join(str(said).split())}")
        self.found = read_rows(database.execute(_ALL))
        if (why := salvage.unusable(self.found)) is not None:
            raise JournalDamaged(f"{self.path}: {why}")
        self._rows, self._sum = database.execute(
            "SELECT count(*), coalesce(sum(sum), 0) FROM records"
        ).fetchone()

    def _take_over(self, database: sqlite3.Connection, known: Acknowledged | None) -> None:
        """From here on nobody else can write, so what was read is the last word."""
        self._commits = max(self._commits, known.last if known is not None else 0) + 1
        if known is None:  # it must not be missed where the first commits are on the disk
            self._number.write(0, 0)
            self._number.sync()
        self._synced = known.synced if known is not None else 0
        if self._shared:
            self._synced = self._commits
        database.execute("UPDATE owner SET token = ?", (self._token,))
        self._count(database, (self._commits, self._rows, self._sum))
        database.execute("COMMIT")
        self._number.write(self._commits, self._synced)

    @staticmethod
    def _sync(database: sqlite3.Connection, full: bool) -> None:
        database.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")

    def read(self) -> list[Record]:
        """All records that are to be believed, by key. Raises JournalError."""
        try:
            return read_rows(self._opened().execute(_ALL)).records
        except sqlite3.Error as problem:
            raise JournalDamaged(f"{self.path} cannot be read: {problem}") from problem

    def write(self, writes: Iterable[WriteRecords]) -> None:
        """Write it all, or nothing. Raises JournalError; it may then be tried again. JournalLost is
        for good.
        """
        database = self._opened()
        writes = list(writes)
        sync = self._shared or any(write.sync for write in writes)
        switch = sync and not self._shared
        try:
            if switch:
                self._sync(database, full=True)
            database.execute("BEGIN IMMEDIATE")
            try:
                state = self._write(database, writes)
                self._count(database, state)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            finally:
                if switch:
                    self._sync(database, full=False)
            self._commits, self._rows, self._sum = state
            self._synced = self._commits if sync else self._synced
            self._number.write(self._commits, self._synced)
            if any(write.drop_jobs for write in writes):
                database.execute(f"PRAGMA incremental_vacuum({FREE_PAGES})").fetchall()
        except sqlite3.Error as problem:
            raise JournalError(f"{self.path} cannot be written: {problem}") from problem

    def _count(self, database: sqlite3.Connection, state: tuple[int, int, int]) -> None:
        """Write what there is by now; raises JournalLost where another is the owner by now."""
        done = database.execute(_COUNT, (*state, self._token))
        if done.rowcount != 1:
            raise JournalLost(f"{self.path}: another JobTracker has taken it over")

    def _write(
        self, database: sqlite3.Connection, writes: Iterable[WriteRecords]
    ) -> tuple[int, int, int]:
        """Make the changes; the number of this commit, the rows there are then, and their sum."""
        rows, total, encode = self._rows, self._sum, self._encoder.encode
        execute = database.cursor().execute
        for write in writes:
            for job_id in write.drop_jobs:
                count, of_job = execute(_SUM_OF_JOB, (job_id,)).fetchone()
                rows, total = rows - count, total - of_job
                execute(_DROP_JOB, (job_id,))
            for key in write.drop:
                old = execute(_SUM, key).fetchone()
                if old is not None:
                    rows, total = rows - 1, total - old[0]
                    execute(_DROP, key)
            for record in write.put:
                key, body = key_of(record), encode(record)
                keys = (key, key._replace(name=COPY)) if key.kind in COPIED else (key,)
                for job, kind, name in keys:
                    check = checksum(job, kind, name, body)
                    old = execute(_SUM, (job, kind, name)).fetchone()
                    if old is None:
                        rows, total = rows + 1, total + check
                    else:
                        total += check - old[0]
                    execute(_PUT, (job, kind, name, body, check))
        return self._commits + 1, rows, total

    def close(self) -> None:
        """Copy the log into the database, and let others at it."""
        self._number.close()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise JournalError(f"{self.path} is closed")
        return self._database


def _upgrade(database: sqlite3.Connection) -> None:
    """Format 2 had neither checksums nor counts: what is there is taken as it is."""
    database.execute("ALTER TABLE records ADD COLUMN sum INTEGER NOT NULL DEFAULT 0")
    keys = database.execute("SELECT job, kind, name FROM records").fetchall()
    for job, kind, name in keys:
        key = (job, kind, name)
        (body,) = database.execute(f"SELECT body FROM records {_ONE}", key).fetchone()
        check = checksum(job, kind, name, body)
        database.execute(f"UPDATE records SET sum = ? {_ONE}", (check, *key))
    database.execute("DROP TABLE IF EXISTS owner")
    database.execute(_OWNER)
    database.execute("INSERT INTO owner VALUES (x'', 0, 0, 0)")
    database.execute(f"PRAGMA user_version = {FORMAT}")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
