"""Combines a map's output by key: each chunk after the mapper, and sorted runs as they spill.

Sorting costs several times as much as hashing, and in text most keys repeat within a chunk. So
Arrow's dictionary encoding first brings a chunk's equal keys together, and the combiner runs on
them before anything is sorted. The sort buffer combines the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.context import Context
from mrmesos.api.job import Job
from mrmesos.api.tasks import BatchReducer, Reducer, SortedReducer
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.shuffle.aggregate import combine_with, each_alone
from mrmesos.io.shuffle.grouping import without_repeats
from mrmesos.io.shuffle.merge import group_spans
from mrmesos.task.collect.adaptive_fold import AdaptiveFold
from mrmesos.task.collect.repeated_keys import (
    RepeatedKeys,
    by_code,
    by_span,
    put_back,
    without,
)
from mrmesos.task.drivers.record_feed import Groups
from mrmesos.task.drivers.reduce_driver import BatchGroupReducer, GroupReducer, SortedFolder
from mrmesos.task.drivers.user_code import make_task, wrong_use

Batches = Iterator[pa.RecordBatch]

# Folding pays if it leaves at most this part of the records. To number keys in Arrow costs 60 ns a
# record. To sort, write, merge and read a record that is left costs 250 ns.
_WORTHWHILE = 0.75
# Grouping in a dict saves the numbering and the column, but calls the combiner for every key.
_GROUPS_WORTHWHILE = 0.2
_DISTINCT_WORTHWHILE = 0.35


class Combiner(Protocol):
    """Folds the output of a map task. Batches have the columns `key` and `value`.

    By default, a subclass takes no groups of Python objects, and `close` does nothing.
    """

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        """Take one batch from the mapper, in any order. Fold it if that pays or is required."""

    def wants_groups(self) -> bool:
        """Whether pairs of Python objects should come through `fold_groups` now."""
        return False

    def fold_groups(self, groups: Groups, rows: int) -> Batches | None:
        """Fold `rows` pairs that are grouped by key; None if that does not pay."""
        del groups, rows
        return None

    def fold_sorted(self, batches: Batches) -> Batches:
        """Fold batches that are sorted by key. Some may be folded before. Keeps the order."""

    def close(self) -> None:
        """End the combiner. Raises TaskError if the user's `close()` fails or yields records."""
        return

    @property
    def records(self) -> tuple[int, int]:
        """How many records went into the folds of batches and groups, and how many came out."""


def make_combiner(job: Job, context: Context, encoder: ColumnEncoder) -> Combiner | None:
    """The job's combiner, or the first half of its aggregate, or None."""
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
    """The sort column with a number for each distinct key; None if there are no keys to compare."""
    column = sort_column(batch)
    if pa.types.is_null(column.type) or not len(column):
        return None
    return pc.dictionary_encode(column, null_encoding="encode")


class ReducerCombiner(Combiner):
    """A per-record Reducer as combiner."""

    def __init__(self, combiner: Reducer, encoder: ColumnEncoder) -> None:
        self._combiner = combiner
        self._reducer = GroupReducer(combiner, encoder, "combiner", "map")
        self._fold = AdaptiveFold(_WORTHWHILE)
        self._fold_of_groups = AdaptiveFold(_GROUPS_WORTHWHILE)

    @property
    def records(self) -> tuple[int, int]:
        return self._fold.taken, self._fold.given

    def wants_groups(self) -> bool:
        return not self._fold_of_groups.paused

    def fold_groups(self, groups: Groups, rows: int) -> Batches | None:
        if not self._fold_of_groups.pays(rows, len(groups)):
            return None
        made = self._reducer.over_groups(list(groups), map(iter, groups.values()))
        return self._counted(made, rows)

    def fold_counts(self, keys: list[Any], value: Any, counts: list[int]) -> Batches:
        """Fold keys. `counts` has the number of pairs of each key, all with this value."""
        made = self._reducer.over_groups(keys, map(repeat, repeat(value), counts))
        return self._counted(made, sum(counts))

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        self._fold_of_groups.wanted()  # shortens the pause by this batch
        if not self._fold.wanted():
            return iter((batch,))
        batch = with_sort_column(batch)
        encoded = _encoded(batch)
        if encoded is None:
            return iter((batch,))
        codes, distinct = encoded.indices.to_numpy(), len(encoded.dictionary)
        groups = by_code(codes, distinct)
        if not self._fold.pays(batch.num_rows, batch.num_rows - len(groups.rows) + len(groups)):
            return iter((batch,))
        made = self._counted(self._reduced(batch, groups), len(groups.rows))
        return chain((without(batch, groups.rows),), made)

    def _reduced(self, batch: pa.RecordBatch, groups: RepeatedKeys) -> Batches:
        """Call the reducer on these groups."""
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
        self._fold.taken += taken
        for batch in batches:
            self._fold.given += batch.num_rows
            yield batch

    def fold_sorted(self, batches: Batches) -> Batches:
        """See Combiner. If a key has records in two batches, they are folded separately."""
        for batch in batches:
            groups = by_span(group_spans(batch))
            if len(groups):
                yield from put_back(batch, groups, self._reduced(batch, groups))
            else:
                yield batch

    def close(self) -> None:
        _nothing(self._reducer.close(), self._combiner)


