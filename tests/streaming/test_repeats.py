"""Equal lines travel once, with their number; a reader gets each as often again."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.local.run_job import run_job
from mrmesos.streaming.lines import LineCutter, cut_lines, joined_lines
from mrmesos.streaming.repeats import (
    LineCounter,
    more_than_rows,
    repeated_rows,
)
from mrmesos.task.collect.adaptive_fold import AdaptiveFold
from tests.streaming.support import job_class, lines

LINES = st.lists(st.sampled_from([b"a\t1", b"a\t2", b"b", b"", b"\t", b"\0\xff\t\r"]), max_size=60)


def cutter(block_bytes: int) -> LineCutter:
    cut = partial(cut_lines, separator=b"\t", fields=1)
    return LineCutter(LineCounter(cut).cut, block_bytes)


@given(LINES, st.booleans(), st.integers(1, 40))
def test_as_many_lines_come_out_as_went_in(
    given_lines: list[bytes], closed: bool, block_bytes: int
) -> None:
    made = cutter(block_bytes)
    data = b"\n".join(given_lines) + (b"\n" if closed and given_lines else b"")
    wanted = data.split(b"\n")[: -1 if data.endswith(b"\n") or not data else None]
    batches = [*made.add(data), *made.end()]
    read = b"".join(bytes(each) for batch in batches for each in joined_lines(batch, "\t"))
    # A line without a tab is read with one.
    expected = Counter(line if b"\t" in line else line + b"\t" for line in wanted)
    assert Counter(read.split(b"\n")[:-1]) == expected
    rows = [row for batch in batches for each in repeated_rows(batch) for row in each.to_pylist()]
    assert Counter(row["key"] + b"\t" + row["value"] for row in rows) == expected
    assert sum(batch.num_rows + more_than_rows(batch) for batch in batches) == len(wanted)


def test_equal_lines_are_one_row_in_the_place_of_the_first() -> None:
    (batch,) = cutter(1 << 20).add(b"b\t1\n" * 3 + b"a\t1\n" + b"b\t1\n" * (1 << 18))
    assert batch.column("key").to_pylist() == [b"b", b"a"]
    assert more_than_rows(batch) == 2 + (1 << 18)


def test_one_row_that_stands_for_many_lines_is_read_in_pieces() -> None:
    (batch,) = cutter(8 << 20).add(b"x" * 999 + b"\n" + b"y\n" * (8 << 20))
    pieces = [len(each) for each in map(bytes, joined_lines(batch, "\t"))]
    assert sum(pieces) == 1_001 + 3 * (8 << 20)
    # The single row of all y is one piece, as no more than a block of lines went into it.
    assert len(pieces) == 2


def test_counting_rests_while_all_lines_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    counter = LineCounter(partial(cut_lines, separator=b"\t", fields=1))
    plain = AdaptiveFold.pays

    def pays(fold: AdaptiveFold, rows: int, distinct: int) -> bool:
        tried.append(rows)
        return plain(fold, rows, distinct)

    monkeypatch.setattr(AdaptiveFold, "pays", pays)
    for block in range(100):
        counter.cut(b"".join(b"%d-%d\n" % (block, line) for line in range(10)))
    assert 3 <= len(tried) <= 8


@pytest.mark.parametrize("words", [("-reducer", "cat"), (), ("-combiner", "cat")])
def test_counters_tell_of_records_and_not_of_rows(words: tuple[str, ...]) -> None:
    job = job_class("-mapper", "cat", *words, "-numReduceTasks", "2")
    result = run_job(job, ["a\t1", "a\t1", "b\t2", "a\t1"] * 50, splits=2, num_reducers=2)
    assert Counter(lines(result.records)) == {(b"a", b"1"): 150, (b"b", b"2"): 50}
    task = result.counters["task"]
    names = ["MAP_OUTPUT_RECORDS", "REDUCE_INPUT_RECORDS", "REDUCE_OUTPUT_RECORDS"]
    if "-combiner" in words:
        names += ["COMBINE_INPUT_RECORDS", "COMBINE_OUTPUT_RECORDS"]
    assert {name: task[name] for name in names} == dict.fromkeys(names, 200)
    assert task["REDUCE_INPUT_GROUPS"] == 2
