"""A map attempt: it reads a split, calls the user's mapper, and writes sorted, partitioned output.

Comes in: an attempt, the job's facts and code, a directory. Goes out: map output, counters.
`run_map` is a plain function: to run or test it, no process, channel or network is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mrmesos.api.context import Counters, TaskFacts, add_counters
from mrmesos.api.custom_formats import RecordReader
from mrmesos.api.formats import InputFormat
from mrmesos.api.job import Job, input_format_of, mapper_of
from mrmesos.api.split import InputTable, Split
from mrmesos.api.tasks import Mapper
from mrmesos.conf import Conf
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.input.formats.registry import read_split
from mrmesos.task.collect.map_sink import OpenOutput, make_sink, open_part
from mrmesos.task.drivers.bad_records import bad_records
from mrmesos.task.drivers.custom_input import read_own
from mrmesos.task.drivers.fused_maps import FusedMap
from mrmesos.task.drivers.map_driver import MapDriver
from mrmesos.task.drivers.named_outputs import NamedOutputs
from mrmesos.task.drivers.progress import ResourceUsage, Snapshot, Watch, spilled_bytes
from mrmesos.task.drivers.record_feed import RecordContext
from mrmesos.task.drivers.record_spans import Redo
from mrmesos.task.drivers.skipping import make_skipping_driver
from mrmesos.task.drivers.user_code import checked_counters, make_task
from mrmesos.task.files.job_files import cached
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import FOREIGN_PICKLES, PICKLED_RECORDS, JobFacts
from mrmesos.wire.task import Attempt, MapTask


class MapResult(msgspec.Struct, frozen=True):
    """A finished map. Its output is in place."""

    counters: Counters


def task_facts(attempt: Attempt, facts: JobFacts, hostname: str, work_dir: Path) -> TaskFacts:
    """The facts about an attempt for user code. `work_dir` lies inside the job's directory."""
    name = parse_attempt(attempt.attempt_id)
    return TaskFacts(
        job_id=attempt.job_id,
        task_id=name.task_id,
        attempt_id=attempt.attempt_id,
        kind=name.kind.value,
        index=name.index,
        num_maps=facts.num_maps,
        num_reducers=facts.spec.num_reducers,
        hostname=hostname,
        files=cached(work_dir.parent, facts.spec.files),
        ports=attempt.ports,
        split=attempt.task.split if isinstance(attempt.task, MapTask) else None,
    )


def run_map(
    attempt: Attempt,
    facts: JobFacts,
    job: Job,
    work_dir: Path,
    *,
    hostname: str = "localhost",
    watch: Watch | None = None,
    open_output: OpenOutput = open_part,
    redo: Redo | None = None,
    raw_bytes: int = 0,
) -> MapResult:
    """Run a map attempt to its end; `work_dir` then holds its output (index.OUTPUT_FILE).

    `redo` names the records to skip when this attempt was started before and its worker died. With
    `auto` as codec, up to `raw_bytes` of map output are not compressed.

    Raises TaskError if user code fails; InputError, OutputError, MemoryError, OSError. After an
    error no output is left behind.
    """
    assert isinstance(attempt.task, MapTask)
    usage = ResourceUsage()
    conf = Conf(facts.spec.conf)
    context = RecordContext(task_facts(attempt, facts, hostname, work_dir), conf, job.args)
    split = attempt.task.split
    context.input_name = split.source
    outputs = NamedOutputs(attempt, facts, job, context)
    context.open_output = outputs.open
    mapper = make_task(mapper_of(job, split.source), context)
    encoder = ColumnEncoder(job.map_output_types)
    sink = make_sink(attempt, facts, job, conf, work_dir, context, encoder, open_output, raw_bytes)
    bad = bad_records(conf, redo, work_dir, outputs)
    driver = make_skipping_driver(mapper, context, sink, bad)
    run = _MapRun(driver, context, max(1, split.length), work_dir)
    if watch is not None:
        watch.follow(run.snapshot)
    try:
        fused = [FusedMap(each, context.facts, conf) for each in job.fused.get(split.source, ())]
        by_record = [*(each.by_record for each in fused), isinstance(mapper, Mapper)]
        declared = input_format_of(job, split.source)
        if fused:
            declared = input_format_of(job.fused[split.source][0].job, "")
        given = read_input(
            split,
            facts.spec.format_of(split.source),
            declared,
            records=by_record[0],
            table=facts.table_of(split.source),
            pickle_key=facts.pickle_key,
        )
        for each, records in zip(fused, by_record[1:], strict=True):
            given = each.over(given, records=records)
        run.over(given)
        written = sink.finish()
        own = {**run.counters(), **written, "MAP_OUTPUT_RECORDS": run.pairs}
        own |= outputs.close()
        if pickled := own.get(PICKLED_RECORDS, 0) + outputs.pickled:
            own[PICKLED_RECORDS] = pickled
        if bad is not None:
            own |= bad.close("SKIPPED_RECORDS")
        counters = checked_counters(context.counters)
        add_counters(counters, {"task": {**own, **usage.counters()}})
        for each in fused:
            add_counters(counters, each.counters())
    except BaseException:
        sink.abort()
        if bad is not None:
            bad.abort()
        outputs.abort()
        raise
    return MapResult(counters)


