"""The examples of docs/writing-jobs.md give the results that the page shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrmesos.api import Job, Mapper, ParquetInput, Reducer
from mrmesos.api.testing import run_job

PAGE = Path(__file__).parents[2] / "docs" / "writing-jobs.md"
IMPORTS = """
import pyarrow as pa
import pyarrow.compute as pc
from mrmesos.api import *
"""


def names_of(block: int) -> dict[str, Any]:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    exec(IMPORTS + blocks[block], names)
    return names


ROWS = ParquetInput()
READINGS = ["Oslo,1", "Oslo,2", "Oslo,3", "Oslo,10"]


def test_word_count() -> None:
    result = run_job(names_of(0)["WordCount"], ["a rose", "is a rose"])
    assert dict(result.records) == {"a": 2, "is": 1, "rose": 2}


def test_the_mean_of_means_is_wrong_as_the_page_says() -> None:
    wrong = run_job(names_of(1)["MeanTemperature"], READINGS)
    assert f"# {wrong.records}, but the mean is 4" in PAGE.read_text()
    right = run_job(names_of(3)["MeanTemperature"], READINGS)
    assert right.records == [("Oslo", 4.0)]


def test_the_error_is_the_one_on_the_page() -> None:
    with pytest.raises(ValueError, match="not enough values to unpack") as met:
        run_job(names_of(1)["MeanTemperature"], "Oslo,1.0\nOslo,2.0\nRome;15.0\n")
    assert met.value.__notes__[0].endswith("offset 18: record 'Rome;15.0'")


def test_the_vectorised_word_count() -> None:
    result = run_job(names_of(4)["WordCount"], ["a rose", "is a rose"])
    assert dict(result.records) == {"a": 2, "is": 1, "rose": 2}


def test_an_aggregate_of_ones_own() -> None:
    names = names_of(5)

    class Ranges(Job):
        mapper, reducer = names_of(1)["Temperatures"], names["Range"]

    assert run_job(Ranges, READINGS).records == [("Oslo", 9.0)]


def test_values_by_date() -> None:
    lines = ["Oslo,2024-02,3", "Rome,2024-01,9", "Oslo,2024-03,8", "Oslo,2024-01,1"]
    result = run_job(names_of(6)["WarmingByCity"], lines)
    assert dict(result.records) == {"Oslo": 7.0, "Rome": 0.0}


def test_cut_points_by_name() -> None:
    class Words(Mapper):
        def map(self, key: Any, line: str) -> Any:
            yield line, None

    class Cut(Job):
        mapper, reducer, partitioner = Words, Reducer, names_of(7)["Alphabet"]

    result = run_job(Cut, ["p", "a", "zoo", "h", "gzz"], num_reducers=3)
    assert list(result.files.values()) == [b"a\ngzz\n", b"h\n", b"p\nzoo\n"]


def test_totals_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    table = {"user": ["a", "b", "a"], "amount": [1, 2, 3], "year": [2026, 2026, 2025]}
    pq.write_table(pa.table(table), path)
    names = names_of(8)
    assert dict(run_job(names["Totals"], path).records) == {"a": 1, "b": 2}
    by_row = type("ByRow", (names["Totals"],), {"mapper": names["Spent"], "input_format": ROWS})
    assert dict(run_job(by_row, path).records) == {"a": 4, "b": 2}


def test_the_join() -> None:
    users = "id,country\nann,NO\nbob,SE\n"
    orders = ['{"user": "ann", "amount": 1}', '{"user": "zoe", "amount": 5}']
    result = run_job(names_of(9)["OrdersByCountry"], {"users": users, "orders": orders})
    assert result.records == [("NO", 1)]
    assert [data for name, data in result.files.items() if "orphans" in name] == [b"zoe\t5\n"]


def test_the_notebook_has_what_it_imports() -> None:
    assert callable(names_of(10)["spent_in"])
