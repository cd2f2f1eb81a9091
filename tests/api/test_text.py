from __future__ import annotations

import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.api import words

SPACES = "".join(chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace())
# Neighbours of white space in Unicode, and characters that share bytes with it.
ALIKE = (
    "ab\x08\x0e\x1b!\x7f\x84\x86\x9f\xa1\xe9\u1681\u2019\u200b\u202e\u2060\u3001\u8080\U0001f680"
)
TEXTS = st.lists(st.none() | st.text(SPACES + ALIKE, max_size=12), max_size=8)


@given(texts=TEXTS, first=st.integers(0, 3), kind=st.sampled_from([pa.string(), pa.large_string()]))
def test_words_are_those_of_split(texts: list[str | None], first: int, kind: pa.DataType) -> None:
    found = words(pa.array(texts, kind).slice(first))
    assert found.type == pa.string()
    assert found.to_pylist() == [word for text in texts[first:] for word in (text or "").split()]


@given(texts=st.lists(st.none() | st.binary(max_size=12), max_size=8), first=st.integers(0, 3))
def test_words_of_bytes(texts: list[bytes | None], first: int) -> None:
    found = words(pa.array(texts, pa.binary()).slice(first))
    assert found.type == pa.binary()
    assert found.to_pylist() == [word for text in texts[first:] for word in (text or b"").split()]


@pytest.mark.parametrize("space", SPACES, ids=ascii)
def test_every_white_space_of_python_parts_words(space: str) -> None:
    assert words(pa.array([f"a{space}{space}\u2019b{space}", space])).to_pylist() == [
        "a",
        "\u2019b",
    ]
