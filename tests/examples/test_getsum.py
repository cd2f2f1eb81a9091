from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from examples.getsum.getsum import GetSum
from mrmesos.api.testing import run_job


def test_ten_tasks_add_a_million_numbers() -> None:
    result = run_job(GetSum, "".join(f"{number}\n" for number in range(1, 1_000_001)))
    assert result.files == {"part-r-00000": b"sum\t500000500000\n"}
    # Each of the ten maps sends one pair.
    assert result.counters["task"]["REDUCE_INPUT_RECORDS"] == 10


def test_lines_that_are_no_numbers_are_counted() -> None:
    result = run_job(GetSum, ["1", "two", "3", ""])
    assert result.records == [("sum", 4)]
    assert result.counters["getsum"] == {"lines without a number": 2}


@settings(max_examples=40, deadline=None)
@given(numbers=st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=100))
def test_any_numbers(numbers: list[int]) -> None:
    result = run_job(GetSum, [str(number) for number in numbers])
    assert result.records == [("sum", sum(numbers))]
