"""After any damage, a start restores all jobs, or fails the damaged ones, or says why it cannot
start.
"""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec
import pytest

from mrmesos.conf import Conf
from mrmesos.jobtracker.core import restore
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.commands import Command
from mrmesos.jobtracker.core.messages.journal_records import KINDS, WriteRecords
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.jobtracker.core.state import queries
from mrmesos.jobtracker.core.state.state import State
from mrmesos.jobtracker.storage.code_store import CodeStore
from mrmesos.jobtracker.storage.commit_number import FILE as NUMBER
from mrmesos.jobtracker.storage.commit_number import CommitNumber
from mrmesos.jobtracker.storage.journal import FILE, Journal
from mrmesos.jobtracker.storage.journal_errors import ACCEPT, JournalDamaged, JournalError
from mrmesos.jobtracker.storage.journal_session import JournalSession
from mrmesos.wire.chain import ChainSpec, ChainStatus, StepSpec
from mrmesos.wire.job import JobState, JobStatus
from mrmesos.wire.task import AttemptState
from tests.jobtracker.harness import STAMP, Hands, spec, splits

WAL = f"{FILE}-wal"
Picture = dict[str, tuple[StrEnum, Mapping[str, StrEnum]]]
"""Of jobs: the states of their attempts. Of chains: the states of their steps."""


class JournaledHands(Hands):
    """Writes what its core says to a journal."""

    def __init__(self, directory: Path) -> None:
        self.ledger = JournalSession("")
        super().__init__()
        self.ledger = JournalSession(str(directory))
        self.ledger.begin("127.0.0.1:1", "python")
        assert self.ledger.code_directory is not None
        self.codes = CodeStore(self.ledger.code_directory)
        self.core = JobTracker(Conf({}), STAMP, journal=True)
        self.do(ev.Registered("framework"))

    def do(self, event: ev.Event) -> list[Command]:
        commands = super().do(event)
        keep(self.ledger, commands)
        return commands

    def submit(self, number: int, reduces: int) -> str:
        code = f"the code of job {number}".encode()
        sha256 = hashlib.sha256(code).hexdigest()
        self.codes.put(sha256, code)
        job_id = self.core.next_job_id()
        uri = f"memory://out{number}"
        told = {"job.end-notification.url": "http://host/$jobId"}
        wanted = msgspec.structs.replace(spec(reduces), code=sha256, output=uri, conf=told)
        self.do(ev.JobSubmitted(job_id, wanted, "token", f"key {number}"))
        return job_id

    def submit_chain(self, number: int) -> str:
        """Two steps, one after the other; the files of the chain are in order."""
        code = f"the code of chain {number}".encode()
        sha256 = hashlib.sha256(code).hexdigest()
        self.codes.put(sha256, code)
        data = f"memory://_chain{number}_steps"
        first, last = (
            StepSpec(
                name=name,
                job=msgspec.structs.replace(spec(), code=sha256, output=output),
                identity="0" * 64,
                after=after,
            )
            for name, output, after in (
                ("first", f"{data}/first", ()),
                ("last", f"memory://chain{number}", ("first",)),
            )
        )
        chain_id = self.core.next_chain_id()
        jobs = tuple(ev.StepJob(self.core.next_job_id(), "token") for _ in range(2))
        wanted = ChainSpec(
            name="chain", user="me", output=last.job.output, data=data, steps=(first, last)
        )
        self.do(ev.ChainSubmitted(chain_id, wanted, jobs, f"chain {number}"))
        self.do(ev.ChainPrepared(chain_id, ()))
        return chain_id


def keep(ledger: JournalSession, commands: list[Command]) -> None:
    for command in commands:
        if isinstance(command, WriteRecords):
            ledger.note(command)
    ledger.write_noted()


def picture(core: JobTracker) -> Picture:
    found: Picture = {}
    for status in queries.job_statuses(core.st):
        report = queries.job_report(core.st, status.job_id)
        assert report is not None
        rows = {row.id: AttemptState(row.state) for row in report.attempts}
        found[status.job_id] = (status.state, rows)
    for chain in queries.chain_statuses(core.st):
        found[chain.chain_id] = (chain.state, {step.name: step.state for step in chain.steps})
    return found


