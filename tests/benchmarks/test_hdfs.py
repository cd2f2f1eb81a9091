"""The table of what HDFS costs, without an HDFS. tests/hdfs/test_benchmark.py has one."""

from __future__ import annotations

from benchmarks.hdfs import WORKS, Pairs, Spent, chosen
from benchmarks.workloads import SIZES


def test_a_row_has_medians_and_their_ratios() -> None:
    local = [Spent(1.0, 4.0, 0.2), Spent(2.0, 5.0, 0.2), Spent(9.0, 6.0, 0.2)]
    hdfs = [Spent(3.0, 10.0, 1.5)]
    assert Pairs("sort", local, hdfs).row() == (
        "| sort | 2.00 | 5.00 | 3.00 | 10.00 | 1.50 | 2.00 | 1.50 | 1 |"
    )


def test_works_are_chosen_by_name() -> None:
    tiny = SIZES["tiny"]
    assert [name for name, *_ in chosen(tiny, [])] == [name for name, *_ in WORKS]
    [(name, workload, system)] = chosen(tiny, ["sort"])
    assert (name, workload.name, system.name) == ("sort", "sort", "mrmesos-vectorised")
    assert chosen(tiny, ["what"]) == []
