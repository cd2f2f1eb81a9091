"""The journal's file: what is read back, what is refused, and what a killed process leaves."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from mrmesos.api.split import Split
from mrmesos.jobtracker.core.messages.journal_records import (
    FORMAT,
    KINDS,
    AttemptRecord,
    FrameworkRecord,
    JobRecord,
    Key,
    LifeRecord,
    PlanRecord,
    Record,
    TrackerRecord,
    WriteRecords,
)
from mrmesos.jobtracker.storage.code_store import CodeStore
from mrmesos.jobtracker.storage.journal import FILE, Journal
from mrmesos.jobtracker.storage.journal_errors import JournalError
from mrmesos.jobtracker.storage.journal_session import JournalSession, next_life
from mrmesos.wire.job import JobState
from mrmesos.wire.task import Locality
from tests.jobtracker.harness import spec


def attempt(name: str, job: str = "job_1_1", won: bool = False) -> AttemptRecord:
    return AttemptRecord(
        id=name,
        job_id=job,
        slot_id="slot_1_1",
        tracker_id="tracker_1_1",
        agent_id="S1",
        hostname="host",
        locality=Locality.ANY,
        start=1.5,
        won=won,
    )


def job(name: str, key: str = "") -> JobRecord:
    return JobRecord(
        id=name,
        spec=spec(),
        token="t",
        key=key,
        submitted=1.0,
        state=JobState.RUNNING,
        started=None,
        error=None,
        killed_by="",
    )


def write(*records: Record) -> WriteRecords:
    return WriteRecords(records)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_write_does_not_read_the_bodies_beside_it(directory: Path) -> None:
    journal = Journal(directory)
    plan = PlanRecord("job_1_1", (Split((), 3, ("a host " * 100_000,)),) * 10)
    journal.write([write(plan)])
    before = bytes_read()
    for number in range(50):
        journal.write([write(attempt(f"{number:03d}"))])
    assert bytes_read() - before < 7_000_000, "the plan has as many bytes, and was read each time"
    journal.close()


def bytes_read() -> int:
    """Bytes that this process has read from files so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))


def test_a_table_of_an_earlier_release_is_copied(directory: Path) -> None:
    journal = Journal(directory)
    journal.write([write(attempt("a"), attempt("b"))])
    journal.close()
    with closing(sqlite3.connect(directory / FILE)) as database:
        database.executescript(
            """
            CREATE TABLE old (job TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
                body BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (job, kind, name)
            ) WITHOUT ROWID;
            INSERT INTO old SELECT * FROM records;
            DROP TABLE records; ALTER TABLE old RENAME TO records;
            """
        )
    for _ in range(2):
        journal = Journal(directory)
        assert journal.found.records == [attempt("a"), attempt("b")]
        journal.close()
    with closing(sqlite3.connect(directory / FILE)) as database:
        assert database.execute("SELECT count(rowid) FROM records").fetchone() == (2,)


def test_a_key_that_is_missing_in_the_index_is_put_back(directory: Path) -> None:
    journal = Journal(directory)
    journal.write([write(attempt("a"), attempt("b"), attempt("c"))])
    journal.close()
    path = directory / FILE
    with closing(sqlite3.connect(path)) as database:
        statement = "SELECT rootpage FROM sqlite_master WHERE type = 'index'"
        (page,) = database.execute(statement).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    at = content.index(b"job_1_1attemptb", (page - 1) * size)
    content[at : at + 15] = b"job_1_1attemptX"
    path.write_bytes(content)
    journal = Journal(directory)
    assert journal.found.records == [attempt("a"), attempt("b"), attempt("c")]
    assert not journal.found.damaged
    journal.write([write(attempt("b", won=True)), WriteRecords((), drop_jobs=("job_1_1",))])
    assert journal.read() == []
    journal.close()


def test_the_last_record_of_a_key_comes_back(directory: Path) -> None:
    journal = Journal(directory)
    plan = PlanRecord("job_1_1", (Split((), 3, ("h",)),))
    journal.write([write(attempt("a"), attempt("b"), plan), write(attempt("a", won=True))])
    journal.write([WriteRecords((), drop=(Key("job_1_1", "attempt", "b"),), sync=True)])
    journal.close()
    journal = Journal(directory)
    assert journal.read() == [attempt("a", won=True), plan]
    journal.write([WriteRecords((attempt("c", "job_1_2"),), drop_jobs=("job_1_1",))])
    assert journal.read() == [attempt("c", "job_1_2")]
    journal.close()
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_write_is_whole_or_not_at_all(directory: Path) -> None:
    journal = Journal(directory)
    wrong = msgspec.structs.replace(attempt("b"), counters={"g": {"n": object()}})  # not a number
    with pytest.raises(TypeError):
        journal.write([write(attempt("a"), wrong)])
    assert journal.read() == []
    journal.write([write(attempt("a"))])
    assert journal.read() == [attempt("a")]
    journal.close()


def test_every_kind_of_record_has_its_key() -> None:
    assert LifeRecord(0, "1").filed_as.kind == "life"
    assert {type_.__name__.removesuffix("Record").lower() for type_ in KINDS.values()} == {
        kind.replace("_", "") for kind in KINDS
    }