class BatchCombiner(Combiner):
    """A BatchReducer or SortedReducer as combiner. It sees sorted batches only."""

    def __init__(self, combiner: BatchReducer | SortedReducer) -> None:
        self._combiner = combiner
        self._reducer: BatchGroupReducer | SortedFolder
        if isinstance(combiner, SortedReducer):
            self._reducer = SortedFolder(combiner, "combiner", "map")
        else:
            self._reducer = BatchGroupReducer(combiner, "combiner", "map")

    @property
    def records(self) -> tuple[int, int]:
        return 0, 0

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        return iter((batch,))

    def fold_sorted(self, batches: Batches) -> Batches:
        return self._reducer.over_sorted(batches)

    def close(self) -> None:
        _nothing(self._reducer.close(), self._combiner)


class AggregateCombiner(Combiner):
    """An aggregate over keys that are grouped by their first fields: these must be sorted.

    It calls `initial` on every batch from the mapper, and `merge` from then on.
    """

    def __init__(self, aggregate: type[Aggregate]) -> None:
        self._aggregate = aggregate
        self._merge = combine_with(aggregate, "merge")

    @property
    def records(self) -> tuple[int, int]:
        return 0, 0

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        """See Combiner. Equal keys are merged later, after the sort."""
        yield each_alone(batch, self._aggregate.initial, self._aggregate.n)

    def fold_sorted(self, batches: Batches) -> Batches:
        return self._merge(batches)


class DistinctCombiner(Combiner):
    """For an aggregate of distinct values: drops repeated pairs.

    In sorted batches, each key also holds its value (see `io.grouping`).
    """

    def __init__(self) -> None:
        self._fold = AdaptiveFold(_DISTINCT_WORTHWHILE)

    @property
    def records(self) -> tuple[int, int]:
        return self._fold.taken, self._fold.given

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        kinds = [field.type for field in batch.schema]
        unhashed = any(
            pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType) for kind in kinds
        )
        if unhashed or not self._fold.wanted():
            yield batch
            return
        table = pa.Table.from_batches([batch])
        unique = table.group_by([KEY, VALUE], use_threads=False).aggregate([])
        if not self._fold.pays(batch.num_rows, unique.num_rows):
            yield batch
            return
        self._fold.taken += batch.num_rows
        self._fold.given += unique.num_rows
        yield from unique.select([KEY, VALUE]).cast(batch.schema).to_batches()

    def fold_sorted(self, batches: Batches) -> Batches:
        return without_repeats(batches)


def _nothing(batches: Batches, combiner: Reducer | BatchReducer | SortedReducer) -> None:
    for _ in batches:
        name = type(combiner).__name__
        raise wrong_use(
            f"{name}.close() yields records, which a combiner cannot do: it may run any number "
            "of times; use a combiner whose close() yields nothing",
            where=f"combiner {name}.close()",
        )
