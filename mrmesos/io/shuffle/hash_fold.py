"""Folding records by key in the order of their hashes, which an aggregate uses instead of a sort.

numpy sorts 64-bit integers with vector instructions. This is ten times faster than sorting keys, or
looking them up in a table larger than the caches. So records with equal keys are brought together
by their hash. Keys need no order until the reduce has one row of each. Partitions are ranges of
hashes, so a map's rows are then also in the order of partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api.aggregates import Aggregate, Fold
from mrmesos.io.columns.batches import concat
from mrmesos.io.columns.schema import KEY, SORT, VALUE
from mrmesos.io.columns.sorting import as_integers, changes, is_binary_like
from mrmesos.io.columns.sortkey import coded, sort_column, with_sort_column
from mrmesos.io.columns.unify import unify_batches
from mrmesos.io.shuffle.aggregate import each_alone, fold_groups
from mrmesos.io.shuffle.hash_partition import hash_column

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

_RANGE_BITS = 12
_AT_ONCE = 1 << 16
_ENOUGH_ROWS = 1 << 17
_ENOUGH_BYTES = 4 << 20
_TINY_BYTES = 4 << 10
_MENDED_MAX = 256
_REPEATING = 0.35
_NUMBERED_MAX = 1 << 16
_SELDOM = 0.95  # if more of a piece's records have different keys, to fold it does not pay
_UNFOLDED = 7  # pieces that are then not folded
_SAMPLED, _SAMPLED_MIN = 1 << 16, 64
_INJECTIVE = 8  # different texts of one length up to this have different hashes


class Hashed(msgspec.Struct, frozen=True):
    """One row for each key in the order of hashes, with a sort column if keys need one."""

    batch: pa.RecordBatch
    hashes: Hashes

    @property
    def nbytes(self) -> int:
        """Memory (bytes) of the batch and the hashes."""
        return int(self.batch.nbytes) + self.hashes.nbytes

    def cut(self, bounds: Hashes) -> list[Hashed]:
        """The rows before the first bound, then from each bound to the next, without copying."""
        places = [0, *np.searchsorted(self.hashes, bounds).tolist(), len(self.hashes)]
        return [
            Hashed(self.batch.slice(start, end - start), self.hashes[start:end])
            for start, end in pairwise(places)
        ]


class HashFold:
    """Partial results of an aggregate by key, within `max_bytes`. For one thread.

    New records are folded by `first` (partial results by `merge`) in small pieces that fit the
    processor's caches. While long keys repeat often, Arrow numbers them first, and only one of each
    is hashed. While keys seldom repeat, pieces are only put in order. When the results grow too
    large, they are folded again, by ranges of hashes, which also fit the caches. Raises
    RecordTypeError and the errors of folds.
    """

    def __init__(self, aggregate: type[Aggregate], first: Fold, max_bytes: int) -> None:
        self._first, self._merge, self._n = first, aggregate.merge, aggregate.n
        self._max_bytes = max_bytes
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._waiting_fold: Fold = first
        self._held: list[Hashed] = []
        self._held_bytes = 0
        self._is_folded = True
        self._repeat = False  # whether long keys repeated often in the last piece
        self._unfolded = 0  # how many of the next pieces are only put in order

    def has_room(self, batch: pa.RecordBatch) -> bool:
        """Whether the batch still fits; if not, call `take` before `add`."""
        most = self._max_bytes - _bytes_of(batch)
        if self._held_bytes + self._waiting_bytes <= most:
            return True
        self._fold()
        return self._held_bytes <= min(most, self._max_bytes // 2)

    def add(self, batch: pa.RecordBatch, *, partial: bool = False) -> None:
        """Add records, or partial results."""
        if not batch.num_rows:
            return
        waiting, fold = self._waiting, self._merge if partial else self._first
        same = fold == self._waiting_fold
        if waiting and not (same and waiting[-1].schema.equals(batch.schema, check_metadata=True)):
            self._absorb()
        self._waiting_fold = fold
        waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += _bytes_of(batch)
        if self._waiting_rows >= _ENOUGH_ROWS or self._waiting_bytes >= _ENOUGH_BYTES:
            self._absorb()

    def take(self) -> list[Hashed]:
        """Remove and return all results: one row for each key, with ascending hashes."""
        self._fold()
        held, self._held, self._held_bytes = self._held, [], 0
        return held

    def _absorb(self) -> None:
        if not self._waiting:
            return
        batch = with_sort_column(concat(self._waiting))
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        self._is_folded = not self._held
        fold = self._waiting_fold
        piece = _numbered(batch, fold, self._n) if self._repeat else None
        if piece is None:
            alone = self._unfolded > 0
            piece = _folded(batch, _hashes(batch), fold, self._n, alone=alone)
            if alone:
                self._unfolded -= 1
                self._is_folded = False
            elif len(piece.hashes) > _SELDOM * batch.num_rows:
                self._unfolded = _UNFOLDED
        self._repeat = _repeat(piece.batch.column(KEY), batch.num_rows)
        self._hold(piece)

    def _hold(self, piece: Hashed) -> None:
        self._held.append(piece)
        self._held_bytes += piece.nbytes

    def _fold(self) -> None:
        self._absorb()
        if self._is_folded:
            return
        pieces, self._held, self._held_bytes = self._held, [], 0
        rows = sum(len(piece.hashes) for piece in pieces)
        wide = -(-(1 << _RANGE_BITS) // max(1, rows // _ENOUGH_ROWS))
        bounds = np.arange(wide, 1 << _RANGE_BITS, wide, dtype=np.uint64)
        bounds <<= np.uint64(64 - _RANGE_BITS)
        for parts in zip(*(piece.cut(bounds) for piece in pieces), strict=True):
            batch = concat(unify_batches([part.batch for part in parts]))
            if batch.num_rows:
                hashes = np.concatenate([part.hashes for part in parts])
                self._hold(_folded(batch, hashes, self._merge, self._n))
        self._is_folded = True


def distinct_part(runs: Sequence[pa.RecordBatch]) -> float:
    """An estimate of how many keys there are for each record of some runs, above 0 and at most 1.

    Gets the first batch of each run. A fold wrote the runs, so they begin with the lowest hashes.
    """
    rows = max(_SAMPLED_MIN, _SAMPLED // max(1, len(runs)))
    samples = [_hashes(with_sort_column(run.slice(0, rows))) for run in runs]
    # Up to the smallest of these hashes, the samples have all keys of all runs.
    ends = [hashes[-1] for run, hashes in zip(runs, samples, strict=True) if run.num_rows > rows]
    found = np.concatenate([np.empty(0, np.uint64), *samples])
    found = found[found <= min(ends)] if ends else found
    return len(np.unique(found)) / len(found) if len(found) else 1.0


def _hashes(batch: pa.RecordBatch) -> Hashes:
    column = sort_column(batch)
    return hash_column(coded(column) if SORT in batch.schema.names else column)


def _bytes_of(batch: pa.RecordBatch) -> int:
    """The size of the batch with its hashes. That of a tiny one may be too large, because its exact
    size takes longer to compute than the batch takes to decode.
    """
    size = int(batch.get_total_buffer_size())
    if size > _TINY_BYTES:
        size = int(batch.nbytes)
    return size + 8 * int(batch.num_rows)


def _folded(
    batch: pa.RecordBatch, hashes: Hashes, how: Fold, n: int, *, alone: bool = False
) -> Hashed:
    """The records in the order of hashes: one row for each key, or for each record (`alone`)."""
    if bool((hashes[1:] > hashes[:-1]).all()):  # the result of another fold: one row per key
        return Hashed(each_alone(batch, how, n), hashes)
    if alone:
        order, found = _in_hash_order(hashes)
        starts = np.arange(len(order) + 1)
        return Hashed(fold_groups(batch, order, starts, how, n), found)
    are_codes = SORT in batch.schema.names
    order, starts, found = group_by_hash(sort_column(batch), hashes, are_codes=are_codes)
    return Hashed(fold_groups(batch, order, starts, how, n), found)


def _repeat(keys: pa.Array, records: int) -> bool:
    """Whether keys repeat often, and most are long. Then to number the next records pays.

    Texts of up to eight bytes are hashed and compared faster than Arrow looks them up.
    """
    if len(keys) > _REPEATING * records or not is_binary_like(keys):
        return False
    return 2 * int(np.count_nonzero(_sizes(keys) > _INJECTIVE)) > len(keys)


def _numbered(batch: pa.RecordBatch, how: Fold, n: int) -> Hashed | None:
    """The same as `_folded`, with a hash of each key instead of each record.

    None if the keys are no plain texts, or too many.
    """
    column = batch.column(KEY)
    if SORT in batch.schema.names or not is_binary_like(column) or column.null_count:
        return None
    encoded = pc.dictionary_encode(column)
    codes, keys = encoded.indices.to_numpy(), encoded.dictionary
    if len(keys) > _NUMBERED_MAX:
        return None
    by_hash, hashes = _in_hash_order(hash_column(keys))
    counts = np.bincount(codes, minlength=len(keys))[by_hash]
    if how == "count_all":
        schema = pa.schema([batch.schema.field(KEY), pa.field(VALUE, pa.int64())])
        columns = [keys.take(pa.array(by_hash)), pa.array(counts)]
        return Hashed(pa.RecordBatch.from_arrays(columns, schema=schema), hashes)
    rank = np.empty(len(keys), np.uint16)
    rank[by_hash] = np.arange(len(keys), dtype=np.uint16)
    order = np.argsort(rank.take(codes), kind="stable")  # numpy sorts 16-bit integers by radix
    starts = np.zeros(len(keys) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return Hashed(fold_groups(batch, order, starts, how, n), hashes)


def group_by_hash(
    column: pa.Array, hashes: Hashes, *, are_codes: bool = False
) -> tuple[Rows, Rows, Hashes]:
    """The rows of a sort column in the order of their hashes, with equal keys together; stable.

    Codes of keys (`are_codes`) are hashed by value, and a text has the hash of its bytes. So
    different codes of any length may have one hash.

    Also returns the start of each key in that order, and the end, and the hashes of the keys.
    Different keys with the same hash stay separate.
    """
    order, found = _in_hash_order(hashes)
    begins = np.ones(len(order) + 1, np.bool_)
    differs = begins[1:-1]
    np.not_equal(found[1:], found[:-1], out=differs)
    if not _tells_apart(column, order, differs, 0 if are_codes else _INJECTIVE):
        order, starts = _group_by_key(column, hashes)
        return order, starts, hashes.take(order.take(starts[:-1]))
    starts = np.flatnonzero(begins)
    return order, starts, found.take(starts[:-1])


def _in_hash_order(hashes: Hashes) -> tuple[Rows, Hashes]:
    """A stable argsort, and the hashes in that order.

    It sorts 64-bit numbers of the upper bits of a hash and the row number. Then it corrects the few
    rows that differ only in the omitted bits.
    """
    rows = len(hashes)
    mask = np.uint64((1 << rows.bit_length()) - 1)
    both = hashes & ~mask
    both |= np.arange(rows, dtype=np.uint64)
    both.sort()
    both &= mask
    order: Rows = both.view(np.int64)
    found: Hashes = hashes.take(order)
    wrong = np.flatnonzero(found[1:] < found[:-1])
    if len(wrong) > _MENDED_MAX:
        order = order[np.argsort(found, kind="stable")]
        return order, hashes[order]
    coarse = found & ~mask if len(wrong) else found
    for place in wrong.tolist():
        first, end = (np.searchsorted(coarse, coarse[place], side) for side in ("left", "right"))
        within = np.argsort(found[first:end], kind="stable")
        order[first:end] = order[first:end][within]
        found[first:end] = found[first:end][within]
    return order, found


def _tells_apart(
    column: pa.Array, order: Rows, differs: npt.NDArray[np.bool_], injective: int
) -> bool:
    """Whether all neighbours with the same hash also have the same key.

    Different texts of one length up to `injective` never have the same hash.
    """
    if pa.types.is_null(column.type):
        return True
    if column.null_count:
        return _compared(column, order, differs)
    if not is_binary_like(column):
        numbers = as_integers(column).take(order)
        return bool((differs | (numbers[1:] == numbers[:-1])).all())
    sizes = _sizes(column)
    least, most = int(np.min(sizes, initial=255)), int(np.max(sizes, initial=0))
    if least == most <= injective:
        return True
    found = sizes.take(order)
    if not bool((differs | (found[1:] == found[:-1])).all()):
        return False
    return most <= injective or _same_text(column, order, ~differs & (found[1:] > injective))


def _sizes(column: pa.Array) -> npt.NDArray[np.uint8]:
    """Lengths of texts as one byte each (255 for longer ones), so that many fit the caches."""
    _, offset_buffer, _ = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(column) + 1, column.offset * 4)
    sizes = offsets[1:] - offsets[:-1]
    if int(np.max(sizes, initial=0)) > 255:
        np.minimum(sizes, 255, out=sizes)
    return sizes.astype(np.uint8)


def _same_text(column: pa.Array, order: Rows, doubtful: npt.NDArray[np.bool_]) -> bool:
    """Whether each marked row, except the first, equals the row before it in the order."""
    places = np.flatnonzero(doubtful) + 1
    for first in range(0, len(places), _AT_ONCE):
        some = places[first : first + _AT_ONCE]
        one, other = (column.take(pa.array(order[each])) for each in (some - 1, some))
        if not pc.all(pc.equal(one, other)).as_py():
            return False
    return True


def _compared(column: pa.Array, order: Rows, differs: npt.NDArray[np.bool_]) -> bool:
    for first in range(0, len(order), _AT_ONCE):
        piece = column.take(pa.array(order[first : first + _AT_ONCE + 1]))
        expected = np.flatnonzero(differs[first : first + _AT_ONCE]) + 1
        if not np.array_equal(changes(piece), expected):
            return False
    return True


def _group_by_key(column: pa.Array, hashes: Hashes) -> tuple[Rows, Rows]:
    """`group_by_hash` for different keys with the same hash: it numbers the keys."""
    encoded = pc.dictionary_encode(column, null_encoding="encode")
    codes = encoded.indices.to_numpy()
    distinct = len(encoded.dictionary)
    of_code = np.empty(distinct, np.uint64)
    of_code[codes] = hashes
    rank = np.empty(distinct, np.int64)
    rank[np.argsort(of_code, kind="stable")] = np.arange(distinct)
    groups = rank[codes]
    starts = np.zeros(distinct + 1, np.int64)
    np.cumsum(np.bincount(groups, minlength=distinct), out=starts[1:])
    return np.argsort(groups, kind="stable"), starts
