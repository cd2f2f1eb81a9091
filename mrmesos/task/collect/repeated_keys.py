"""Finds the groups of equal keys that a combiner may fold, and puts the results back.

As in Hadoop, a combiner may see any part of a key's values, or none. In text, half of all words
occur once. So only groups of two records or more are folded. Single records stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mrmesos.io.columns.sortkey import with_sort_column
from mrmesos.io.shuffle.merge import merge_runs

Rows = npt.NDArray[np.int64]


class RepeatedKeys(msgspec.Struct, frozen=True):
    """Groups to fold: their rows, one group after another, and the start of each group.

    `starts` also has the end of the last group.
    """

    rows: Rows
    starts: Rows

    @property
    def firsts(self) -> Rows:
        """The first row of each group."""
        return self.rows[self.starts[:-1]]

    def __len__(self) -> int:
        return len(self.starts) - 1


def by_code(codes: npt.NDArray[np.int32], distinct: int) -> RepeatedKeys:
    """The groups among rows whose keys are numbered, in the order of these numbers."""
    counts = np.bincount(codes, minlength=distinct)
    repeats = counts > 1
    rows = np.flatnonzero(repeats[codes])
    numbers = (np.cumsum(repeats, dtype=np.int32) - 1)[codes[rows]]
    groups = counts[repeats]
    return RepeatedKeys(rows[radix_order(numbers, len(groups))], _starts(groups))


def by_span(spans: Rows) -> RepeatedKeys:
    """The groups among sorted rows. `spans` has the start of each group, and the end."""
    counts = np.diff(spans)
    repeats = counts > 1
    groups = counts[repeats]
    starts = _starts(groups)
    shift = np.repeat(spans[:-1][repeats] - starts[:-1], groups)
    return RepeatedKeys(np.arange(int(starts[-1])) + shift, starts)


def _starts(counts: Rows) -> Rows:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def radix_order(codes: npt.NDArray[np.int32], distinct: int) -> Rows:
    """A stable argsort. numpy uses radix sort for 16-bit integers, several times faster."""
    order = np.argsort(codes.astype(np.uint16), kind="stable")
    if distinct > 1 << 16:
        high = (codes >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order


def without(batch: pa.RecordBatch, rows: Rows) -> pa.RecordBatch:
    """The batch without `rows`; the other rows keep their order."""
    if not len(rows):
        return batch
    stay = np.ones(batch.num_rows, np.bool_)
    stay[rows] = False
    return batch.take(pa.array(np.flatnonzero(stay)))


def put_back(
    batch: pa.RecordBatch, groups: RepeatedKeys, folded: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """A sorted batch in which folded records replace the groups. It stays sorted."""
    made = (with_sort_column(each) for each in folded if each.num_rows)
    yield from merge_runs([iter((without(batch, groups.rows),)), made])
