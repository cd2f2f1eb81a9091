"""Drives reducers and combiners: a Reducer gets groups, a BatchReducer batches of whole groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from operator import length_hint
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.tasks import BatchMapper, BatchReducer, Mapper, Reducer, SortedReducer
from mrmesos.io.columns.batches import cut
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError, is_bytes, is_text
from mrmesos.io.columns.signed import has_pickles, unmarked
from mrmesos.io.columns.sorting import changes
from mrmesos.io.columns.sortkey import drop_sort_column, sort_column, with_sort_column
from mrmesos.io.columns.tabular import plain_batch
from mrmesos.io.shuffle.aggregate import Stage, combine_with
from mrmesos.io.shuffle.merge import group_spans, grouped_batches, same_key, whole_groups
from mrmesos.task.drivers.record_feed import ChunkSize, NotAPair, drain, flatten
from mrmesos.task.drivers.user_code import TaskError, describe, shorten, wrong_use

WHOLE_GROUPS_BYTES = 64 << 20
"""Most bytes of a batch for a BatchReducer. So one key's records may not be larger either."""
_BATCH_BYTES = 32 << 20
"""Batches from a vectorised class are cut to this size for the kernels that follow."""


class Guard:
    """Passes batches on, and remembers an error of reading them.

    User code pulls a reducer's values, so disks and the network are read inside user code. An error
    of such a read passes through user code, which may even swallow it. The user is not to blame for
    it.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.fault: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except Exception as exc:
            self.fault = exc
            raise

    def check(self) -> None:
        """Raise the error of a read that failed below the user's code."""
        if self.fault is not None:
            raise self.fault


class Folder(Protocol):
    """Turns sorted batches into output."""

    name: str

    @property
    def groups(self) -> int:
        """Number of keys so far."""

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Call the user's class for each group of the sorted batches, lazily. Yields its output."""

    def close(self) -> Iterator[pa.RecordBatch]:
        """Close the user's class. Yields its last output."""


class GroupReducer:
    """Drives one Reducer, as reducer or as combiner. `groups` counts the keys it has received.

    `role` ("reducer" or "combiner") and `kind` ("map" or "reduce") appear in messages.
    """

    def __init__(self, reducer: Reducer, encoder: ColumnEncoder, role: str, kind: str) -> None:
        self._reducer = reducer
        self._encoder = encoder
        self.chunk = ChunkSize()
        self._usage = (
            f"{type(reducer).__name__}.reduce() takes a key and an iterator of values and yields "
            "(key, value) pairs"
        )
        self._role = role
        self._kind = kind
        self._keys: list[Any] = []  # of the current groups; `_position` iterates over them
        self._position: Iterator[Any] = iter(())
        self._guard = Guard(())
        self.name = type(reducer).__name__
        self._done = 0

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        self._guard = Guard(batches)
        reduce = self._reducer.reduce
        calls = (
            map(reduce, self._begun(keys), values)
            for keys, values in grouped_batches(iter(self._guard))
        )
        yield from self._drain(flatten(reduce, chain.from_iterable(calls)))

    def over_groups(
        self, keys: list[Any], values: Iterable[Iterator[Any]]
    ) -> Iterator[pa.RecordBatch]:
        """Call the reducer for these groups; `values` has one iterator for each key."""
        reduce = self._reducer.reduce
        yield from self._drain(flatten(reduce, map(reduce, self._begun(keys), values)))

    def close(self) -> Iterator[pa.RecordBatch]:
        self._begun([])
        yield from self._drain(self._closing())

    def _closing(self) -> Iterator[Any]:
        yield from self._reducer.close() or ()

    @property
    def groups(self) -> int:
        """How many keys the reducer has received, from the position of the keys' iterator."""
        return self._done + len(self._keys) - length_hint(self._position)

    def _begun(self, keys: list[Any]) -> Iterator[Any]:
        """Begin the next keys. All earlier keys are done."""
        self._done += len(self._keys)
        self._keys, self._position = keys, iter(keys)
        return self._position

    def _drain(self, items: Iterator[Any]) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                keys, values = drain(items, self.chunk.pairs)
            except NotAPair as exc:
                raise self.error(exc) from None
            except BaseException as exc:
                raise self.error(exc) from exc
            self._guard.check()
            if not keys:
                return
            yield from self._encoded(keys, values)

    def _encoded(self, keys: list[Any], values: list[Any]) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._encoder.encode(keys, values)
        except RecordTypeError as exc:
            raise wrong_use(str(exc), where=self.where()) from exc
        self.chunk.learn(keys, values)

    def error(self, exc: BaseException) -> TaskError:
        """The error to report for the reducer's exception, or for a value that it yielded.

        If the values could not be read, this raises the error of the read.
        """
        self._guard.check()
        if isinstance(exc, NotAPair):
            return not_a_pair(self._reducer, exc.item, where=self.where())
        return TaskError(describe(exc, where=self.where(), kind=self._kind, usage=self._usage))

    def where(self) -> str:
        """The place of the current key."""
        place = f"{self._role} {self.name}"
        begun = len(self._keys) - length_hint(self._position)
        return f"{place}, key {shorten(self._keys[begun - 1])}" if begun > 0 else place


