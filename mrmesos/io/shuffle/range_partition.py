"""Partitioning by ranges of keys, for a total order over all reduces, and choosing the cut points.

Cuts are an array of the type of a sort column (see `sortkey`): ascending, distinct, without nulls.
There are at most `partitions - 1` cuts. Null keys come before all of them. Columns of codes are
marked by `sortkey.coded`, and so are cuts of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.byte_words import bytes_column, word
from mrmesos.io.columns.schema import UnfaithfulCast
from mrmesos.io.columns.sorting import argsort, as_integers, changes, is_binary_like, is_sorted
from mrmesos.io.columns.sortkey import NULL_CODE, coded, codes_in, is_direct, sort_code
from mrmesos.io.columns.unify import cast_faithfully, unify_types

_FEW_CUTS = 64


def choose_cuts(sample: Sequence[pa.Array], num_partitions: int) -> pa.Array | None:
    """Cuts that give each partition an equal share of the sampled rows of sort columns.

    If one key has the share of several partitions, it gets one partition, and there are fewer cuts.
    Returns None for an empty sample.
    """
    columns = [column for column in sample if len(column)]
    if not columns:
        return None
    alike, are_codes = _alike(columns)
    keys = pa.concat_arrays(alike)
    keys = keys.take(pa.array(argsort(keys)))
    rows = len(keys)
    starts = np.concatenate([[0], changes(keys), [rows]])  # of the groups of equal keys
    chosen = [0]
    for number in range(1, num_partitions):
        wanted = rows * number // num_partitions
        after = int(np.searchsorted(starts, wanted, "left"))
        nearest = int(starts[after])
        if after and wanted - int(starts[after - 1]) < nearest - wanted:
            nearest = int(starts[after - 1])
        if chosen[-1] < nearest < rows:
            chosen.append(nearest)
    cuts = keys.take(pa.array(chosen[1:], pa.int64()))
    # The key None is null in one batch and this code in another. Null keys are in partition 0.
    return coded(cuts.filter(pc.not_equal(cuts, NULL_CODE))) if are_codes else cuts


def check_cuts(cuts: pa.Array, num_partitions: int) -> None:
    """Raise ValueError if a user's cuts are not ascending or not one fewer than partitions."""
    if len(cuts) != num_partitions - 1:
        raise ValueError(
            f"{len(cuts)} cut points for {num_partitions} reduces; name {num_partitions - 1}"
        )
    codes = codes_in(cuts)
    column = cuts if codes is None else codes
    nones = cuts.is_null() if codes is None else pc.equal(codes, NULL_CODE)
    if nones.true_count or not is_sorted(column) or len(changes(column)) < len(column) - 1:
        raise ValueError("cut points must be ascending, without None and repetitions")


def range_partition(column: pa.Array, cuts: pa.Array | None) -> np.ndarray:
    """The partition (int32) of every row of a sort column: the number of cuts not above it."""
    found = np.zeros(len(column), np.int32)
    if cuts is None or not len(cuts) or not len(column) or pa.types.is_null(column.type):
        return found
    (cuts, column), _ = _alike([cuts, column])
    if column.null_count == 0:
        found[:] = _not_above(cuts, column)
    else:
        rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        found[rows] = _not_above(cuts, column.drop_null())
    return found


def _alike(columns: Sequence[pa.Array]) -> tuple[list[pa.Array], bool]:
    """The columns in one type, and whether they are codes now."""
    kind = columns[0].type
    for column in columns[1:]:
        kind = None if kind is None else unify_types(kind, column.type, exact=True)
    if kind is not None and is_direct(kind):
        try:
            return [cast_faithfully(column, kind) for column in columns], False
        except UnfaithfulCast:
            pass  # uint64 and int64
    return [_codes(column) for column in columns], True


def _codes(column: pa.Array) -> pa.Array:
    codes = codes_in(column)
    return sort_code(column) if codes is None else codes


def _not_above(cuts: pa.Array, keys: pa.Array) -> np.ndarray:
    if not is_binary_like(keys):
        return np.searchsorted(as_integers(cuts), as_integers(keys), "right")
    # The first eight bytes decide most keys. Keys that begin like a cut are sorted with the cuts.
    firsts = word(*bytes_column(cuts))
    words = word(*bytes_column(keys))
    found = _number_below(firsts, words)
    same = np.flatnonzero(firsts[np.minimum(found, len(firsts) - 1)] == words)
    if len(same) == len(keys):
        return _by_sorting(cuts, keys)
    if len(same):
        found[same] = _by_sorting(cuts, keys.take(pa.array(same)))
    return found


def _number_below(cuts: np.ndarray, words: np.ndarray) -> np.ndarray:
    """`np.searchsorted(cuts, words)`. For few cuts, some comparisons are faster than a search."""
    if len(cuts) > _FEW_CUTS:
        return np.searchsorted(cuts, words)
    found = np.zeros(len(words), np.uint8)
    for cut in cuts:
        found += (words > cut).view(np.uint8)
    return found.astype(np.int64)


def _by_sorting(cuts: pa.Array, keys: pa.Array) -> np.ndarray:
    order = argsort(pa.concat_arrays([cuts, keys]))  # stable: a cut comes before keys equal to it
    found = np.empty(len(order), np.int64)
    found[order] = np.cumsum(order < len(cuts))
    return found[len(cuts) :]