@dataclass
class Story:
    """A journal with jobs in all states and two chains: after `kill -9`, after an orderly end, and
    in format 2.
    """

    killed: Path
    ended: Path
    older: Path
    picture: Picture


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("story")
    hands = JournaledHands(place / "live")
    jobs = [hands.submit(number, reduces) for number, reduces in enumerate((1, 0, 1, 0, 1, 0))]
    for job_id in jobs[:5]:
        hands.do(ev.JobPlanned(job_id, splits(*[()] * 3)))
    over = hands.submit_chain(1)
    hands.do(ev.KillAsked(over, "me"))
    for job_id in [job for job in hands.core.st.jobs if job not in jobs]:
        hands.do(ev.JobPlanned(job_id, ()))
        hands.do(ev.JobAborted(job_id))
    hands.do(ev.ChainCleaned(over))
    live = hands.submit_chain(2)
    assert hands.core.st.chains.live.keys() == {live}
    for round_ in range(16):
        hands.offer(f"a{round_ % 4}", cpus=2.0)
        if round_ == 8:
            shutil.copytree(place / "live", place / "older")
        for attempt_id in list(hands.running)[: 2 if round_ % 2 else 0]:
            hands.end(attempt_id)
    hands.do(ev.JobCommitted(jobs[0]))
    shutil.copytree(place / "live", place / "killed")
    hands.ledger.close()
    return Story(place / "killed", place / "live", place / "older", picture(hands.core))


@dataclass
class Start:
    """The result of a start: a refusal, or a core."""

    refusal: str = ""
    core: JobTracker | None = None
    relaxed: bool = False
    """Slots or TaskTrackers were lost, so their tasks run again."""


def start(directory: Path, *, accept: bool = False) -> Start:
    """Does what JobTrackerService does up to the end of the first event, but without threads."""
    try:
        ledger = JournalSession(str(directory), accept_loss=accept)
    except JournalError as problem:
        return Start(str(problem))
    try:
        assert ledger.code_directory is not None
        ledger.pin_codes(CodeStore(ledger.code_directory))
        relaxed = bool(ledger._mends)
        core = JobTracker(Conf({}), ledger.life.stamp, journal=True)
        ledger.begin("127.0.0.1:1", "python")
        now = max(1000.0, ledger.latest())
        keep(ledger, ledger.restore(core, now, same_command=True))
        core.validate()
        keep(ledger, core.handle(ev.Registered("framework"), now))
        core.validate()
    finally:
        ledger.close()
    return Start("", core, relaxed)


def check(begun: Start, before: Picture) -> str:
    """The outcome: refused, failed, or whole. Any other outcome fails the test."""
    if begun.core is None:
        documented = (ACCEPT, "move it away", "move the journal away", "File exists")
        assert any(words in begun.refusal for words in documented), begun.refusal
        return "refused"
    after, failed = picture(begun.core), 0
    assert after.keys() == before.keys()
    for job_id, (state, attempts) in before.items():
        status: JobStatus | ChainStatus | None = queries.job_status(begun.core.st, job_id)
        status = status or queries.chain_status(begun.core.st, job_id)
        assert status is not None
        if status.error is not None and "from its journal" in status.error.message:
            assert status.state.value in ("ABORTING", "STOPPING", "FAILED")
            failed += 1
        elif begun.relaxed:
            assert status.state is state
        else:
            assert after[job_id] == (state, attempts)
    return "failed" if failed else "whole"


def again(before: Start, directory: Path, picture: Picture, outcome: str) -> None:
    """The next start finds the journal as the start before left it."""
    begun = start(directory)
    begun.relaxed |= before.relaxed
    assert check(begun, picture) == outcome


