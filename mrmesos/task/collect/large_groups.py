"""Chooses the groups of equal keys that are worth a combiner call, and puts the results back.

As in Hadoop, a combiner may see any part of a key's values, or none. A call costs as much as
carrying several small records to the reduce, and in text half of all words occur once. So only
large groups are folded; the records of small groups stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.schema import VALUE
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.shuffle.merge import merge_runs

_ENOUGH = 4
_LARGE_RECORD = 128
_LITTLE = 1 << 14

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LargeGroups:
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


def enough(batch: pa.RecordBatch) -> int:
    """The least number of records that are worth a fold into one.

    In small data every group is folded, so a combiner that wrongly changes results shows at once.
    """
    rows = batch.num_rows
    return 2 if rows < _LITTLE or batch.nbytes > _LARGE_RECORD * rows else _ENOUGH


def by_code(codes: npt.NDArray[np.int32], distinct: int, least: int) -> LargeGroups:
    """The large groups among rows whose keys are numbered, in the order of these numbers."""
    counts = np.bincount(codes, minlength=distinct)
    large = counts >= least
    rows = np.flatnonzero(large[codes])
    numbers = (np.cumsum(large, dtype=np.int32) - 1)[codes[rows]]
    groups = counts[large]
    return LargeGroups(rows[radix_order(numbers, len(groups))], _starts(groups))


def by_span(spans: Rows, least: int) -> LargeGroups:
    """The large groups among sorted rows. `spans` has the start of each group, and the end."""
    counts = np.diff(spans)
    large = counts >= least
    groups = counts[large]
    starts = _starts(groups)
    shift = np.repeat(spans[:-1][large] - starts[:-1], groups)
    return LargeGroups(np.arange(int(starts[-1])) + shift, starts)


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
    batch: pa.RecordBatch, groups: LargeGroups, folded: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """A sorted batch, in which folded records replace the groups. It stays sorted."""
    made = [with_sort_column(each) for each in folded if each.num_rows]
    if _one_for_each(batch, groups, made):
        firsts = groups.firsts
        stay = np.ones(batch.num_rows, np.bool_)
        stay[groups.rows] = False
        stay[firsts] = True
        kept = np.flatnonzero(stay)
        new = np.zeros(batch.num_rows, np.bool_)
        new[firsts] = True
        values = pa.concat_arrays([each.column(VALUE) for each in made])
        rest = batch.take(pa.array(kept))
        place = rest.schema.get_field_index(VALUE)
        column = pc.replace_with_mask(rest.column(place), pa.array(new[kept]), values)
        yield rest.set_column(place, rest.schema.field(place), column)
    else:
        yield from merge_runs([iter((without(batch, groups.rows),)), iter(made)])


def _one_for_each(batch: pa.RecordBatch, groups: LargeGroups, made: list[pa.RecordBatch]) -> bool:
    """Whether each group became one record with the same key and the same type."""
    kind = batch.schema.field(VALUE)
    no_kernel = pa.types.is_nested(kind.type) or isinstance(kind.type, pa.BaseExtensionType)
    if not made or no_kernel:  # of replace_with_mask
        return False
    if sum(each.num_rows for each in made) != len(groups):
        return False
    if not all(each.schema.equals(batch.schema, check_metadata=True) for each in made):
        return False
    keys = sort_column(batch).take(pa.array(groups.firsts))
    found = pa.concat_arrays([sort_column(each) for each in made])
    return bool(keys.equals(found))
