"""Mappers of earlier steps of a chain that run in the maps of the step that reads them.

Comes in: batches of the earlier step's input. Goes out: batches for the later step. They are
encoded and decoded as if they went through a file between the two steps, but nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from mrmesos.api.context import Counters, TaskFacts
from mrmesos.api.job import FusedStep, mapper_of
from mrmesos.api.tasks import Mapper
from mrmesos.conf import SETTINGS, Conf
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.columns.step_batch import step_batch
from mrmesos.task.drivers.map_driver import make_driver
from mrmesos.task.drivers.record_feed import Groups, Pair, RecordContext
from mrmesos.task.drivers.user_code import checked_counters, make_task
from mrmesos.wire.chain import fused_group


class FusedMap:
    """One step's mapper, in one map of another step."""

    def __init__(self, step: FusedStep, facts: TaskFacts, conf: Conf) -> None:
        """Make the mapper. `conf` is that of the job that runs it. Raises TaskError."""
        self._step = step
        shared = {name: text for name, text in conf.items() if name in SETTINGS}
        self._context = RecordContext(facts, Conf({**shared, **step.params}), step.job.args)
        self._mapper = make_task(mapper_of(step.job, ""), self._context)
        self._sink = _Taken(ColumnEncoder(step.job.map_output_types))
        self._driver = make_driver(self._mapper, self._context, self._sink)
        self._rows = self._bytes = self._yielded = 0

    @property
    def by_record(self) -> bool:
        """Whether the mapper gets one record after another."""
        return isinstance(self._mapper, Mapper)

    def over(self, batches: Iterable[InputBatch], *, records: bool) -> Iterator[InputBatch]:
        """The mapper's output for all batches. `records` says whether a per-record mapper reads
        it.
        """
        uri, unread = "", 0
        for given in batches:
            uri = given.uri
            self._driver.map(given)
            self._rows += given.batch.num_rows
            unread += max(0, given.stored_bytes())
            for made in self._made(uri, unread, records):
                unread = 0
                yield made
        self._driver.close()
        yield from self._made(uri or self._step.name, unread, records)

    def _made(self, uri: str, stored: int, records: bool) -> Iterator[InputBatch]:
        self._bytes += stored
        for batch in self._sink.take():
            made = step_batch(uri, batch, self._yielded, stored, records)
            self._yielded += batch.num_rows
            stored = 0
            yield replace(made, unit=f"pair of {self._step.name}")

    def counters(self) -> Counters:
        """The step's own counters, in groups that name the step. Raises TaskError."""
        found = checked_counters(self._context.counters)
        task = found.setdefault("task", {})
        task |= {"MAP_INPUT_RECORDS": self._rows, "MAP_OUTPUT_RECORDS": self._yielded}
        return {fused_group(self._step.name, group): names for group, names in found.items()}


class _Taken:
    """A MapSink that keeps the batches until they are taken."""

    def __init__(self, encoder: ColumnEncoder) -> None:
        self._encoder = encoder
        self._batches: list[pa.RecordBatch] = []

    def take(self) -> list[pa.RecordBatch]:
        """The batches since the last call."""
        taken, self._batches = self._batches, []
        return taken

    def write_pairs(self, keys: list[Any], values: list[Any]) -> None:
        self._batches += self._encoder.encode(keys, values)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch.select([KEY, VALUE]))

    def groups(self) -> Groups | None:
        return None

    def grouped(self, rows: int, odd: Pair | None) -> int:
        raise NotImplementedError("a map-only step does not group")

    def finish(self) -> dict[str, int]:
        return {}

    def abort(self) -> None:
        """See MapSink."""
