"""Feeds records to per-record classes and drains their pairs, without calling our code per record.

`itertools` chains a mapper's generators, and we read them in chunks of many pairs. So between two
records the interpreter runs only the user's code. The position of the iterator over the offsets
tells which record is being mapped, so this costs nothing either.
"""

from __future__ import annotations

import argparse
import inspect
import operator
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from operator import itemgetter
from sys import getsizeof
from typing import Any

from mrmesos.api.context import Context, TaskFacts

Pair = tuple[Any, Any]

MAX_PAIRS = 1 << 13
"""Most pairs that exist as Python objects at once. This many stay in the processor's caches."""

TARGET_BYTES = 4 << 20
"""Target size of a chunk of pairs when records are large."""

_FIRST_PAIRS = 256
_SAMPLE = 64


class NotAPair(Exception):
    """User code yielded `item`, which is not a pair."""

    def __init__(self, item: object) -> None:
        super().__init__()
        self.item = item


class RecordContext(Context):
    """A Context that knows the current record from the iterator that feeds it."""

    __slots__ = ("_files", "_offsets", "_position")

    def __init__(
        self, facts: TaskFacts, params: Mapping[str, str], args: argparse.Namespace
    ) -> None:
        self._files: list[tuple[int, str]] = [(0, "")]
        self._offsets: list[int] = []
        self._position: Iterator[Any] = iter(())
        super().__init__(facts, params, args)

    def feed(
        self,
        uri: str,
        offsets: list[int],
        further: Iterable[tuple[int, str]] = (),
        keys: list[Any] | None = None,
    ) -> Iterator[Any]:
        """Begin a batch of records. Returns an iterator over their keys.

        The caller must take each key just before it maps the record. Without `keys`, the offsets
        are the keys. `further` has the first row and the URI of each file after the first.
        """
        self._files = [(0, uri), *further]
        self._position = iter(offsets if keys is None else keys)
        self._offsets = offsets
        return self._position

    def stand_at(self, uri: str, offset: int) -> None:
        """Begin a batch of one record and make it the current one."""
        next(self.feed(uri, [offset]))

    def consumed(self) -> int:
        """How many records of the batch have been taken, including the current one."""
        return len(self._offsets) - operator.length_hint(self._position)

    @property
    def input_uri(self) -> str:
        """The file of the current record; empty before the first."""
        files = self._files
        if len(files) == 1:
            return files[0][1]
        row = max(0, self.consumed() - 1)
        return files[bisect_right(files, row, key=itemgetter(0)) - 1][1]

    @input_uri.setter
    def input_uri(self, uri: str) -> None:
        """Only the base class sets it, once, to its default."""

    @property
    def input_offset(self) -> int:
        """Offset of the current record; -1 before the first."""
        done = self.consumed()
        return self._offsets[done - 1] if done else -1

    @input_offset.setter
    def input_offset(self, offset: int) -> None:
        """Only the base class sets it, once, to its default."""


def flatten(function: Callable[..., Any], results: Iterable[Any]) -> Iterator[Pair]:
    """All pairs that the calls of `function` yield, lazily and in order. None means no pairs."""
    if not inspect.isgeneratorfunction(function):
        results = filter(partial(operator.is_not, None), results)
    return chain.from_iterable(results)


def drain(items: Iterator[Any], count: int) -> tuple[list[Any], list[Any]]:
    """Keys and values of the next `count` pairs. Fewer mean that `items` is at its end.

    Raises NotAPair at the first item that is not a pair, and every error of the user's code.
    """
    keys: list[Any] = []
    values: list[Any] = []
    add_key, add_value = keys.append, values.append
    # The loop itself costs about 40 ns a pair. It releases each pair at once, so Python reuses the
    # memory for the next one. Lists of pairs that are unpacked later cost more.
    for item in islice(items, count):
        if type(item) is not tuple and not isinstance(item, tuple | list):
            raise NotAPair(item)
        try:
            key, value = item
        except ValueError:
            raise NotAPair(item) from None
        add_key(key)
        add_value(value)
    return keys, values


