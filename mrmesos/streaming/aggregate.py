"""Hadoop's `-reducer aggregate`: the mapper writes `FUNCTION:KEY<tab>VALUE`, and these fold it.

Source: org.apache.hadoop.mapred.lib.aggregate (Hadoop 3.4). Doubles are written as Python writes
them (`1e+16` where Java writes `1.0E16`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from mrmesos.api.tasks import Reducer

Pairs = Iterator[tuple[bytes, bytes]]
_FOLDS: dict[bytes, Callable[[Iterator[bytes]], bytes]] = {
    b"LongValueSum": lambda values: b"%d" % sum(map(int, values)),
    b"LongValueMax": lambda values: b"%d" % max(map(int, values)),
    b"LongValueMin": lambda values: b"%d" % min(map(int, values)),
    b"DoubleValueSum": lambda values: repr(math.fsum(map(float, values))).encode(),
    b"StringValueMax": max,
    b"StringValueMin": min,
}


class BadAggregate(ValueError):
    """A key that does not name a function of Hadoop's aggregate package."""


class HadoopAggregateReducer(Reducer):
    """Folds all values of a key by the function that the key names."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        """Yield the key without its function, and the result."""
        function, name = _function(key)
        if function == b"UniqValueCount":
            yield name, b"%d" % len(set(values))
        elif function == b"ValueHistogram":
            yield name, _report(_counted(values))
        else:
            yield name, _FOLDS[function](values)


class HadoopAggregateCombiner(Reducer):
    """Folds some values of a key. Its results are folded again."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        """Yield the same key with fewer values."""
        function, _ = _function(key)
        if function == b"UniqValueCount":
            for value in dict.fromkeys(values):
                yield key, value
        elif function == b"ValueHistogram":
            for value, count in _counted(values).items():
                yield key, b"%s\t%d" % (value, count)
        else:
            yield key, _FOLDS[function](values)


def _function(key: bytes) -> tuple[bytes, bytes]:
    function, colon, name = key.partition(b":")
    if not colon or (function not in _FOLDS and function not in _OTHERS):
        known = b", ".join(sorted((*_FOLDS, *_OTHERS))).decode()
        raise BadAggregate(
            f"the key {key[:80]!r} does not begin with one of {known} and a colon; with "
            "-reducer aggregate the mapper writes FUNCTION:KEY, a tab, and the value"
        )
    return function, name


_OTHERS = (b"UniqValueCount", b"ValueHistogram")


def _counted(values: Iterator[bytes]) -> Counter[bytes]:
    """The number of times that each value came. A value may have its count after a tab."""
    counts = Counter[bytes]()
    for each in values:
        value, tab, count = each.rpartition(b"\t")
        if tab:
            counts[value] += int(count)
        else:
            counts[each] += 1
    return counts


def _report(counted: Counter[bytes]) -> bytes:
    """Hadoop's report: the number of values, the least, median and greatest count, mean and
    deviation.
    """
    counts = sorted(counted.values())
    mean = sum(counts) / len(counts)
    deviation = math.sqrt(sum((count - mean) ** 2 for count in counts) / len(counts))
    numbers = (len(counts), counts[0], counts[len(counts) // 2], counts[-1], mean, deviation)
    return "\t".join(map(repr, numbers)).encode()
