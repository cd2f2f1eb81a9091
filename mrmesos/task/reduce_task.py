"""A reduce attempt: it merges its partition of all map outputs and calls the user's reducer.

Comes in: an attempt, the job's facts and code, a source of segments. Goes out: a part file,
counters. `run_reduce` is a plain function, as `run_map` is; the caller chooses the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import pyarrow as pa

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.context import Context, Counters, add_counters
from mrmesos.api.job import Job, JobError
from mrmesos.api.tasks import Reducer, SortedReducer
from mrmesos.conf import SKIP_RECORDS_MAX, Conf
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.output.writer import Writer
from mrmesos.io.shuffle.grouping import Grouping
from mrmesos.io.shuffle.merge import merge_runs
from mrmesos.task.collect.hash_aggregate import hashed_aggregate
from mrmesos.task.collect.map_sink import OpenOutput, open_part
from mrmesos.task.collect.sorted_runs import SortedRun, folded_runs, merge_to_factor
from mrmesos.task.drivers.bad_records import BadRecords, bad_records
from mrmesos.task.drivers.named_outputs import NamedOutputs
from mrmesos.task.drivers.progress import ResourceUsage, Snapshot, Watch
from mrmesos.task.drivers.record_spans import Redo
from mrmesos.task.drivers.reduce_driver import (
    AggregateFolder,
    BatchGroupReducer,
    Folder,
    GroupReducer,
    IdentityFolder,
    SortedFolder,
    is_identity,
)
from mrmesos.task.drivers.skipping import make_skipping_folder
from mrmesos.task.drivers.user_code import checked_counters, make_task
from mrmesos.task.map_task import task_facts
from mrmesos.wire.job import PICKLED_RECORDS, JobFacts
from mrmesos.wire.task import Attempt


class SegmentSource(Protocol):
    """The source of a reduce's segments. Any thread may call the methods, except `runs`."""

    def runs(self) -> Sequence[SortedRun]:
        """One run for each map, in map order. Waits until all have arrived.

        Raises the error that made the fetch fail.
        """

    def fraction(self) -> float:
        """The part of the maps whose segments have arrived, 0 to 1."""

    def fetched_bytes(self) -> int:
        """How many bytes have arrived. The number never falls."""

    def requests(self) -> int:
        """How many requests were sent to TaskTrackers."""

    def fetch_failed(self) -> tuple[str, ...]:
        """Map attempts whose output cannot be fetched now."""

    def fetch_answered(self) -> tuple[str, ...]:
        """The part of `fetch_failed` whose TaskTracker answers, but has lost or damaged the
        output.
        """


class ReduceResult(msgspec.Struct, frozen=True):
    """A finished reduce. Its part file lies where the committer looks for it."""

    counters: Counters


def run_reduce(
    attempt: Attempt,
    facts: JobFacts,
    job: Job,
    work_dir: Path,
    source: SegmentSource,
    *,
    hostname: str = "localhost",
    watch: Watch | None = None,
    open_output: OpenOutput = open_part,
    redo: Redo | None = None,
) -> ReduceResult:
    """Run a reduce attempt to its end. `redo` is as in `run_map`.

    Raises TaskError if user code fails; OutputError, CorruptSegmentError, MemoryError, OSError, and
    every error of `source`.
    """
    usage = ResourceUsage()
    conf = Conf(facts.spec.conf)
    context = Context(task_facts(attempt, facts, hostname, work_dir), conf, job.args)
    outputs = NamedOutputs(attempt, facts, job, context)
    context.open_output = outputs.open
    bad = bad_records(conf, redo, work_dir, outputs)
    run = _ReduceRun(job, context, source, bad)
    if watch is not None:
        watch.follow(run.snapshot)
    batches = run.merged([each for each in source.runs() if each.rows], conf, work_dir)
    writer = open_output(attempt, facts, job)
    try:
        run.over(batches, writer)
        records, nbytes = writer.close()
        own = {**run.counters(), "REDUCE_OUTPUT_RECORDS": records, "BYTES_WRITTEN": nbytes}
        own |= outputs.close()
        if pickled := writer.pickled + outputs.pickled:
            own[PICKLED_RECORDS] = pickled
        if bad is not None:
            own |= bad.close("REDUCE_SKIPPED_GROUPS")
        counters = checked_counters(context.counters)
        add_counters(counters, {"task": {**own, **usage.counters()}})
    except BaseException:
        writer.abort()
        if bad is not None:
            bad.abort()
        outputs.abort()
        raise
    return ReduceResult(counters)


