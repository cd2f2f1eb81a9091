"""Folding a map's output by key: each chunk as it leaves the mapper, and sorted runs as they spill.

Sorting costs several times what hashing costs, and words repeat within a chunk far more often than
sorting can make use of. So a chunk's equal keys are brought together by Arrow's dictionary encoding
and combined before they are sorted at all; the sort buffer combines what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.context import Context
from mrmesos.api.job import Job
from mrmesos.api.tasks import BatchReducer, Reducer
from mrmesos.io.aggregate import combine_with
from mrmesos.io.batches import take
from mrmesos.io.columns import ColumnEncoder
from mrmesos.io.decode import decode_column
from mrmesos.io.grouping import without_repeats
from mrmesos.io.merge import group_spans
from mrmesos.io.schema import KEY, SORT, VALUE
from mrmesos.io.sortkey import sort_column, with_sort_column
from mrmesos.tasktracker.large_groups import (
    LargeGroups,
    by_code,
    by_span,
    enough,
    put_back,
    radix_order,
    without,
)
from mrmesos.tasktracker.records import Groups
from mrmesos.tasktracker.reducing import BatchGroupReducer, GroupReducer
from mrmesos.tasktracker.user_code import make_task, wrong_use

Batches = Iterator[pa.RecordBatch]

# What is left of the records where folding them pays: numbering keys in Arrow costs 60 ns a record,
# sorting, writing, merging and reading one that is left 250 ns.
_WORTHWHILE = 0.75
# Finding the key's list in a dict saves that, and making a column; but it calls for every key.
_GROUPS_WORTHWHILE = 0.2
_DISTINCT_WORTHWHILE = 0.35
_PAUSE_MAX = 64


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


class _Adviser:
    """Whether folding chunks before the sort pays: pauses, longer each time, where it does not."""

    def __init__(self, worthwhile: float) -> None:
        self.taken = self.given = 0
        self._worthwhile = worthwhile
        self._pause = self._next_pause = 0

    @property
    def paused(self) -> bool:
        """Whether `wanted` would say no."""
        return self._pause > 0

    def wanted(self) -> bool:
        """Whether the next chunk should be tried."""
        if self._pause:
            self._pause -= 1
            return False
        return True

    def pays(self, rows: int, distinct: int) -> bool:
        """Learn that `rows` records have `distinct` keys; whether to fold them."""
        if distinct <= self._worthwhile * rows:
            self._next_pause = 0
            return True
        self._next_pause = min(_PAUSE_MAX, 2 * self._next_pause + 1)
        self._pause = self._next_pause
        return False


class _Grouping:
    """Rows brought together by key, in order of first appearance; stable within a key.

    `order` lists the rows so, `starts` where each key's begin (and the end), `firsts` its first.
    """

    def __init__(self, encoded: pa.DictionaryArray) -> None:
        self.distinct = len(encoded.dictionary)
        self.codes = encoded.indices.to_numpy()
        self.order = radix_order(self.codes, self.distinct)
        self.starts = np.zeros(self.distinct + 1, np.int64)
        np.cumsum(np.bincount(self.codes, minlength=self.distinct), out=self.starts[1:])
        self.firsts = self.order[self.starts[:-1]]


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
        self._adviser = _Adviser(_WORTHWHILE)
        self._groups_adviser = _Adviser(_GROUPS_WORTHWHILE)

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
    """An aggregate's first halves: `initial` on every batch of the mapper, `merge` ever after."""

    def __init__(self, aggregate: type[Aggregate]) -> None:
        self._initial = combine_with(aggregate, "initial")
        self._merge = combine_with(aggregate, "merge")
        self._function = aggregate.initial
        self._adviser = _Adviser(_WORTHWHILE)

    @property
    def records(self) -> tuple[int, int]:
        """See Combiner."""
        return self._adviser.taken, self._adviser.given

    def fold_batch(self, batch: pa.RecordBatch) -> Batches:
        """See Combiner."""
        batch = with_sort_column(batch)
        encoded = _encoded(batch) if self._adviser.wanted() else None
        if encoded is None:
            yield from self._each_alone(batch)
            return
        self._adviser.pays(batch.num_rows, len(encoded.dictionary))  # for the next time
        self._adviser.taken += batch.num_rows
        for folded in self._folded(batch, encoded):
            self._adviser.given += folded.num_rows
            yield folded

    def _folded(self, batch: pa.RecordBatch, encoded: pa.DictionaryArray) -> Batches:
        """Folded by the numbers of the keys, which are cheaper to move about than keys."""
        added = self._added(batch.column(VALUE), encoded)
        if added is not None and SORT not in batch.schema.names:
            fields = [batch.schema.field(KEY), pa.field(VALUE, added.type)]
            columns = [encoded.dictionary, added]
            yield pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
            return
        grouping = _Grouping(encoded)
        codes = grouping.codes[grouping.order].astype(np.int64)
        values = batch.column(VALUE).take(pa.array(grouping.order))
        firsts = take(batch, grouping.firsts)
        for folded in self._initial((_numbered(codes, batch, values),)):
            # One row for each number, ascending; perhaps in several batches.
            keys = firsts.slice(folded.column(KEY)[0].as_py(), folded.num_rows)
            yield _with_values(keys, folded)

    def _added(self, values: pa.Array, encoded: pa.DictionaryArray) -> pa.Array | None:
        """How many, or the sum, for each number of a key, where doubles are exact; else None."""
        codes, distinct = encoded.indices.to_numpy(), len(encoded.dictionary)
        if self._function == "count_all":
            return pa.array(np.bincount(codes, minlength=distinct))
        if self._function != "sum" or values.null_count or not pa.types.is_int64(values.type):
            return None
        numbers = values.to_numpy()
        if max(int(numbers.max()), -int(numbers.min())) * len(numbers) >= 1 << 53:
            return None
        sums = np.bincount(codes, weights=numbers, minlength=distinct)
        return pa.array(sums.astype(np.int64))

    def _each_alone(self, batch: pa.RecordBatch) -> Batches:
        """A partial result of each record: what the sort brings together is merged there."""
        done = 0
        rows = np.arange(batch.num_rows)
        for folded in self._initial((_numbered(rows, batch, batch.column(VALUE)),)):
            yield _with_values(batch.slice(done, folded.num_rows), folded)
            done += folded.num_rows

    def fold_sorted(self, batches: Batches) -> Batches:
        """See Combiner."""
        return self._merge(batches)


