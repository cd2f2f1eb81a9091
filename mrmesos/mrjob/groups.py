"""Calls a combiner or reducer of mrjob for each key, as mrjob itself does, at less cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, pairwise, starmap
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.byte_words import bytes_column
from mrmesos.io.columns.schema import KEY
from mrmesos.io.shuffle.merge import grouped_batches
from mrmesos.mrjob.codec import Pair, Read, fast_read, reads_each

_KEY, _VALUE = itemgetter(0), itemgetter(1)
_QUOTE = ord('"')

Groups = Iterable[tuple[Any, Iterator[Any]]]
"""Each key with its values."""


def groups_of(pairs: Iterable[Pair]) -> Groups:
    """The groups of equal keys, as mrjob makes them."""
    return ((key, map(_VALUE, group)) for key, group in groupby(pairs, _KEY))


def own_loop(job: Any, what: str) -> Callable[[Iterable[Pair], int], Iterator[Pair]] | None:
    """The job's own loop over the groups of its combiner or reducer. None if it uses mrjob's
    loop.
    """
    name = "combine_pairs" if what == "combiner" else "reduce_pairs"
    return None if getattr(type(job), name).__module__ == "mrjob.job" else getattr(job, name)


def written_groups(
    batches: Iterable[pa.RecordBatch],
    read: Read,
    lines_of: Callable[[pa.RecordBatch], Iterator[bytes]],
) -> Groups:
    """The groups of sorted batches. `read` and `write` of one protocol made them in a mapper.

    mrjob compares keys as objects: 1 and 1.0 are one key if they are neighbours. Texts are equal if
    and only if their JSON is. So we find their groups in the columns.
    """
    one, each = fast_read(read), reads_each(read)
    if each is None:
        yield from groups_of(map(one, chain.from_iterable(map(lines_of, batches))))
        return
    stretches = chain.from_iterable(map(_stretches, batches))
    for is_text, some in groupby(stretches, _KEY):
        found = map(_VALUE, some)
        if is_text:
            grouped = grouped_batches(found, lambda column, _: each(column))
            yield from chain.from_iterable(starmap(zip, grouped))
        else:
            yield from groups_of(map(one, chain.from_iterable(map(lines_of, found))))


def _stretches(batch: pa.RecordBatch) -> Iterator[tuple[bool, pa.RecordBatch]]:
    """Neighbouring records whose keys are all texts, or all other objects."""
    data, starts, lengths = bytes_column(batch.column(KEY))
    texts = (lengths > 0) & (data[np.minimum(starts, len(data) - 1)] == _QUOTE)
    bounds = [0, *(np.flatnonzero(np.diff(texts)) + 1).tolist(), batch.num_rows]
    for start, end in pairwise(bounds):
        if start < end:
            yield bool(texts[start]), batch.slice(start, end - start)


def called(step: Any, what: str, groups: Groups) -> Iterator[Pair]:
    """The pairs of the methods: init, the task itself for each key, final. Each may return None."""
    if (init := step[f"{what}_init"]) is not None:
        yield from init() or ()
    yield from chain.from_iterable(filter(None, starmap(step[what], groups)))
    if (final := step[f"{what}_final"]) is not None:
        yield from final() or ()