def read_input(
    split: Split,
    fmt: InputFormat,
    declared: InputFormat | RecordReader,
    *,
    batch_bytes: int = 1 << 20,
    records: bool = True,
    table: InputTable | None = None,
    pickle_key: str = "",
) -> Iterator[InputBatch]:
    """The split's records in batches. If `declared` is the job's own reader, it reads them.

    `fmt` is the format that the JobTracker planned with. `table` is what it has decided about the
    columns of this input. For `pickle_key`, see read_split. Raises InputError, and TaskError if the
    job's own reader fails.
    """
    if isinstance(declared, RecordReader):
        return read_own(split, declared, records=records)
    return read_split(
        split, fmt, batch_bytes=batch_bytes, records=records, table=table, pickle_key=pickle_key
    )


class _MapRun:
    """One running attempt. Another thread calls `snapshot`, which only reads."""

    def __init__(
        self, driver: MapDriver, context: RecordContext, length: int, work_dir: Path
    ) -> None:
        self._driver = driver
        self._context = context
        self._length = length
        self._work_dir = work_dir
        self._phase = ""  # until the first batch, the TaskTracker's own word for the phase is used
        self._bytes = 0
        self._batch_bytes = self._batch_rows = 0
        self._rows = self._skipped = self._foreign = 0

    @property
    def pairs(self) -> int:
        """How many pairs the mapper has yielded."""
        return self._driver.pairs

    def over(self, batches: Iterable[InputBatch]) -> None:
        """Map all batches, then close the mapper."""
        for given in batches:
            self._phase = "reading"
            self._batch_rows = given.batch.num_rows
            self._batch_bytes = given.stored_bytes()
            self._driver.map(given)
            self._rows += self._batch_rows
            self._skipped += given.skipped
            self._foreign += given.foreign
            self._bytes += self._batch_bytes
            self._batch_bytes = self._batch_rows = 0
        self._phase = "closing the mapper after"
        self._driver.close()
        self._phase = "sorting the output of"

    def counters(self) -> dict[str, int]:
        """Counters of the input read so far."""
        counters = {"MAP_INPUT_RECORDS": self._rows, "MAP_INPUT_BYTES": self._bytes}
        more = {"MAP_SKIPPED_RECORDS": self._skipped, FOREIGN_PICKLES: self._foreign}
        return counters | {name: count for name, count in more.items() if count}

    def snapshot(self) -> Snapshot:
        """The map's progress now. Within a batch, it is the position of the record iterator."""
        context, rows = self._context, self._batch_rows
        consumed = min(context.consumed(), rows)
        within = self._batch_bytes * consumed // rows if rows else 0
        place = f"{context.input_uri} near offset {context.input_offset}"
        return Snapshot(
            progress=min(1.0, (self._bytes + within) / self._length),
            position=f"{self._phase} {place}" if context.input_uri else self._phase,
            pulse=(self._rows + consumed, self._driver.pairs, spilled_bytes(self._work_dir)),
            counters=context.counters,
            status=context.status,
        )
