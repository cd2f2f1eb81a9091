from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from examples.top_words.top_words import Top
from mrmesos.api.testing import run_job


def reference(lines: list[str], n: int) -> list[tuple[str, int]]:
    counts = Counter(word for line in lines for word in line.split())
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:n]


def test_the_top_of_a_rose() -> None:
    result = run_job(Top, ["a rose", "is a rose"], ["--top", "2"])
    assert result.records == [("a", 2), ("rose", 2)]
    assert dict(result.steps["CountWords"].records) == {"a": 2, "is": 1, "rose": 2}


@settings(max_examples=25)
@given(
    lines=st.lists(st.text("abc ", max_size=40).map(str.strip), min_size=1, max_size=20),
    n=st.integers(1, 6),
    reducers=st.integers(1, 3),
)
def test_any_text(lines: list[str], n: int, reducers: int) -> None:
    result = run_job(Top, lines, ["--top", str(n)], num_reducers=reducers)
    assert result.records == reference(lines, n)
