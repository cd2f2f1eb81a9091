"""Partitioning by ranges of keys, and finding where to cut them: total order over all reduces.

Cuts are an array in the type of a sort column (see `sortkey`): ascending, no two equal, no null.
They may be one less than there are partitions, or fewer. Keys that are null go before all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.byte_words import bytes_column, word
from mrmesos.io.columns.schema import RecordTypeError, UnfaithfulCast
from mrmesos.io.columns.sorting import argsort, as_integers, changes, is_binary_like, is_sorted
from mrmesos.io.columns.unify import cast_faithfully, unify_types


def choose_cuts(sample: Sequence[pa.Array], num_partitions: int) -> pa.Array | None:
    """Cuts that give each partition its share of the sampled rows of sort columns.

    A key that has the shares of several partitions is one partition's: there are fewer cuts then.
    None where nothing was sampled. Raises RecordTypeError where the sample is of several types.
    """
    columns = [column for column in sample if len(column)]
    if not columns:
        return None
    keys = pa.concat_arrays(_alike(columns))
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
    return keys.take(pa.array(chosen[1:], pa.int64()))


def check_cuts(cuts: pa.Array, num_partitions: int) -> None:
    """Raise ValueError where cuts that somebody names are not ascending, or are not one less."""
    if len(cuts) != num_partitions - 1:
        raise ValueError(
            f"{len(cuts)} cut points for {num_partitions} reduces; name {num_partitions - 1}"
        )
    if cuts.null_count or not is_sorted(cuts) or len(changes(cuts)) < len(cuts) - 1:
        raise ValueError("cut points must be ascending, without None and repetitions")


def range_partition(column: pa.Array, cuts: pa.Array | None) -> np.ndarray:
    """The partition of every row of a sort column, int32: how many of the cuts are not above it.

    Raises RecordTypeError where keys of its type do not compare with the cuts.
    """
    found = np.zeros(len(column), np.int32)
    if cuts is None or not len(cuts) or not len(column) or pa.types.is_null(column.type):
        return found
    cuts, column = _alike([cuts, column])
    if column.null_count == 0:
        found[:] = _not_above(cuts, column)
    else:
        rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        found[rows] = _not_above(cuts, column.drop_null())
    return found


def _alike(columns: Sequence[pa.Array]) -> list[pa.Array]:
    """The columns in one type."""
    kind = columns[0].type
    for column in columns[1:]:
        wider = unify_types(kind, column.type)
        if wider is None:
            raise RecordTypeError(
                f"keys of the types {kind} and {column.type} cannot be sorted together; yield keys "
                "of one type, or set map_output_types"
            )
        kind = wider
    try:
        return [cast_faithfully(column, kind) for column in columns]
    except UnfaithfulCast as error:
        raise RecordTypeError(f"keys of one job do not fit one type: {error}") from None


def _not_above(cuts: pa.Array, keys: pa.Array) -> np.ndarray:
    if pa.types.is_decimal128(keys.type):
        return _by_sorting(cuts, keys)
    if not is_binary_like(keys):
        return np.searchsorted(as_integers(cuts), as_integers(keys), "right")
    # Eight bytes tell most keys from the cuts; those that begin as a cut does are sorted with them.
    firsts = word(*bytes_column(cuts), 0)
    words = word(*bytes_column(keys), 0)
    found = np.searchsorted(firsts, words, "left")
    same = np.flatnonzero(firsts[np.minimum(found, len(firsts) - 1)] == words)
    if len(same) == len(keys):
        return _by_sorting(cuts, keys)
    if len(same):
        found[same] = _by_sorting(cuts, keys.take(pa.array(same)))
    return found


def _by_sorting(cuts: pa.Array, keys: pa.Array) -> np.ndarray:
    order = argsort(pa.concat_arrays([cuts, keys]))  # stable: a cut comes before keys equal to it
    found = np.empty(len(order), np.int64)
    found[order] = np.cumsum(order < len(cuts))
    return found[len(cuts) :]