def test_one_jobtracker_at_a_time(directory: Path) -> None:
    journal = Journal(directory)
    with pytest.raises(JournalError, match="another JobTracker uses it"):
        Journal(directory)
    journal.close()
    Journal(directory).close()


def test_an_unusable_journal_is_refused_with_a_reason(directory: Path, tmp_path: Path) -> None:
    Journal(directory).close()
    with sqlite3.connect(directory / FILE) as database:
        database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    database.close()
    with pytest.raises(JournalError, match=f"format {FORMAT + 1}"):
        Journal(directory)
    (directory / FILE).write_bytes(b"not a database, but long enough to look like one" * 100)
    for more in ("-wal", "-shm"):
        (directory / f"{FILE}{more}").unlink(missing_ok=True)
    with pytest.raises(JournalError, match="not a database"):
        Journal(directory)
    directory.chmod(0o755)
    with pytest.raises(JournalError, match="make it 700"):
        Journal(directory)
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="file"):
        Journal(tmp_path / "file")


WRITER = """
import sys
from pathlib import Path
from mrmesos.jobtracker.storage.journal import Journal
from mrmesos.jobtracker.core.messages.journal_records import FrameworkRecord, WriteRecords
journal = Journal(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    journal.write([WriteRecords((FrameworkRecord(str(number)),))])
    print(number, flush=True)
"""


def test_written_records_outlive_a_kill(directory: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    last = int((rest or said)[-1])
    journal = Journal(directory)
    (record,) = journal.read()
    journal.close()
    assert isinstance(record, FrameworkRecord)
    assert int(record.framework_id) in (last, last + 1)


# --- What a start finds in it


def test_each_life_has_a_stamp_of_its_own() -> None:
    first = next_life([], 1795178347.0)
    assert (first.number, first.stamp[:14]) == (0, "20261120123907")
    second = next_life([first], 1795178340.0)  # the clock was set back
    assert (second.number, second.stamp[:14]) == (1, "20261120123908")
    third = next_life([LifeRecord(1, "202612312359")], 1795178400.0)  # of an earlier version
    assert (third.number, third.stamp[:14]) == (2, "20261231235901")
    assert next_life([second], 1795190000.0).stamp[:14] == "20261120155320"


def test_two_jobtrackers_of_one_second_have_different_stamps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    salts = iter([7, 8])
    monkeypatch.setattr("secrets.randbelow", lambda _: next(salts))
    stamps = [next_life([], 1795178347.0).stamp for _ in range(2)]
    assert stamps == ["202611201239070007", "202611201239070008"]


def test_a_jobtracker_does_not_start_before_what_it_knows(directory: Path) -> None:
    """The host's clock was set back, so running attempts seem to begin in the future."""
    future = 1e10
    ledger = JournalSession(str(directory))
    assert ledger.latest() == 0.0
    ledger.note(write(msgspec.structs.replace(job("job_1_1", "key"), submitted=future)))
    ledger.write_noted()
    ledger.close()
    ledger = JournalSession(str(directory))
    assert ledger.latest() == future
    ledger.close()


def test_trackers_wait_at_one_address(directory: Path) -> None:
    ledger = JournalSession(str(directory))
    ledger.check_address("127.0.0.1:1")
    assert ledger.begin("127.0.0.1:1", "python")
    tracker = TrackerRecord(
        id="tracker_1_1",
        agent_id="S1",
        hostname="host",
        agent_address="",
        rack="",
        resources=(),
        launched=1.0,
        url="",
        leaving=False,
    )
    ledger.note(write(tracker, job("job_1_1", "key"), FrameworkRecord("f")))
    assert ledger.code_directory is not None
    ledger.code_directory.mkdir()
    (ledger.code_directory / ("0" * 64)).write_bytes(b"code")
    ledger.write_noted()
    ledger.close()
    ledger = JournalSession(str(directory))
    ledger.check_address("127.0.0.1:1")
    with pytest.raises(JournalError, match="listen there again"):
        ledger.check_address("127.0.0.1:2")
    assert (ledger.framework_id, ledger.keys()) == ("f", {"key": "job_1_1"})
    assert (ledger.life.number, ledger.life.address) == (1, "127.0.0.1:1")
    ledger.pin_codes(CodeStore(ledger.code_directory))  # these bytes have another hash
    assert "damaged" in ledger.damaged["job_1_1"]
    assert not ledger.begin("127.0.0.1:1", "another python")
    ledger.close()


def test_a_disk_that_is_full_for_a_moment_is_waited_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    real = Journal.write

    def full(self: Journal, *args: object, **more: object) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise JournalError("the disk is full")
        real(self, *args, **more)  # type: ignore[arg-type]  # arguments pass through unchanged

    pauses: list[float] = []
    ledger = JournalSession(str(directory), sleep=pauses.append)
    monkeypatch.setattr(Journal, "write", full)
    ledger.note(write(FrameworkRecord("f")))
    ledger.write_noted()
    assert len(pauses) == 2
    assert ledger._journal is not None
    assert ledger._journal.read() == [FrameworkRecord("f")]
    ledger.close()


def test_without_a_directory_nothing_is_kept(tmp_path: Path) -> None:
    ledger = JournalSession("")
    assert not ledger.on
    assert ledger.begin("h:1", "c")
    ledger.note(write(FrameworkRecord("f")))
    ledger.write_noted()
    ledger.close()
    assert list(tmp_path.iterdir()) == []
