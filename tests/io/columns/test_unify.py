"""Casts of maps and of dicts: in the shuffle and for the columns of a table."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from mrmesos.io.columns.table_schema import conform_array
from mrmesos.io.columns.unify import cast_faithfully

Cast = Callable[[pa.Array, pa.DataType], pa.Array]
both = pytest.mark.parametrize("cast", [cast_faithfully, conform_array])
NANOSECONDS = 1_700_000_000_123_456_789


@both
def test_a_map_gets_wider_items(cast: Cast) -> None:
    rows = [[("a", 1)], None, [], [("b", None), ("c", 3)]]
    array = pa.array([[("z", 9)], *rows], pa.map_(pa.string(), pa.int32())).slice(1)
    wanted = pa.map_(pa.string(), pa.int64())
    found = cast(array, wanted)
    found.validate(full=True)
    assert found.type == wanted
    assert found.to_pylist() == rows


@both
def test_dicts_of_the_same_keys_become_a_map_without_a_change(cast: Cast) -> None:
    rows = [{"a": NANOSECONDS, "b": None}, None, {"a": 1, "b": 2}]
    kind = pa.timestamp("ns")
    array = pa.array([None, *rows], pa.struct([("a", kind), ("b", kind)])).slice(1)
    found = cast(array, pa.map_(pa.string(), kind))
    found.validate(full=True)
    assert found.is_valid().to_pylist() == [True, False, True]
    assert found.keys.to_pylist() == ["a", "b", "a", "b"]
    assert found.items.cast(pa.int64()).to_pylist() == [NANOSECONDS, None, 1, 2]
