"""The journal in use: what a start of the JobTracker finds in it, and what it writes next.

Comes in: records to write. Goes out: at a start, the records of earlier lives, for `restore`.

Without a directory (`jobtracker.state.dir`), the journal is in memory. Then it ends with the
process, and every start begins empty.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages.commands import Command
from mrmesos.jobtracker.core.messages.journal_records import (
    AttemptRecord,
    ChainEndedRecord,
    ChainRecord,
    EndedRecord,
    FrameworkRecord,
    JobRecord,
    Key,
    LifeRecord,
    NoticeRecord,
    QueueEndedRecord,
    QueueRecord,
    Record,
    SlotRecord,
    TrackerRecord,
    WriteRecords,
)
from mrmesos.jobtracker.storage.code_store import CodeStore
from mrmesos.jobtracker.storage.encodable import PROBLEMS, mended, problem_with
from mrmesos.jobtracker.storage.journal import CODE, Journal
from mrmesos.jobtracker.storage.journal_errors import JournalError, JournalLost
from mrmesos.jobtracker.storage.journal_rows import FoundRows
from mrmesos.jobtracker.storage.memory_journal import MemoryJournal
from mrmesos.wire.ids import STAMP_SALTS, cluster_stamp, stamped_at
from mrmesos.wire.job import JobReport, JobState

logger = logging.getLogger(__name__)

TRY_SECONDS = 30.0
"""A write that fails (because the disk is full, for example) is repeated for this long."""
PAUSE_SECONDS = 0.5
_AND_SO = {
    "job": "; the path of its output is lost, too: remove `_temporary` there by hand",
    "ended": "; it had ended: if its output has `_SUCCESS`, it had succeeded",
}
"""The meaning of a damaged record of this kind for the user who has submitted the job."""


def next_life(records: list[Record], now: float) -> LifeRecord:
    """The identity of this life of the JobTracker: the next number, and a new stamp."""
    salt = secrets.randbelow(STAMP_SALTS)
    stamp = cluster_stamp(now, salt)
    last = next((record for record in records if isinstance(record, LifeRecord)), None)
    if last is None:
        return LifeRecord(0, stamp, secret=secrets.token_hex(32))
    if stamp <= last.stamp:  # twice in a second, or the clock was set back
        stamp = cluster_stamp(stamped_at(last.stamp) + 1, salt)
    secret = last.secret or secrets.token_hex(32)
    return LifeRecord(last.number + 1, stamp, last.address, last.command, secret)


class JournalSession:
    """Only one thread may use it: the core thread, once that runs."""

    def __init__(
        self,
        directory: str,
        *,
        shared: bool = False,
        accept_loss: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`shared` and `accept_loss` are those of journal.Journal. Raises JournalError."""
        self._journal: Journal | MemoryJournal = MemoryJournal()
        self.on = bool(directory)
        """Whether the journal outlives the process."""
        found = FoundRows()
        if directory:
            self._journal = Journal(Path(directory), shared=shared, accept_loss=accept_loss)
            found, self._journal.found = self._journal.found, found
        self._shared = shared
        self._sleep = sleep
        self.records = found.records
        """The records found at the start. `restore` empties it."""
        self.damaged: dict[str, str] = {}
        """Jobs that cannot be restored, and why. `restore` empties it."""
        self.lost: set[str] = set()
        """TaskTrackers that attempts name, but that have no valid record."""
        self._mends: list[WriteRecords] = []
        self._judge(found)
        self.life = next_life(self.records, time.time())
        self._writes: list[WriteRecords] = []
        self.code_directory = Path(directory) / CODE if directory else None
        """The directory of jobs' code and files. They are synced before a job that needs them."""
        self.told: Callable[[], tuple[Key, ...]] = tuple
        """Returns the NoticeRecords to drop: those of jobs whose end was told since the last call.
        """

    def _judge(self, found: FoundRows) -> None:
        """Decide what is lost with the damaged rows."""
        for key, record in found.repaired:
            logger.warning("the record %s was damaged, and could be repaired", " ".join(key))
            self._mends.append(WriteRecords((record,), drop=(key,)))
        for one in found.damaged:
            key = one.key
            if key.kind == NoticeRecord.kind:
                logger.error("%s: no notification of the end of %s is sent", one.why, key.name)
                self._mends.append(WriteRecords((), drop=(key,)))
                continue
            if key.kind in ("tracker", "slot"):
                logger.error("%s: what ran there is lost", one.why)
                self._mends.append(WriteRecords((), drop=(key,)))
                self.lost.update([key.name] if key.kind == "tracker" else [])
                continue
            why = one.why + _AND_SO.get(key.kind, "")
            logger.error("%s cannot be restored: %s", key.job, why)
            self.damaged.setdefault(key.job, why)
        known = {record.id for record in self.records if isinstance(record, TrackerRecord)}
        if found.damaged:  # records of further TaskTrackers may be lost without a trace
            attempts = (record for record in self.records if isinstance(record, AttemptRecord))
            self.lost.update({attempt.tracker_id for attempt in attempts} - known)

    @property
    def framework_id(self) -> str:
        """The id of the framework to take over. Empty if there is none."""
        found = [r.framework_id for r in self.records if isinstance(r, FrameworkRecord)]
        return found[0] if found else ""

    def keys(self) -> dict[str, str]:
        """The known jobs and chains, by the keys with which clients submitted them."""
        keys = {r.key: r.report.status.job_id for r in self.records if isinstance(r, EndedRecord)}
        done = [r for r in self.records if isinstance(r, ChainEndedRecord)]
        keys |= {r.key: r.status.chain_id for r in done}
        over = [r for r in self.records if isinstance(r, QueueEndedRecord)]
        keys |= {r.key: r.status.queue_id for r in over}
        live = JobRecord | ChainRecord | QueueRecord
        keys |= {r.key: r.id for r in self.records if isinstance(r, live)}
        return {key: job_id for key, job_id in keys.items() if key}

    def ended_reports(self) -> list[JobReport]:
        """The reports of the jobs that ended in earlier lives, as far as the journal has them."""
        return [record.report for record in self.records if isinstance(record, EndedRecord)]

    def notices(self) -> list[NoticeRecord]:
        """The jobs whose end has yet to be told, of earlier lives."""
        return [record for record in self.records if isinstance(record, NoticeRecord)]

    def latest(self) -> float:
        """The latest time in any record, in Unix seconds. The real time cannot be before it."""
        moments = [0.0]
        for record in self.records:
            match record:
                case JobRecord():
                    moments += [record.submitted, record.started or 0.0]
                case ChainRecord() | QueueRecord():
                    moments.append(record.submitted)
                case AttemptRecord():
                    moments += [record.start, record.end or 0.0]
                case TrackerRecord() | SlotRecord():
                    moments.append(record.launched)
        return max(moments)

    def pin_codes(self, store: CodeStore) -> None:
        """Make the store keep the files of jobs and chains in progress. A job with a damaged file
        fails.
        """
        jobs = [record for record in self.records if isinstance(record, JobRecord)]
        for job in jobs:
            if job.state in (JobState.COMMITTING, JobState.ABORTING):
                continue  # none of its tasks starts any more
            for sha256 in job.spec.uploads():
                if job.id not in self.damaged and (why := store.damaged(sha256)):
                    path = f"{self.code_directory}/{sha256}"
                    self.damaged[job.id] = f"its tasks need {path}, {why}; submit it again"
                    logger.error("%s cannot be restored: %s", job.id, self.damaged[job.id])
            store.pin(job.id, job.spec.uploads())
        for record in self.records:
            if isinstance(record, ChainRecord | QueueRecord):
                self._pin_chain(record, store)

    def _pin_chain(self, chain: ChainRecord | QueueRecord, store: CodeStore) -> None:
        """The same for a chain, whose further steps need their files later, and for a queue."""
        for sha256 in chain.spec.uploads():
            if chain.id not in self.damaged and (why := store.damaged(sha256)):
                path = f"{self.code_directory}/{sha256}"
                self.damaged[chain.id] = f"it needs {path}, {why}; submit it again"
                logger.error("%s cannot be restored: %s", chain.id, self.damaged[chain.id])
        store.pin(chain.id, chain.spec.uploads())

    def restore(self, core: JobTracker, now: float, *, same_command: bool) -> list[Command]:
        """Restore the core from the records found. Raises JournalError if that fails."""
        records, damaged = self.records, self.damaged
        self.records, self.damaged = [], {}
        if not records and not damaged:
            return []
        try:
            return core.restore(
                records,
                now,
                life=self.life.number,
                same_command=same_command,
                damaged=damaged,
                lost=self.lost,
            )
        except Exception as problem:  # not the fault of a single job's records
            logger.exception("the journal's records of slots and TaskTrackers")
            raise JournalError(
                f"the journal contradicts itself ({problem!r}); move it away to start with an "
                "empty journal, which forgets its jobs"
            ) from problem

    def check_address(self, address: str) -> None:
        """Raise JournalError if waiting TaskTrackers would not find this address. They know only
        one address, unless JobTrackers are elected.
        """
        if self._shared:
            return
        known = self.life.address
        waiting = sum(isinstance(record, TrackerRecord) for record in self.records)
        if known and waiting and known != address:
            raise JournalError(
                f"the {waiting} TaskTrackers in the journal know this JobTracker as {known}, not "
                f"{address}: listen there again, or wait until they have given up"
            )

    def begin(self, address: str, command: str) -> bool:
        """Write our LifeRecord. Returns whether the command that starts TaskTrackers is the same
        as before. Raises JournalError.
        """
        same = self.life.command in ("", command)
        self.life = msgspec.structs.replace(self.life, address=address, command=command)
        mends, self._mends = self._mends, []
        for write in (*mends, WriteRecords((self.life,), sync=True)):
            self.note(write)
        self.write_noted()
        return same

    def note(self, write: WriteRecords) -> None:
        """Note records to write at the next `write_noted`."""
        self._writes.append(write)

    def again(self) -> LifeRecord:
        """Read all records again, for a core that starts again in this process. It gets the next
        life, so its actions for TaskTrackers have higher numbers than all before. Raises
        JournalError.
        """
        self.write_noted()
        self.records = self._journal.read()
        self.life = next_life(self.records, time.time())
        self.note(WriteRecords((self.life,), sync=True))
        self.write_noted()
        return self.life

    def write_noted(self) -> dict[str, str]:
        """Write the noted records. Returns the jobs whose records had to be mended before they
        could be encoded, each with the reason. Raises JournalError if writes fail for TRY_SECONDS.
        """
        wrong: dict[str, str] = {}
        if told := self.told():
            self.note(WriteRecords((), drop=told))
        if not self._writes:
            return wrong
        give_up = time.monotonic() + TRY_SECONDS
        while True:
            try:
                self._journal.write(self._writes)
                break
            except PROBLEMS:
                self._writes = [_mended(write, wrong) for write in self._writes]
            except JournalError as problem:
                if time.monotonic() >= give_up or isinstance(problem, JournalLost):
                    raise
                logger.error("%s; trying again", problem)
                self._sleep(PAUSE_SECONDS)
        self._writes.clear()
        return wrong

    def end(self) -> None:
        """Note what was told last, and close the journal."""
        if told := self.told():
            try:
                self._journal.write([WriteRecords((), drop=told)])
            except JournalError as problem:
                logger.warning("%s: ends of jobs may be told again", problem)
        self.close()

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


def _mended(write: WriteRecords, wrong: dict[str, str]) -> WriteRecords:
    """The same records, mended so that they can be encoded. Adds the affected jobs to `wrong`."""
    put: list[Record] = []
    for record in write.put:
        if problem := problem_with(record):
            job_id, kind, name = record.filed_as
            logger.error("the %s %s of %s cannot be encoded: %s", kind, name, job_id, problem)
            wrong[job_id] = f"its {kind} {name}".rstrip() + f": {problem}"
            try:
                record = mended(record)
            except msgspec.ValidationError:
                logger.exception("the record cannot be mended either, so it is left out")
                continue
        put.append(record)
    return WriteRecords(tuple(put), write.drop, write.drop_jobs, write.sync)