class _ReduceRun:
    """One running attempt. Another thread calls `snapshot`, which only reads.

    Fetching, merging to `io.sort.factor` runs, and reducing each count for a third of the progress,
    as in Hadoop.
    """

    def __init__(
        self, job: Job, context: Context, source: SegmentSource, bad: BadRecords | None
    ) -> None:
        self._context = context
        self._source = source
        self._folder = make_folder(job, context, bad)
        self._hashed = hashed_aggregate(job)
        self._grouping = Grouping.of(job)
        self._phase = "fetching map output"
        self._total = 0
        self._merged = self._reduced = self._written = self._waited = 0
        self._copied = False

    def merged(
        self, runs: Sequence[SortedRun], conf: Conf, work_dir: Path
    ) -> Iterator[pa.RecordBatch]:
        """The records of all fetched runs, sorted by key.

        For an aggregate, hashing folds most keys to one record before the merge.
        """
        self._copied = True
        self._phase = "merging map output"
        self._total = sum(each.rows for each in runs)
        if self._hashed is not None:
            runs = folded_runs(self._hashed, runs, conf, work_dir, self._count_merged)
        runs = merge_to_factor(runs, conf, work_dir, self._count_merged)
        return merge_runs([each.open() for each in runs])

    def over(self, batches: Iterable[pa.RecordBatch], writer: Writer) -> None:
        """Reduce all batches, then close the reducer."""
        self._phase = f"reducing with {self._folder.name}"
        regrouped = self._grouping.regrouped(self._counted(batches))
        for batch in self._folder.over_sorted(regrouped):
            writer.write(batch)
            self._written += batch.num_rows
        for batch in self._folder.close():
            writer.write(batch)

    def _count_merged(self, rows: int) -> None:
        self._merged += rows

    def _counted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._reduced += batch.num_rows
            yield batch

    def counters(self) -> dict[str, int]:
        """Counters of the input read so far."""
        return {
            "REDUCE_INPUT_GROUPS": self._folder.groups,
            "REDUCE_INPUT_RECORDS": self._total,
            "REDUCE_SHUFFLE_BYTES": self._source.fetched_bytes(),
            "REDUCE_SHUFFLE_REQUESTS": self._source.requests(),
        }

    def snapshot(self) -> Snapshot:
        """The reduce's progress now."""
        if not self._copied:
            # The reduce waits for maps and TaskTrackers, and these waits have their own deadlines.
            # task.timeout is for user code, which has not begun: so the pulse changes every time.
            self._waited += 1
            progress = self._source.fraction() / 3
        elif not self._reduced:
            progress = (1 + min(1.0, self._merged / max(1, self._total))) / 3
        else:
            progress = (2 + self._reduced / max(1, self._total)) / 3
        copied = self._source.fetched_bytes()
        return Snapshot(
            progress=min(1.0, progress),
            position=self._phase,
            pulse=(
                self._waited,
                copied,
                self._merged,
                self._reduced,
                self._written,
                self._folder.groups,
            ),
            counters=self._context.counters,
            status=self._context.status,
            fetch_failed=self._source.fetch_failed(),
            fetch_answered=self._source.fetch_answered(),
            fetched=self._copied,
        )


def make_folder(job: Job, context: Context, bad: BadRecords | None = None) -> Folder:
    """The folder for the job's kind of reducer: it turns sorted batches into output."""
    reducer = job.reducer
    if reducer is None:
        raise JobError("a job without a reducer has no reduce tasks")
    if issubclass(reducer, Aggregate):
        return AggregateFolder(reducer)
    task = make_task(reducer, context)
    if is_identity(task):
        return IdentityFolder(task)
    if isinstance(task, SortedReducer):
        if bad is not None:
            raise JobError(
                f"{type(task).__name__} reads one stream, so no record of it can be skipped; "
                f"remove {SKIP_RECORDS_MAX.name}"
            )
        return SortedFolder(task, "reducer", "reduce")
    if bad is not None:
        return make_skipping_folder(task, context, bad)
    if isinstance(task, Reducer):
        return GroupReducer(task, ColumnEncoder(), "reducer", "reduce")
    return BatchGroupReducer(task, "reducer", "reduce")
