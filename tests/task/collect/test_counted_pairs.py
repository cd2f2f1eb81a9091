"""Counting pairs of one value changes nothing that a combiner or a reducer sees."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrmesos.api import Count, Job, Mapper, Max, Mean, Min, Reducer, Sum, TopK
from mrmesos.io.columns.schema import RecordTypeError
from mrmesos.io.shuffle.exact_folds import AggregateOverflowError
from mrmesos.local.run_job import run_job
from mrmesos.task.collect import counted_combine, counted_pairs
from mrmesos.task.collect.counted_pairs import CountedPairs
from mrmesos.task.collect.hash_aggregate import AggregateSink
from mrmesos.task.drivers.record_feed import Counts

VALUES: dict[str, Any] = {
    "one": 1,
    "yes": True,
    "float": 1.0,
    "zero": 0.0,
    "minus": -0.0,
    "none": None,
    "text": "1",
    "tuple": (1, "a"),
}


class Pairs(Mapper):
    """A line is `key value key value ...`; the value is a name of VALUES."""

    def map(self, key: int, line: str) -> Iterator[tuple[str, Any]]:
        words = line.split()
        for word, name in zip(words[::2], words[1::2], strict=True):
            yield word, VALUES[name]


class Joined(Reducer):
    """All values of a key as text, in the order of these texts."""

    def reduce(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, list[str]]]:
        found: list[str] = []
        for value in values:
            found += value if isinstance(value, list) else [repr(value)]
        yield key, sorted(found)


class Plain(Job):
    mapper, reducer = Pairs, Joined


class Combined(Job):
    mapper, combiner, reducer = Pairs, Joined, Joined


LINES = st.lists(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["one"] * 9 + list(VALUES))),
        max_size=12,
    )
    | st.builds(
        lambda name, keys: [(key, name) for key in keys],
        st.sampled_from(list(VALUES)),
        st.lists(st.sampled_from("abc"), max_size=12),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(lines=LINES, keys=st.integers(1, 6), held=st.integers(1, 60))
def test_every_value_arrives_once(lines: list[list[tuple[str, str]]], keys: int, held: int) -> None:
    given = [" ".join(f"{key} {name}" for key, name in line) for line in lines]
    expected = sorted(run_job(Plain, given, splits=2).records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counted_pairs, "_KEYS", keys)
        patch.setattr(counted_combine, "_ROWS_HELD", held)
        assert sorted(run_job(Combined, given, splits=2).records) == expected


NUMBERS: dict[str, Any] = {
    "one": 1,
    "minus": -3,
    "yes": True,
    "half": 0.5,
    "none": None,
    "large": (1 << 31) - 1,
    "too-large": 1 << 31,
    "longest": (1 << 63) - 1,
}


class NumberPairs(Mapper):
    """A line is a name of NUMBERS and keys."""

    def map(self, key: int, line: str) -> Iterator[tuple[str, Any]]:
        name, *keys = line.split()
        for each in keys:
            yield each, NUMBERS[name]


AGGREGATES = [Sum, Count, Min, Max, Mean, TopK]


@settings(max_examples=80, deadline=None)
@example(aggregate=Mean, lines=[("none", ["a", "a"]), ("longest", ["a", "a"])], keys=1)
@given(
    aggregate=st.sampled_from(AGGREGATES),
    lines=st.lists(
        st.tuples(
            st.sampled_from(["one"] * 9 + list(NUMBERS)), st.lists(st.sampled_from("abcdef"))
        ),
        max_size=20,
    ),
    keys=st.integers(1, 6),
)
def test_an_aggregate_of_counted_pairs_has_the_same_results(
    aggregate: type[Any], lines: list[tuple[str, list[str]]], keys: int
) -> None:
    class Folded(Job):
        mapper, reducer = NumberPairs, aggregate

    texts = [" ".join([name, *line]) for name, line in lines]

    def outcome() -> list[str]:
        try:
            return sorted(map(repr, run_job(Folded, texts, splits=2).records))
        except (RecordTypeError, AggregateOverflowError) as error:
            return [type(error).__name__]  # Mean: integers with booleans, sums above 64 bits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CountedPairs, "counts", lambda _: None)
        expected = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counted_pairs, "_KEYS", keys)
        assert outcome() == expected


@pytest.mark.parametrize("aggregate", [Sum, Count, Min, Max])
def test_counted_pairs_of_an_aggregate_become_no_columns(
    monkeypatch: pytest.MonkeyPatch, aggregate: type[Any]
) -> None:
    class Folded(Job):
        mapper, reducer = Tokenize, aggregate

    monkeypatch.setattr(AggregateSink, "write_batch", None)
    result = run_job(Folded, ["the cat and the dog and the bird"] * 5_000, splits=2)
    task = result.counters["task"]
    assert (task["MAP_OUTPUT_RECORDS"], task["COMBINE_INPUT_RECORDS"]) == (40_000, 40_000)
    once = aggregate in (Min, Max)
    assert dict(result.records)["the"] == (1 if once else 15_000)


class Tokenize(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Total(Reducer):
    calls: ClassVar[Counter[str]] = Counter()

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        self.calls[word] += 1
        yield word, sum(counts)


class Words(Job):
    mapper, combiner, reducer = Tokenize, Total, Total


def test_a_combiner_sees_a_key_once_for_each_map() -> None:
    Total.calls.clear()
    lines = ["the cat and the dog and the bird"] * 5_000
    result = run_job(Words, lines, splits=2)
    assert dict(result.records) == {
        "the": 15_000,
        "cat": 5_000,
        "and": 10_000,
        "dog": 5_000,
        "bird": 5_000,
    }
    assert set(Total.calls.values()) == {3}  # of two maps and a reduce
    task = result.counters["task"]
    # The ten records that are left are counted again when they are written.
    assert (task["COMBINE_INPUT_RECORDS"], task["COMBINE_OUTPUT_RECORDS"]) == (40_010, 20)


class Lengths(Reducer):
    longest: ClassVar[list[int]] = []

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        values = list(counts)
        self.longest.append(len(values))
        yield word, sum(values)


class Bounded(Job):
    mapper, combiner, reducer = Tokenize, Lengths, Total


def test_a_combiner_gets_no_list_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted_pairs, "_ROWS", 100)
    monkeypatch.setattr(counted_combine, "_ROWS_HELD", 30_000)
    Lengths.longest.clear()
    result = run_job(Bounded, ["a a a a b"] * 20_000, splits=1)
    assert dict(result.records) == {"a": 80_000, "b": 20_000}
    assert 10_000 < max(Lengths.longest) <= 30_000


def test_keys_that_do_not_repeat_are_no_longer_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is counted for nothing costs twice: in a dict, and in a column."""
    taken = 0
    empty = Counts.clear

    def clear(self: Counts) -> None:
        nonlocal taken
        taken += self.rows
        empty(self)

    monkeypatch.setattr(Counts, "clear", clear)
    lines = [" ".join(f"{line}.{word}" for word in range(10)) for line in range(20_000)]
    result = run_job(Words, lines, splits=1)
    assert len(result.records) == 200_000
    assert 0 < taken < 100_000
