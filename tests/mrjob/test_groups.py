"""Groups of sorted batches, found in columns, against mrjob's own way over lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.mrjob.groups import written_groups

protocol = pytest.importorskip("mrjob.protocol", reason="mrjob is an optional extra")

KEYS = st.one_of(
    st.sampled_from(["", "a", "b", "é", '"', "\ud800"]),
    st.sampled_from([1, 1.0, True, 10, None, [1], [1.0]]),
)
VALUES = st.one_of(st.integers(), st.text(max_size=2), st.just(1.5), st.just(float("nan")))
PAIRS = st.lists(st.tuples(KEYS, st.one_of(VALUES, st.integers(0, 9))), max_size=30)


def batches(lines: list[bytes], size: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(lines), size):
        parts = [line.split(b"\t", 1) for line in lines[start : start + size]]
        columns = [pa.array([part[at] for part in parts], pa.binary()) for at in (0, 1)]
        yield pa.RecordBatch.from_arrays(columns, names=["key", "value"])


def lines_of(batch: pa.RecordBatch) -> Iterator[bytes]:
    for key, value in zip(*(column.to_pylist() for column in batch.columns), strict=True):
        yield key + b"\t" + value


@given(PAIRS, st.integers(1, 7), st.booleans())
def test_the_groups_of_mrjob(pairs: list[tuple[Any, Any]], size: int, reads_all: bool) -> None:
    own = protocol.StandardJSONProtocol()
    lines = sorted(own.write(*pair) for pair in pairs)
    expected = [
        (key, [value for _, value in group][: None if reads_all else 1])
        for key, group in groupby(map(own.read, lines), lambda pair: pair[0])
    ]
    groups = written_groups(batches(lines, size), own.read, lines_of)
    found = [(key, list(values) if reads_all else [next(values)]) for key, values in groups]
    assert repr(found) == repr(expected)


def test_another_protocol_reads_whole_lines() -> None:
    own = protocol.PickleProtocol()
    lines = [own.write("a", 1), own.write("a", [2]), own.write("b", 3)]
    groups = written_groups(batches(lines, 2), own.read, lines_of)
    assert [(key, list(values)) for key, values in groups] == [("a", [1, [2]]), ("b", [3])]


def test_json_of_texts_is_equal_if_and_only_if_they_are() -> None:
    """`written_groups` stands on it."""
    texts = ["é", "e\u0301", '"', "\\", "\n", "\\n", "\x7f", "\u2028", "\U0001f600", "/", ""]
    assert len({json.dumps(text) for text in texts}) == len(texts)
