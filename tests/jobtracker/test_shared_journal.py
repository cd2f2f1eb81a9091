"""A journal that several JobTrackers share. One owns it, and a deposed one can change nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mrmesos.jobtracker.core.messages.journal_records import (
    FrameworkRecord,
    LifeRecord,
    Record,
    WriteRecords,
)
from mrmesos.jobtracker.storage import journal_session
from mrmesos.jobtracker.storage.journal import FILE, Journal
from mrmesos.jobtracker.storage.journal_errors import JournalError, JournalInUse, JournalLost
from mrmesos.jobtracker.storage.journal_session import JournalSession


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


def write(journal: Journal, *records: Record) -> None:
    journal.write([WriteRecords(records)])


def framework(journal: Journal) -> list[str]:
    return [r.framework_id for r in journal.read() if isinstance(r, FrameworkRecord)]


def test_the_last_to_open_the_journal_owns_it(directory: Path) -> None:
    first = Journal(directory, shared=True)
    write(first, FrameworkRecord("f1"))
    second = Journal(directory, shared=True)
    assert framework(second) == ["f1"]
    for _ in range(2):
        with pytest.raises(JournalLost, match="taken it over"):
            write(first, FrameworkRecord("f2"))
    write(second, FrameworkRecord("f3"))
    assert framework(second) == ["f3"]
    first.close()
    second.close()


def test_a_deposed_one_writes_nothing_by_its_end(directory: Path) -> None:
    first = Journal(directory, shared=True)
    second = Journal(directory, shared=True)
    write(second, FrameworkRecord("f"))
    first.close()
    write(second, LifeRecord(1, "202611201130"))
    third = Journal(directory, shared=True)
    assert len(third.read()) == 2
    second.close()
    third.close()


def test_a_writer_that_stopped_within_a_write_is_waited_for(directory: Path) -> None:
    first = Journal(directory, shared=True)
    write(first, FrameworkRecord("f"))
    stopped = sqlite3.connect(directory / FILE, isolation_level=None)
    stopped.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalInUse):
        Journal(directory, shared=True)
    with pytest.raises(JournalError, match="locked"):
        write(first, FrameworkRecord("g"))
    stopped.execute("ROLLBACK")
    stopped.close()
    # The first JobTracker still owns the journal, and has lost nothing.
    write(first, FrameworkRecord("g"))
    second = Journal(directory, shared=True)
    assert framework(second) == ["g"]
    first.close()
    second.close()


def test_a_journal_may_change_between_alone_and_shared(directory: Path) -> None:
    alone = Journal(directory)
    write(alone, FrameworkRecord("f"))
    with pytest.raises(JournalInUse):
        Journal(directory, shared=True)
    alone.close()
    shared = Journal(directory, shared=True)
    assert framework(shared) == ["f"]
    write(shared, FrameworkRecord("g"))
    assert not list(directory.glob("*-wal"))
    assert not list(directory.glob("*-shm"))
    alone = Journal(directory)
    assert framework(alone) == ["g"]
    with pytest.raises(JournalError):
        write(shared, FrameworkRecord("h"))
    shared.close()
    alone.close()


def test_a_write_of_one_deposed_is_not_tried_again(directory: Path) -> None:
    def never(seconds: float) -> None:
        raise AssertionError(f"waits {seconds} s")

    first = JournalSession(str(directory), shared=True, sleep=never)
    first.begin("http://h1:1", "command")
    second = JournalSession(str(directory), shared=True)
    assert second.life.number == first.life.number + 1
    first.note(WriteRecords((FrameworkRecord("f"),)))
    with pytest.raises(JournalLost):
        first.write_noted()
    assert journal_session.TRY_SECONDS > 0
    first.close()
    second.close()
