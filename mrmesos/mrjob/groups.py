"""Calls a combiner or reducer of mrjob for each key, as mrjob itself does, with less around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, starmap
from operator import itemgetter
from typing import Any

import pyarrow as pa

from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.mrjob.codec import Pair, Read, fast_read, load_all

_KEY, _VALUE = itemgetter(0), itemgetter(1)


def reduced(job: Any, step: Any, number: int, what: str, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """What the combiner or reducer yields for pairs that come in groups of equal keys.

    `step` is the job's own step `number`.
    """
    name = "combine_pairs" if what == "combiner" else "reduce_pairs"
    if getattr(type(job), name).__module__ != "mrjob.job":  # the job has its own
        own: Iterator[Pair] = getattr(job, name)(pairs, number)
        return own
    return _called(step, what, pairs)


def _called(step: Any, what: str, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs of the methods: init, the task itself for each key, final. Each may return None."""
    if (init := step[f"{what}_init"]) is not None:
        yield from init() or ()
    groups = ((key, map(_VALUE, group)) for key, group in groupby(pairs, _KEY))
    yield from chain.from_iterable(filter(None, starmap(step[what], groups)))
    if (final := step[f"{what}_final"]) is not None:
        yield from final() or ()


def pairs_of(
    batches: Iterable[pa.RecordBatch],
    read: Read,
    lines_of: Callable[[pa.RecordBatch], Iterator[bytes]],
) -> Iterator[Pair]:
    """The pairs of sorted batches. `read` and `write` of one protocol made them in a mapper."""
    one = fast_read(read)
    for batch in batches:
        keys, values = (load_all(batch.column(name), read) for name in (KEY, VALUE))
        if keys is None or values is None:
            yield from map(one, lines_of(batch))
        else:
            yield from zip(keys, values, strict=True)