def copied(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def smear(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    begin = rng.randrange(len(content))
    content[begin : begin + 64] = rng.randbytes(len(content[begin : begin + 64]))
    path.write_bytes(content)


def shorten(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])


def remove(path: Path, _: random.Random) -> None:
    path.unlink()


DAMAGES = (flip, flip, flip, flip, smear, shorten, remove)


def test_undamaged_it_all_comes_back(story: Story, tmp_path: Path) -> None:
    states = {state for state, _ in story.picture.values()}
    assert {JobState.PREP, JobState.RUNNING, JobState.SUCCEEDED} <= states
    for source in (story.killed, story.ended):
        directory = copied(source, tmp_path / "state")
        for _ in range(3):
            assert check(start(directory), story.picture) == "whole"


@pytest.mark.parametrize("which", ["killed", "ended"])
def test_whatever_file_is_damaged(story: Story, tmp_path: Path, which: str) -> None:
    seen: dict[str, int] = {}
    source: Path = getattr(story, which)
    names = [FILE, FILE, WAL, NUMBER, *(f"code/{p.name}" for p in (source / "code").iterdir())]
    for seed in range(60):
        rng = random.Random(seed)
        directory = copied(source, tmp_path / "state")
        name = rng.choice([one for one in names if (directory / one).exists()])
        damage = rng.choice(DAMAGES)
        damage(directory / name, rng)
        try:
            begun = start(directory)
            outcome = check(begun, story.picture)
            if outcome == "refused":
                assert check(start(directory), story.picture) == "refused", "and then it is not"
                began = start(directory, accept=True)
                if ACCEPT in start(copied(source, directory)).refusal:
                    assert began.core is not None, began.refusal
            else:
                again(begun, directory, story.picture, outcome)
        except Exception as problem:
            raise AssertionError(f"seed {seed}: {damage.__name__} {name}") from problem
        seen[outcome] = seen.get(outcome, 0) + 1
    assert seen["refused"] > 5
    assert seen["failed"] > 5


def test_whatever_row_is_damaged(story: Story, tmp_path: Path) -> None:
    """Damage each record in its body, key and checksum. Only its own job may fail."""
    with closing(sqlite3.connect(copied(story.ended, tmp_path / "rows") / FILE)) as database:
        keys = database.execute("SELECT job, kind, name FROM records").fetchall()
    of_queues = {"queue", "queue_ended", "free_task", "task_end"}  # it has none
    assert {kind for _, kind, _ in keys} == set(KINDS) - of_queues
    rng, outcomes = random.Random(1), dict[tuple[str, str], set[str]]()
    where = "WHERE job = ? AND kind = ? AND name = ?"
    kinds: dict[str, int] = {}
    for key in keys:
        kinds[key[1]] = kinds.get(key[1], 0) + 1
        if kinds[key[1]] > 3:
            continue
        for part in ("body", "job", "name", "gone"):
            directory = copied(story.ended, tmp_path / "state")
            with closing(sqlite3.connect(directory / FILE)) as database:
                (body,) = database.execute(f"SELECT body FROM records {where}", key).fetchone()
                if part == "body":
                    spoilt = bytearray(body)
                    spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
                    database.execute(f"UPDATE records SET body = ? {where}", (spoilt, *key))
                elif part == "gone":
                    database.execute(f"DELETE FROM records {where}", key)
                else:
                    column = key[0] if part == "job" else key[2]
                    statement = f"UPDATE records SET {part} = ? {where}"
                    database.execute(statement, (column + "x", *key))
                database.commit()
            begun = start(directory)
            outcome = check(begun, story.picture)
            outcomes.setdefault((key[1], part), set()).add(outcome)
            if outcome != "refused":
                again(begun, directory, story.picture, outcome)
    whole = ("life", "framework", "tracker", "slot", "notice")
    for (kind, part), found in sorted(outcomes.items()):
        if part == "gone":
            assert found == {"refused"}, (kind, part, found)
        elif part in ("job", "name") or kind in whole:
            assert found == {"whole"}, (kind, part, found)
        else:
            assert found == {"failed"}, (kind, part, found)


def test_a_job_without_code_fails_alone(story: Story, tmp_path: Path) -> None:
    """A job was accepted with `"code": ""`. After that, no JobTracker could start on it."""
    directory = copied(story.ended, tmp_path / "state")
    ledger = JournalSession(str(directory))
    wanted = msgspec.structs.replace(spec(), code="", output="memory://none")
    hands = Hands()
    hands.core = JobTracker(Conf({}), "202611201131", journal=True)
    keep(ledger, hands.do(ev.JobSubmitted("job_202611201131_0001", wanted, "token")))
    ledger.close()
    begun = start(directory)
    assert begun.core is not None
    status = queries.job_status(begun.core.st, "job_202611201131_0001")
    assert status is not None
    assert status.error is not None
    assert "from its journal" in status.error.message
    found = picture(begun.core)
    del found["job_202611201131_0001"]
    assert found == story.picture


def test_a_job_whose_restoring_raises_fails_alone(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = restore._task

    def broken(st: State, job: JobInProgress, task: TaskInProgress) -> None:
        if job.id.endswith("_0003") and task.index == 1:
            raise RuntimeError("a fault of ours")
        real(st, job, task)

    monkeypatch.setattr(restore, "_task", broken)
    begun = start(copied(story.ended, tmp_path / "state"))
    assert check(begun, story.picture) == "failed"
    assert begun.core is not None
    status = queries.job_status(begun.core.st, f"job_{STAMP}_0003")
    assert status is not None
    assert status.error is not None
    assert "RuntimeError: a fault of ours" in status.error.message


def test_a_loss_in_the_log_is_noticed(story: Story, tmp_path: Path) -> None:
    """SQLite silently drops a damaged log from its first bad frame on."""
    size = (story.killed / WAL).stat().st_size
    for seed in range(40):
        rng = random.Random(seed)
        directory = copied(story.killed, tmp_path / "state")
        with (directory / WAL).open("r+b") as log:
            offset = rng.randrange(32, size)
            log.seek(offset)
            byte = log.read(1)[0]
            log.seek(offset)
            log.write(bytes([byte ^ 1 << rng.randrange(8)]))
        begun = start(directory)
        assert begun.core is None or check(begun, story.picture) == "whole"
        if begun.core is None:
            assert re.search("were acknowledged|empty or gone", begun.refusal)
            assert (directory / f"{WAL}.refused").exists()


@pytest.mark.parametrize("name", [FILE, WAL])
def test_an_older_file_in_its_place_is_noticed(story: Story, tmp_path: Path, name: str) -> None:
    directory = copied(story.killed, tmp_path / "state")
    shutil.copy(story.older / name, directory / name)
    assert check(start(directory), story.picture) in ("refused", "whole")
    directory = copied(story.older, tmp_path / "state")
    shutil.copy(story.killed / NUMBER, directory / NUMBER)
    assert "were acknowledged" in start(directory).refusal


def test_an_empty_journal_beside_code_is_no_new_one(story: Story, tmp_path: Path) -> None:
    directory = copied(story.ended, tmp_path / "state")
    for path in directory.glob("journal*"):
        path.unlink()
    assert "files of its jobs" in start(directory).refusal
    began = start(directory, accept=True)
    assert began.core is not None
    assert picture(began.core) == {}


def test_after_a_loss_of_power_only_synced_commits_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = JournaledHands(tmp_path / "live")
    hands.submit(0, 0)
    shutil.copytree(tmp_path / "live", tmp_path / "synced")
    hands.do(ev.JobPlanned(f"job_{STAMP}_0001", splits((), ())))
    synced = tmp_path / "planned"
    shutil.copytree(tmp_path / "live", synced)
    hands.offer("a0")
    later = CommitNumber(tmp_path / "live").read()
    assert later is not None
    hands.ledger.close()
    shutil.copy(tmp_path / "live" / NUMBER, synced / NUMBER)
    assert later.synced < later.last, "a launch alone is not synced"
    assert "were acknowledged" in start(copied(synced, tmp_path / "same")).refusal
    monkeypatch.setattr("mrmesos.jobtracker.storage.commit_number.boot_id", lambda: "another boot")
    assert start(copied(synced, tmp_path / "other")).core is not None
    shutil.copy(tmp_path / "live" / NUMBER, tmp_path / "synced" / NUMBER)
    assert "were acknowledged" in start(tmp_path / "synced").refusal, "a plan was synced"


def test_a_journal_of_format_2_is_upgraded(story: Story, tmp_path: Path) -> None:
    directory = copied(story.ended, tmp_path / "state")
    with closing(sqlite3.connect(directory / FILE)) as database:
        database.executescript(
            """
            CREATE TABLE old (job TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
                body BLOB NOT NULL, PRIMARY KEY (job, kind, name)) WITHOUT ROWID;
            INSERT INTO old SELECT job, kind, name, body FROM records WHERE name != 'copy';
            DROP TABLE records; ALTER TABLE old RENAME TO records;
            DROP TABLE owner; CREATE TABLE owner (token BLOB NOT NULL);
            PRAGMA user_version = 2;
            """
        )
    (directory / NUMBER).unlink()
    for _ in range(2):
        assert check(start(directory), story.picture) == "whole"
    Journal(directory).close()


def test_accepting_the_loss_keeps_jobs_and_chains(story: Story, tmp_path: Path) -> None:
    directory = copied(story.ended, tmp_path / "state")
    with closing(sqlite3.connect(directory / FILE)) as database:
        (one,) = database.execute("SELECT max(job) FROM records WHERE kind = 'ended'").fetchone()
        database.execute("DELETE FROM records WHERE job = ?", (one,))
        database.commit()
    assert ACCEPT in start(directory).refusal
    begun = start(directory, accept=True)
    assert begun.core is not None
    kept = {name: each for name, each in story.picture.items() if name != one}
    assert len([name for name in kept if name.startswith("chain_")]) == 2
    assert picture(begun.core) == kept


def test_accepting_the_loss_keeps_the_old_files(story: Story, tmp_path: Path) -> None:
    directory = copied(story.killed, tmp_path / "state")
    shutil.copy(story.older / WAL, directory / WAL)
    (directory / NUMBER).write_bytes((story.killed / NUMBER).read_bytes())
    with pytest.raises(JournalDamaged):
        Journal(directory)
    assert start(directory, accept=True).core is not None
    assert (directory / f"{FILE}.lost-1").exists()
    assert start(directory).core is not None