class DistinctCombiner(Combiner):
    """For an aggregate of distinct values: drops pairs that were there already.

    Sorted ones are keys with their values, as `io.grouping` composes them.
    """

    def __init__(self) -> None:
        self._adviser = _Adviser(_DISTINCT_WORTHWHILE)

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


def _numbered(
    numbers: npt.NDArray[np.int64], batch: pa.RecordBatch, values: pa.Array
) -> pa.RecordBatch:
    """Values of the batch under numbers as keys."""
    schema = pa.schema([pa.field(KEY, pa.int64()), batch.schema.field(VALUE)])
    return pa.RecordBatch.from_arrays([pa.array(numbers), values], schema=schema)


def _with_values(keys: pa.RecordBatch, folded: pa.RecordBatch) -> pa.RecordBatch:
    fields = [folded.schema.field(VALUE) if each.name == VALUE else each for each in keys.schema]
    columns = [(folded if each.name == VALUE else keys).column(each.name) for each in fields]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _nothing(batches: Batches, combiner: Reducer | BatchReducer) -> None:
    for _ in batches:
        name = type(combiner).__name__
        raise wrong_use(
            f"{name}.close() yields records, which a combiner cannot: it is called between any "
            "two spills; name a class without that as combiner",
            where=f"combiner {name}.close()",
        )
