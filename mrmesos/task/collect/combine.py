"""Folding a map's output by key: each chunk as it leaves the mapper, and sorted runs as they spill.

Sorting costs several times what hashing costs, and words repeat within a chunk far more often than
sorting can make use of. So a chunk's equal keys are brought together by Arrow's dictionary encoding
and combined before they are sorted at all; the sort buffer combines what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.context import Context
from mrmesos.api.job import Job
from mrmesos.api.tasks import BatchReducer, Reducer
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.shuffle.aggregate import combine_with, each_alone
from mrmesos.io.shuffle.grouping import without_repeats
from mrmesos.io.shuffle.merge import group_spans
from mrmesos.task.collect.adaptive_fold import AdaptiveFold
from mrmesos.task.collect.large_groups import (
    LargeGroups,
    by_code,
    by_span,
    enough,
    put_back,
    without,
)
from mrmesos.task.drivers.record_feed import Groups
from mrmesos.task.drivers.reduce_driver import BatchGroupReducer, GroupReducer
from mrmesos.task.drivers.user_code import make_task, wrong_use

Batches = Iterator[pa.RecordBatch]

# What is left of the records where folding them pays: numbering keys in Arrow costs 60 ns a record,
# sorting, writing, merging and reading one that is left 250 ns.
_WORTHWHILE = 0.75
# Finding the key's list in a dict saves that, and making a column; but it calls for every key.
_GROUPS_WORTHWHILE = 0.2
_DISTINCT_WORTHWHILE = 0.35


class Combiner(Protocol):
    """What a map task folds its output with. Batches have the columns `key` and `value`.

    Those that derive from it take no groups of Python objects and need no closing by default.
    """

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        """A batch of the mapper's, in any order: folded where that pays, or must be."""

    def wants_groups(self) -> bool:
        """Whether `fold_groups` is the way now, for pairs that are Python objects."""
        return False

    def fold_groups(self, groups: Groups, rows: int) -> Batches | None:
        """`rows` pairs by key, folded; None where that does not pay."""
        del groups, rows
        return None

    def fold_sorted(self, batches: Batches) -> Batches:
        """Batches sorted by key, some folded before, folded again; sorted as well."""

    def close(self) -> None:
        """No more calls come. Raises TaskError where the user's `close()` fails or yields."""
        return

    @property
    def records(self) -> tuple[int, int]:
        """Records taken and given by `fold_batch`."""


def make_combiner(job: Job, context: Context, encoder: ColumnEncoder) -> Combiner | None:
    """The job's combiner, or an aggregate's own first half, or None."""
    reducer = job.reducer
    if reducer is not None and issubclass(reducer, Aggregate):
        return DistinctCombiner() if reducer.distinct else AggregateCombiner(reducer)
    if job.combiner is None:
        return None
    combiner = make_task(job.combiner, context)
    if isinstance(combiner, Reducer):
        return ReducerCombiner(combiner, encoder)
    return BatchCombiner(combiner)


def _encoded(batch: pa.RecordBatch) -> pa.DictionaryArray | None:
    """The sort column with equal keys numbered alike; None where there is nothing to tell apart."""
    column = sort_column(batch)
    if pa.types.is_null(column.type) or not len(column):
        return None
    return pc.dictionary_encode(column, null_encoding="encode")


