from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.io.columns.sortkey import coded, sort_column
from mrmesos.io.shuffle.grouping import Grouping
from mrmesos.io.shuffle.hash_partition import hash_column, hash_partition
from mrmesos.io.shuffle.key_hash import KEY_HASH
from tests.io.keys import KEYS, canonical, key_lists, numbered


def hashes(keys: list[Any]) -> list[int]:
    found: list[int] = hash_column(sort_column(numbered(keys))).tolist()
    return found


def codes(keys: list[Any]) -> list[int]:
    """The hashes of keys of several types."""
    batch = numbered(keys)
    assert "__sort" in batch.schema.names
    found: list[int] = hash_column(coded(sort_column(batch))).tolist()
    return found


MIXED = st.one_of(*KEYS.values(), st.none())


@given(st.lists(MIXED, min_size=1, max_size=9))
def test_a_key_among_others_has_the_hash_that_it_has_alone(keys: list[Any]) -> None:
    alone = [column_hash([key]) for key in keys]
    assert codes([*keys, 2**70, "text"])[: len(keys)] == alone


def column_hash(keys: list[Any]) -> int:
    return int(hash_column(Grouping().partition_column(numbered(keys)))[0])


def test_equal_numbers_of_different_types_have_one_hash() -> None:
    for same in (
        [1, 1.0, True, Decimal("1.00")],
        [2**60, float(2**60), Decimal(2**60)],
        [2**63, 2.0**63, Decimal(2**63)],
        [2**53 + 1, Decimal(2**53 + 1)],
        [2**64 - 1, Decimal(2**64 - 1)],
        [0.5, Decimal("0.5")],
        [-0.0, 0, False],
        [float("inf"), Decimal("Infinity")],
    ):
        assert len({column_hash([key]) for key in same} | set(codes([*same, "text"])[:-1])) == 1
    assert len(set(codes([2**64 + number for number in range(9)]))) == 9


@given(key_lists(), st.integers(1, 1000), st.integers(0, 9), st.integers(0, 9))
def test_equal_keys_go_together_however_cut(
    keys: list[Any], partitions: int, start: int, end: int
) -> None:
    column = sort_column(numbered(keys))
    found = hash_partition(column, partitions)
    assert found.dtype == np.int32
    assert ((found >= 0) & (found < partitions)).all()
    by_key = dict(zip(map(canonical, keys), found.tolist(), strict=True))
    assert [by_key[canonical(key)] for key in keys] == found.tolist()
    part = column.slice(start, end)
    assert hash_partition(part, partitions).tolist() == found[start : start + end].tolist()
    chunked = pa.chunked_array([column.slice(0, start), column.slice(start)])
    assert hash_partition(chunked, partitions).tolist() == found.tolist()


@given(st.lists(st.integers(-(2**60), 2**60)))
def test_integers_and_the_doubles_that_equal_them(numbers: list[int]) -> None:
    exact = [number for number in numbers if int(float(number)) == number]
    assert hashes(exact) == hashes([float(number) for number in exact])
    tuples = [(number, "a") for number in exact]
    assert hashes(tuples) == hashes([(float(number), "a") for number in exact])


def test_widths_and_layouts_do_not_matter() -> None:
    small = [1, 100, 7]
    wanted = hashes(small)
    for kind in (pa.int8(), pa.uint16(), pa.int64(), pa.uint64(), pa.float32()):
        assert hash_column(pa.array(small, kind)).tolist() == wanted
    assert hashes(["a", "long enough for two"]) == hashes([b"a", b"long enough for two"])


def test_known_answers() -> None:
    """Pinned: maps of one job must agree. If any answer changes, KEY_HASH must be raised."""
    assert KEY_HASH == 2
    assert hashes([0, 1, -1, 2**53 + 1, None]) == KNOWN["int"]
    assert hashes([0.0, 1.0, 0.5, float("nan"), float("-inf")]) == KNOWN["float"]
    assert hashes(["", "a", "word", "eight by", "nine byte", "é" * 40, "x" * 129]) == KNOWN["text"]
    assert hashes([True, False]) == KNOWN["bool"]
    assert hashes([("a", 1), ("a", None)]) == KNOWN["tuple"]
    assert codes([1, "a", Decimal("1.5"), 2**70, ("a", 1)]) == KNOWN["mixed"]