class BatchGroupReducer:
    """Drives one BatchReducer, as reducer or as combiner."""

    def __init__(self, reducer: BatchReducer, role: str, kind: str) -> None:
        self._reducer = reducer
        self._where = f"{role} {type(reducer).__name__}"
        self._kind = kind
        self.name = type(reducer).__name__
        self.groups = 0

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for whole in whole_groups(batches, WHOLE_GROUPS_BYTES):
            self.groups += len(group_spans(whole)) - 1
            yield from self._reduced(self._plain(whole))

    def _plain(self, groups: pa.RecordBatch) -> pa.RecordBatch:
        """The columns that the reducer sees."""
        self._reducer.context.given_pickles |= has_pickles(groups)
        try:
            return plain_batch(groups.select([KEY, VALUE]))
        except RecordTypeError as exc:
            raise wrong_use(str(exc), where=self._where) from exc

    def _reduced(self, groups: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Call the reducer for these whole groups."""
        call = self._reducer.reduce_batch
        return user_batches(self._reducer, call, (groups,), self._where, self._kind)

    def close(self) -> Iterator[pa.RecordBatch]:
        where = f"{self._where}.close()"
        return user_batches(self._reducer, self._reducer.close, (), where, self._kind)


class IdentityFolder:
    """For the class Reducer and its like themselves: sorted records go to the output unchanged."""

    def __init__(self, reducer: Reducer | BatchReducer | SortedReducer) -> None:
        self.name = type(reducer).__name__
        self.groups = 0

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        last: pa.RecordBatch | None = None
        for batch in batches:
            if not batch.num_rows:
                continue
            ready = with_sort_column(batch)
            self.groups += len(changes(sort_column(ready)))
            self.groups += last is None or not same_key(last, ready)
            last = ready.slice(batch.num_rows - 1)
            yield drop_sort_column(ready)

    def close(self) -> Iterator[pa.RecordBatch]:
        return iter(())


class SortedFolder:
    """Drives one SortedReducer, as reducer or as combiner. Each call gets one sorted run."""

    def __init__(self, reducer: SortedReducer, role: str, kind: str) -> None:
        self._reducer = reducer
        self._where = f"{role} {type(reducer).__name__}"
        self._kind = kind
        self._passed = IdentityFolder(reducer)
        self.name = type(reducer).__name__

    @property
    def groups(self) -> int:
        return self._passed.groups

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        guard = Guard(map(self._plain, self._passed.over_sorted(batches)))
        call = self._reducer.reduce_sorted
        try:
            yield from user_batches(self._reducer, call, (iter(guard),), self._where, self._kind)
        except TaskError:
            guard.check()
            raise

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self._reducer.context.given_pickles |= has_pickles(batch)
        return plain_batch(batch)

    def close(self) -> Iterator[pa.RecordBatch]:
        return iter(())


def is_identity(reducer: Reducer | BatchReducer | SortedReducer) -> bool:
    """Whether the reducer only passes its records on."""
    bases = (Reducer, BatchReducer, SortedReducer)
    base = next(each for each in bases if isinstance(reducer, each))
    methods = ("reduce", "reduce_batch", "reduce_sorted", "close")
    return all(getattr(type(reducer), name, None) is getattr(base, name, None) for name in methods)


class AggregateFolder:
    """The last step of an aggregate: merges the partial results of the maps."""

    def __init__(self, aggregate: type[Aggregate]) -> None:
        self._aggregate = aggregate
        self.name = aggregate.__name__
        self.groups = 0

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        stage: Stage = "whole" if self._aggregate.distinct else "final"
        for batch in combine_with(self._aggregate, stage)(batches):
            self.groups += batch.num_rows
            yield batch

    def close(self) -> Iterator[pa.RecordBatch]:
        return iter(())


def user_batches(
    task: BatchMapper | BatchReducer | SortedReducer,
    call: Any,
    args: tuple[Any, ...],
    where: str,
    kind: str,
) -> Iterator[pa.RecordBatch]:
    """Call a method of a vectorised class and check the batches that it yields. Raises TaskError.

    If its input has no pickled columns, a column that it marks as pickled comes from a foreign
    file.
    """
    batches: Iterator[Any] | None = None
    while True:
        try:
            if batches is None:
                result = call(*args)
                if result is None:
                    return
                if isinstance(result, pa.RecordBatch | pa.Table):
                    result = (result,)
                batches = iter(result)
            batch = next(batches)
        except StopIteration:
            return
        except BaseException as exc:
            raise TaskError(describe(exc, where=where, kind=kind)) from exc
        yield from _checked(task, batch, where)


def _checked(
    task: BatchMapper | BatchReducer | SortedReducer, batch: object, where: str
) -> Iterator[pa.RecordBatch]:
    name = type(task).__name__
    if isinstance(batch, pa.Table):
        pieces = batch.to_batches()
    elif isinstance(batch, pa.RecordBatch):
        pieces = [batch]
    else:
        raise wrong_use(
            f"{name} yielded {shorten(batch)}, which is not a pyarrow.RecordBatch; "
            "make one with mrmesos.api.pairs(key, value)",
            where=where,
        )
    for piece in pieces:
        if sorted(piece.schema.names) != [KEY, VALUE]:
            raise wrong_use(
                f"{name} yielded a batch with the columns {piece.schema.names}; it needs "
                "'key' and 'value' and no others: make it with mrmesos.api.pairs(key, value)",
                where=where,
            )
        yield from _cut(piece if task.context.given_pickles else unmarked(piece))


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch of any size into plain batches that every Arrow kernel can handle."""
    rows = batch.num_rows
    fitting = max(1, rows)
    for column in batch.columns:
        kind = column.type
        if pa.types.is_dictionary(kind) and (is_text(kind.value_type) or is_bytes(kind.value_type)):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 1
            fitting = min(fitting, max(1, _BATCH_BYTES // longest))  # decoding expands each entry
    for start in range(0, rows, fitting):
        yield from cut(_plain(batch.slice(start, fitting)), fitting, _BATCH_BYTES)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Columns `key` and `value`. Dictionaries and views are decoded: segments hold neither."""
    columns, fields = [], []
    for name in (KEY, VALUE):
        column, field = batch.column(name), batch.schema.field(name)
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.dictionary_decode()
        elif pa.types.is_string_view(kind):
            column = column.cast(pa.string())
        elif pa.types.is_binary_view(kind):
            column = column.cast(pa.binary())
        columns.append(column)
        fields.append(pa.field(name, column.type, metadata=field.metadata))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def not_a_pair(task: Mapper | Reducer, item: object, *, where: str, record: str = "") -> TaskError:
    """The error of a class that yielded something other than a pair."""
    name = type(task).__name__
    method = "map" if isinstance(task, Mapper) else "reduce"
    hint = ""
    if isinstance(item, tuple):
        hint = f" of {len(item)}"
    elif not isinstance(item, list):
        hint = f"; does {method}() return one pair instead of yielding it?"
    return wrong_use(
        f"{name}.{method}() yielded {shorten(item)}, which is not a (key, value) pair"
        f"{' but a tuple' if isinstance(item, tuple) else ''}{hint}",
        where=where,
        record=record,
    )
