"""What docs/writing-jobs.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

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