KNOWN = {
    "int": [
        16294208416658607535,
        9860564707913756141,
        12238684544974067098,
        386430782533759031,
        11400714819323198485,
    ],
    "float": [
        16294208416658607535,
        9860564707913756141,
        17606427253252083309,
        14351126860892846918,
        10151898622079959038,
    ],
    "text": [
        0,
        13447571765765685558,
        11477248196700775841,
        1629046482689879704,
        13775342298172190889,
        12953610393137611749,
        1791892490181060003,
    ],
    "bool": [9860564707913756141, 16294208416658607535],
    "tuple": [5970914660197676870, 14337841547737285464],
    "mixed": [
        9860564707913756141,
        13447571765765685558,
        15481881892811333770,
        4248576869670178858,
        5970914660197676870,
    ],
}


@pytest.mark.parametrize(
    "keys",
    [
        list(range(20_000)),
        [number * 1024 for number in range(20_000)],
        [float(number) / 8 for number in range(20_000)],
        [f"w{number}" for number in range(20_000)],
        [f"{number:08d}" for number in range(20_000)],
        [f"https://example.org/page/{number}" for number in range(20_000)],
        [("a", number) for number in range(20_000)],
    ],
)
@pytest.mark.parametrize("partitions", [2, 3, 16, 100])
def test_keys_spread_evenly(keys: list[Any], partitions: int) -> None:
    counts = np.bincount(hash_partition(sort_column(numbered(keys)), partitions))
    expected = len(keys) / partitions
    # Six standard deviations of a fair draw.
    assert len(counts) == partitions
    assert np.max(np.abs(counts - expected)) < 6 * expected**0.5


@given(st.binary(max_size=40), st.binary(max_size=20), st.integers(0, 40))
def test_bytes_around_a_text_do_not_matter(text: bytes, other: bytes, cut: int) -> None:
    """Words are read across the ends of short texts, up to the end of the buffer."""
    among = pa.array([other, text, text[:cut], other, text[:cut], text])
    found = hash_column(among).tolist()
    assert found[1] == found[5] == hash_column(pa.array([text]))[0]
    assert found[2] == found[4] == hash_column(pa.array([text[:cut]]))[0]
    assert found[0] == found[3] == hash_column(pa.array([other]))[0]


def test_words_that_differ_in_one_bit_or_in_length_differ() -> None:
    base = bytes(29)
    keys = [bytes(length) for length in range(140)]
    for bit in range(8 * len(base)):
        changed = bytearray(base)
        changed[bit // 8] ^= 1 << bit % 8
        keys.append(bytes(changed))
    assert len(set(hashes(keys))) == len(set(keys))


@pytest.mark.parametrize("width", [0, 1, 7, 8, 9, 16, 130])
def test_rows_of_one_length_hash_as_they_do_among_others(width: int) -> None:
    column = pa.array([bytes([row] * width) for row in range(50)] + [b"of another length"])
    alone, among = hash_column(column.slice(3, 40)), hash_column(column.slice(3))
    assert alone.tolist() == among[:40].tolist()


def test_edges() -> None:
    assert hash_partition(pa.array([], pa.string()), 3).tolist() == []
    assert (
        hash_partition(pa.nulls(2), 3).tolist()
        == hash_partition(pa.array([None, None], pa.int64()), 3).tolist()
    )
    assert hash_partition(pa.chunked_array([], pa.int64()), 3).tolist() == []
    assert hash_partition(pa.array(["a", "b"]), 1).tolist() == [0, 0]
    assert hashes([None]) == hashes([None, ("a", 1)])[:1] == hashes([None, [1]])[:1]
    with pytest.raises(ValueError, match="at least 1"):
        hash_partition(pa.array([1]), 0)