Groups = dict[Any, list[Any]]
"""The values of each key, in the order of arrival."""


def drain_grouped(items: Iterator[Any], count: int, groups: Groups) -> tuple[int, Pair | None]:
    """Put the next `count` pairs into `groups`, a defaultdict. Returns how many pairs it put there.

    It is like `drain`, for pairs that a combiner folds next. If keys repeat, most key strings are
    released at once and never become a column. A pair whose key cannot be hashed is returned. It
    comes after the counted pairs.
    """
    done = 0
    for done, item in enumerate(islice(items, count), 1):
        if type(item) is not tuple and not isinstance(item, tuple | list):
            raise NotAPair(item)
        try:
            key, value = item
        except ValueError:
            raise NotAPair(item) from None
        try:
            groups[key].append(value)
        except Exception:  # noqa: BLE001 -- a user's __hash__ or __eq__ may raise anything
            return done - 1, (key, value)
    return done, None


_PLAIN = frozenset({str, bytes, int, float, bool, type(None)})


class Counts:
    """How often each key came with one and the same value, such as the 1 of `(word, 1)`."""

    __slots__ = ("found", "rows", "value")

    def __init__(self) -> None:
        self.found: dict[Any, int] = {}
        self.rows = 0
        self.value: Any = self  # an object that no pair has

    def begin(self, value: object) -> None:
        """Count pairs with this value. The counts must be empty."""
        self.value = value if type(value) in _PLAIN else self

    def clear(self) -> None:
        """Forget the keys. The next pair decides the value."""
        self.found, self.rows, self.value = {}, 0, self


def drain_counted(items: Iterator[Any], count: int, counts: Counts) -> tuple[int, Pair | None]:
    """Count the keys of the next `count` pairs. Returns how many pairs it counted.

    It ends at a pair with another value or with a key that cannot be hashed, and returns that pair,
    too. Values are compared by identity, so 1 and True are never taken for each other. A mapper
    that yields a constant yields the same object each time.
    """
    found, value = counts.found, counts.value
    get = found.get
    odd: Pair | None = None
    for item in islice(items, count):
        if type(item) is not tuple and not isinstance(item, tuple | list):
            raise NotAPair(item)
        try:
            key, given = item
        except ValueError:
            raise NotAPair(item) from None
        if given is not value:
            if not found:
                counts.begin(given)
                value = counts.value
            if given is not value:
                odd = (key, given)
                break
        try:
            found[key] = get(key, 0) + 1
        except Exception:  # noqa: BLE001 -- a user's __hash__ or __eq__ may raise anything
            odd = (key, given)
            break
    # To add up the keys once costs less than a number for each pair.
    before, counts.rows = counts.rows, sum(found.values())
    return counts.rows - before, odd


def told_apart_by_value(keys: Iterable[Any]) -> bool:
    """Whether Python and the sort agree on which of these keys are equal. True for plain data.

    `keys` is a dict or another container.
    """
    kinds = set(map(type, keys))
    if kinds <= _PLAIN:
        return True
    return kinds == {tuple} and set(map(type, chain.from_iterable(keys))) <= _PLAIN


class ChunkSize:
    """How many pairs to drain at once: as many as the caches hold, or fewer if pairs are large."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs = _FIRST_PAIRS

    def learn(self, keys: list[Any], values: list[Any]) -> None:
        """Learn from the last chunk's pairs."""
        sample = keys[::_SAMPLE] + values[::_SAMPLE]
        held = sum(map(getsizeof, sample)) * len(keys) // -(-len(keys) // _SAMPLE)
        self.learn_size(len(keys), held)

    def learn_size(self, count: int, nbytes: int) -> None:
        """Learn that the last chunk had `count` pairs in `nbytes` bytes."""
        fitting = TARGET_BYTES * count // max(1, nbytes)
        self.pairs = max(1, min(MAX_PAIRS, 2 * self.pairs, fitting))
