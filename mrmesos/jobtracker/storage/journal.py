"""The journal's file: SQLite, with one table of records by key.

Comes in: WriteRecords; each `write` is one transaction. Goes out: at a start, the records. Thread:
the core thread. There are two modes.

*Alone*, in WAL mode: one process holds the file's lock as long as it lives, and another JobTracker
is refused. A write survives a crash of the process at once. It survives a crash of the machine if
`sync` was asked for, or after a later write was synced or SQLite made a checkpoint. So a power loss
may lose the last writes, but it never changes their order.

*Shared*, by JobTrackers on several hosts, one of which is elected: WAL needs memory that all
processes share, so we use a rollback journal instead. Every write is synced, and the file is locked
only during a write. The JobTracker that opens the file owns it from then on. Each write checks, in
its transaction, that it still owns the file. So a leader that was deposed without noticing (because
it was stopped for a minute, for example) can change nothing, and cannot block the next leader.

We check everything that we read, because SQLite keeps no checksums of a database, and silently
drops a damaged log. Each row has a checksum (journal_rows.py). The row in `owner` has the number of
rows and the sum of their checksums. The number of the last commit is in a file beside the journal
(commit_number.py). A journal that fails a check is not written to. With `accept_loss`, the readable
records are saved into a new journal.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mrmesos.jobtracker.core.messages.journal_records import FORMAT, Record, WriteRecords
from mrmesos.jobtracker.storage import journal_salvage as salvage
from mrmesos.jobtracker.storage.commit_number import Acknowledged, CommitNumber
from mrmesos.jobtracker.storage.journal_errors import (
    JournalDamaged,
    JournalError,
    JournalInUse,
    JournalLost,
)
from mrmesos.jobtracker.storage.journal_rows import FoundRows, checksum, read_rows
from mrmesos.jobtracker.storage.row_changes import RowCount, apply_writes
from mrmesos.wire.ids import is_sha256

logger = logging.getLogger(__name__)

FILE = salvage.FILE
CODE = "code"
"""The directory beside the journal that holds code and files of jobs (code_store.py)."""
APPLICATION_ID = 0x6D724A54  # "mrJT" marks our databases, for us and for the command `file`
WAL_BYTES = 64 << 20
"""SQLite truncates the write-ahead log to this size after a checkpoint."""
FREE_PAGES = 512
"""After jobs were dropped, this many pages at a time go back to the filesystem."""

# Not WITHOUT ROWID: then a search for a key reads the whole bodies that lie on its way. The plan of
# 60,000 maps has 2 MB or more, and it lies beside the last attempts.
_TABLES = """
CREATE TABLE records (
    job TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY (job, kind, name)
)
"""
_OWNER = """
CREATE TABLE owner (
    token BLOB NOT NULL, commits INTEGER NOT NULL, rows INTEGER NOT NULL, sum INTEGER NOT NULL
)
"""
_ONE = "WHERE job = ? AND kind = ? AND name = ?"
_COUNT = "UPDATE owner SET commits = ?, rows = ?, sum = ? WHERE token = ?"
_ALL = "SELECT job, kind, name, body, sum FROM records NOT INDEXED ORDER BY job, kind, name"


class Journal:
    """The journal in `directory`, which is created (mode 0700) if it is missing."""

    def __init__(self, directory: Path, *, shared: bool = False, accept_loss: bool = False) -> None:
        """Raises JournalError if others may read it, or if it is in use, of another format, or
        damaged. With `accept_loss`, a damaged journal is set aside, and its readable records begin
        a new one.
        """
        self.path = directory / FILE
        self.found = FoundRows()
        """The rows found at the start. The reader empties it."""
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
                f"{directory} has mode {mode:o}, but the journal holds the keys of jobs: no other "
                "user may read it; make it 700"
            )
        try:
            self._connect()
        except JournalDamaged as problem:
            if not accept_loss:
                raise
            self._begin_again(problem)

    def _begin_again(self, problem: JournalDamaged) -> None:
        """Set the damaged journal aside, and begin a new one with its readable records."""
        saved, where = salvage.set_aside(self._directory)
        logger.warning("%s", problem)
        logger.warning(
            "the loss was accepted: %d records were saved, and the old journal is now %s",
            len(saved.records),
            where,
        )
        self._connect(new=True)
        self.write([WriteRecords(tuple(saved.records), sync=True)])
        self.found = saved

    def _connect(self, *, new: bool = False) -> None:
        """Open the file and check it. With `new`, it begins empty and forgets what it had."""
        try:
            # With isolation_level None, sqlite3 begins and ends no transactions by itself.
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
        """Keep the write-ahead log. SQLite deletes it on close, also the part that it refused."""
        salvage.keep_log(self._directory)

    def _open(self, database: sqlite3.Connection, *, new: bool) -> None:
        # Take the lock before we read anything. It holds until the process ends in any way. A
        # journal that will be shared is locked first, too: it may still be in WAL mode, which
        # several hosts must not read.
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
                f"{self.path} is not a journal of mrmesos, or it is damaged; move it away to start "
                "with an empty journal, which forgets its jobs"
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
        _keep_bodies_apart(database)
        self._take_over(database, known)

    def _check_new(self, known: Acknowledged | None) -> None:
        """Raise JournalDamaged if there was a journal before this empty one."""
        if known is not None and known.least(self._number.boot):
            raise JournalDamaged(f"{self.path} is empty or gone, but it had commit {known.last}")
        code = self._directory / CODE
        files = sum(is_sha256(path.name) for path in code.iterdir()) if code.is_dir() else 0
        if files:
            raise JournalDamaged(
                f"{self.path} is empty or gone, but {code} has {files} files of its jobs"
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
                f"{self.path} ends with commit {self._commits}, but {known.last} commits were "
                f"acknowledged ({known.synced} of them synced)"
            )
        if self._commits < known.last:
            logger.warning(
                "a power loss took the last %d commits: the JobTracker asks again what attempts "
                "and slots did in them",
                known.last - self._commits,
            )
        rows, total = database.execute("SELECT count(*), sum(sum) FROM records").fetchone()
        if (rows, total or 0) != (self._rows, self._sum):
            raise JournalDamaged(
                f"{self.path} holds {rows} records, but {self._rows} were written, or some differ"
            )

    def _check_rows(self, database: sqlite3.Connection) -> None:
        (said,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":  # the index of keys may differ from the rows, which have checksums
            database.execute("REINDEX records")
            (said,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise JournalDamaged(f"{self.path}: {' '.join(str(said).split())}")
        self.found = read_rows(database.execute(_ALL))
        if (why := salvage.unusable(self.found)) is not None:
            raise JournalDamaged(f"{self.path}: {why}")
        self._rows, self._sum = database.execute(
            "SELECT count(*), coalesce(sum(sum), 0) FROM records"
        ).fetchone()

    def _take_over(self, database: sqlite3.Connection, known: Acknowledged | None) -> None:
        """Become the owner. From now on nobody else can write, so what we read is final."""
        self._commits = max(self._commits, known.last if known is not None else 0) + 1
        if known is None:  # the file must be on the disk before the first commit is
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
        """All valid records, in the order of their keys. Raises JournalError."""
        try:
            return read_rows(self._opened().execute(_ALL)).records
        except sqlite3.Error as problem:
            raise JournalDamaged(f"{self.path} cannot be read: {problem}") from problem

    def write(self, writes: Iterable[WriteRecords]) -> None:
        """Write everything, or nothing. Raises JournalError. Then the write may be tried again,
        except after JournalLost.
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
                before = RowCount(self._rows, self._sum)
                after = apply_writes(database, writes, before, self._encoder.encode)
                state = (self._commits + 1, *after)
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
        """Write the new counts. Raises JournalLost if another JobTracker is the owner now."""
        done = database.execute(_COUNT, (*state, self._token))
        if done.rowcount != 1:
            raise JournalLost(f"{self.path}: another JobTracker has taken it over")

    def close(self) -> None:
        """Copy the log into the database, and release its lock."""
        self._number.close()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise JournalError(f"{self.path} is closed")
        return self._database


def _upgrade(database: sqlite3.Connection) -> None:
    """Upgrade format 2, which had neither checksums nor counts. Its rows are not checked."""
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


def _keep_bodies_apart(database: sqlite3.Connection) -> None:
    """Copy the rows to a table as we make it now, if an earlier release has made the table."""
    (made,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'records'").fetchone()
    if "WITHOUT ROWID" not in made:
        return
    database.execute("ALTER TABLE records RENAME TO earlier")
    database.execute(_TABLES)
    database.execute("INSERT INTO records SELECT job, kind, name, body, sum FROM earlier")
    database.execute("DROP TABLE earlier")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