class ReducerCombiner(Combiner):
    """A per-record Reducer as combiner."""

    def __init__(self, combiner: Reducer, encoder: ColumnEncoder) -> None:
        self._combiner = combiner
        self._reducer = GroupReducer(combiner, encoder, "combiner", "map")
        self._adviser = AdaptiveFold(_WORTHWHILE)
        self._groups_adviser = AdaptiveFold(_GROUPS_WORTHWHILE)

    @property
    def records(self) -> tuple[int, int]:
        """See Combiner."""
        return self._adviser.taken, self._adviser.given

    def wants_groups(self) -> bool:
        """See Combiner."""
        return not self._groups_adviser.paused

    def fold_groups(self, groups: Groups, rows: int) -> Batches | None:
        """See Combiner."""
        if not self._groups_adviser.pays(rows, len(groups)):
            return None
        made = self._reducer.over_groups(list(groups), map(iter, groups.values()))
        return self._counted(made, rows)

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        """See Combiner."""
        self._groups_adviser.wanted()  # the pause goes on
        if not self._adviser.wanted():
            return iter((batch,))
        batch = with_sort_column(batch)
        encoded = _encoded(batch)
        if encoded is None:
            return iter((batch,))
        codes, distinct = encoded.indices.to_numpy(), len(encoded.dictionary)
        groups = by_code(codes, distinct, enough(batch))
        if not self._adviser.pays(batch.num_rows, batch.num_rows - len(groups.rows) + len(groups)):
            return iter((batch,))
        made = self._counted(self._reduced(batch, groups), len(groups.rows))
        return chain((without(batch, groups.rows),), made)

    def _reduced(self, batch: pa.RecordBatch, groups: LargeGroups) -> Batches:
        """What the reducer makes of these groups."""
        keys = decode_column(
            batch.column(KEY).take(pa.array(groups.firsts)), batch.schema.field(KEY)
        )
        values = decode_column(
            batch.column(VALUE).take(pa.array(groups.rows)), batch.schema.field(VALUE)
        )
        bounds = groups.starts.tolist()
        stretches = map(slice, bounds, islice(bounds, 1, None))
        return self._reducer.over_groups(keys, map(iter, map(values.__getitem__, stretches)))

    def _counted(self, batches: Batches, taken: int) -> Batches:
        self._adviser.taken += taken
        for batch in batches:
            self._adviser.given += batch.num_rows
            yield batch

    def fold_sorted(self, batches: Batches) -> Batches:
        """See Combiner. A key's records in two batches are folded apart."""
        for batch in batches:
            groups = by_span(group_spans(batch), enough(batch))
            if len(groups):
                yield from put_back(batch, groups, self._reduced(batch, groups))
            else:
                yield batch

    def close(self) -> None:
        """See Combiner."""
        _nothing(self._reducer.close(), self._combiner)


class BatchCombiner(Combiner):
    """A BatchReducer as combiner: over sorted batches only."""

    def __init__(self, combiner: BatchReducer) -> None:
        self._combiner = combiner
        self._reducer = BatchGroupReducer(combiner, "combiner", "map")

    @property
    def records(self) -> tuple[int, int]:
        """See Combiner."""
        return 0, 0

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        """See Combiner."""
        return iter((batch,))

    def fold_sorted(self, batches: Batches) -> Batches:
        """See Combiner."""
        return self._reducer.over_sorted(batches)

    def close(self) -> None:
        """See Combiner."""
        _nothing(self._reducer.close(), self._combiner)


class AggregateCombiner(Combiner):
    """An aggregate over keys that are grouped by their first fields, and so have to be sorted.

    `initial` on every batch of the mapper, `merge` ever after.
    """

    def __init__(self, aggregate: type[Aggregate]) -> None:
        self._aggregate = aggregate
        self._merge = combine_with(aggregate, "merge")

    @property
    def records(self) -> tuple[int, int]:
        """See Combiner."""
        return 0, 0

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        """See Combiner. What the sort brings together is merged there."""
        yield each_alone(batch, self._aggregate.initial, self._aggregate.n)

    def fold_sorted(self, batches: Batches) -> Batches:
        """See Combiner."""
        return self._merge(batches)


class DistinctCombiner(Combiner):
    """For an aggregate of distinct values: drops pairs that were there already.

    Sorted ones are keys with their values, as `io.grouping` composes them.
    """

    def __init__(self) -> None:
        self._adviser = AdaptiveFold(_DISTINCT_WORTHWHILE)

    @property
    def records(self) -> tuple[int, int]:
        """See Combiner."""
        return self._adviser.taken, self._adviser.given

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        """See Combiner."""
        kinds = [field.type for field in batch.schema]
        if any(map(pa.types.is_nested, kinds)) or not self._adviser.wanted():
            yield batch
            return
        table = pa.Table.from_batches([batch])
        unique = table.group_by([KEY, VALUE], use_threads=False).aggregate([])
        if not self._adviser.pays(batch.num_rows, unique.num_rows):
            yield batch
            return
        self._adviser.taken += batch.num_rows
        self._adviser.given += unique.num_rows
        yield from unique.select([KEY, VALUE]).cast(batch.schema).to_batches()

    def fold_sorted(self, batches: Batches) -> Batches:
        """See Combiner."""
        return without_repeats(batches)


def _nothing(batches: Batches, combiner: Reducer | BatchReducer) -> None:
    for _ in batches:
        name = type(combiner).__name__
        raise wrong_use(
            f"{name}.close() yields records, which a combiner cannot: it is called between any "
            "two spills; name a class without that as combiner",
            where=f"combiner {name}.close()",
        )
