from __future__ import annotations

from examples.inverted_index.inverted_index import InvertedIndex
from mrmesos.api.testing import run_job

FILES = {
    "flowers.txt": "A rose is a rose.\nA tulip is not.\n",
    "proverbs.txt": "No rose without a thorn.\n",
}


def test_files_with_most_occurrences_come_first() -> None:
    result = run_job(InvertedIndex, FILES)
    index = dict(result.records)
    assert index["rose"] == "flowers.txt:2 proverbs.txt:1"
    assert index["a"] == "flowers.txt:3 proverbs.txt:1"
    assert index["thorn"] == "proverbs.txt:1"
    assert len(result.files) == 2


def test_short_words_can_be_left_out() -> None:
    result = run_job(InvertedIndex, FILES, ["--min-length", "5"])
    assert sorted(dict(result.records)) == ["thorn", "tulip", "without"]


def test_the_index_is_the_same_however_the_input_is_split() -> None:
    results = [
        dict(run_job(InvertedIndex, FILES, splits=splits, num_reducers=reducers).records)
        for splits, reducers in ((1, 1), (2, 3), (20, 2))
    ]
    assert results[0] == results[1] == results[2]
