from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.goals import compared, goals
from benchmarks.report import BEGIN, END, PAGE, merge, render, replace_between_markers, table
from benchmarks.results import Results, Row, Run, Status, latest, load


def run(
    cpu: float,
    wall: float = 1.0,
    *,
    lost: bool = False,
    rss: int = 50_000_000,
    others: float = 0.0,
) -> Run:
    return Run(
        cpu=cpu,
        wall=wall,
        peak_rss=rss,
        tree_rss=2 * rss,
        processes=1,
        lingered=0.0,
        killed=[],
        cpu_lost=lost,
        output_bytes=1,
        others=others,
    )


def results(*rows: Row, size: str = "tiny", runs: int = 3) -> Results:
    return Results(
        started="2026-01-01 00:00",
        size=size,
        runs=runs,
        machine={"processor": "abacus"},
        versions={"python": "3"},
        titles={"wordcount": "Words", "groupsum": "Sums"},
        rows=list(rows),
    )


def row(system: str, *cpus: float, workload: str = "wordcount") -> Row:
    return Row(workload, system, f"the {system}", runs=[run(cpu) for cpu in cpus])


def test_a_table_has_medians_in_order_and_reasons_last() -> None:
    absent = Row("wordcount", "duckdb", "DuckDB", Status.SKIPPED, "no a|b")
    lost = Row("wordcount", "mawk", "mawk", runs=[run(9.0, lost=True)])
    text = render(results(absent, row("mrmesos", 5, 1, 4), row("python", 2, 2, 2), lost))
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    table = lines[lines.index(next(line for line in lines if "to the least" in line)) + 1 :]
    assert table[0] == "| the python | 2.00 | 1.00 | 1.0 | 50 MB | 100 MB | 3 |"
    assert table[1] == "| **the mrmesos** | 4.00 | 1.00 | 2.0 | 50 MB | 100 MB | 3 |"
    assert table[2].startswith("| mawk (CPU time: a lower bound) | 9.00 |")
    assert table[3].startswith("| DuckDB | skipped: no a\\|b |")


def test_goals_compare_with_the_better_peer_and_need_all_of_them() -> None:
    rows = [row("mrmesos", 4), row("python", 2), row("mrmesos-vectorised", 7), row("duckdb", 3)]
    judged = {goal.text: goal for goal in goals(results(*rows))}
    per_record = judged["words, per record: CPU to plain Python's"]
    assert (per_record.measured, per_record.held) == ("2.00", True)
    vectorised = "words, vectorised, Zipf text: CPU to the better of DuckDB's and Polars'"
    assert judged[vectorised].measured is None
    judged = {goal.text: goal for goal in goals(results(*rows, row("polars", 5)))}
    assert (judged[vectorised].measured, judged[vectorised].held) == ("2.33", False)


def test_goals_of_time_rate_and_memory() -> None:
    rows = [
        Row("latency", "mrmesos", "", runs=[run(0.8, 0.4), run(0.9, 9.0), run(0.7, 0.5)]),
        Row("empty-maps", "mrmesos", "", runs=[run(1, 0.1)]),
        Row("sort-big", "mrmesos-vectorised", "", runs=[run(1), run(1, rss=700_000_000)]),
    ]
    judged = {goal.text: (goal.measured, goal.held) for goal in goals(results(*rows))}
    assert judged["job of 1 KB, wall"] == ("0.50 s", True)
    assert judged["job of 1 KB, CPU"] == ("0.80 s", False)
    assert judged["empty maps"] == ("200 a second", True)
    assert judged["sort, buffer of 64 MiB: largest process"] == ("700 MB", False)


def test_the_goals_of_scale_compare_cpu_for_the_same_work() -> None:
    rows = [
        row("mrmesos-vectorised", 2, workload="sort"),
        row("mrmesos-vectorised", 21, workload="sort-10x"),
        row("mrmesos-vectorised", 46, workload="sort-20x"),
    ]
    judged = {goal.text: (goal.measured, goal.held) for goal in goals(results(*rows))}
    assert judged["sort of 10 times as much: CPU for the same work, to once"] == ("1.05", True)
    assert judged["sort of 20 times as much: CPU for the same work, to once"] == ("1.15", False)
    words = "wordcount of 20 times as much: CPU for the same work, to once"
    assert judged[words] == (None, False)


def test_one_run_is_enough_where_the_limit_is_far() -> None:
    assert ("wordcount", "loop") in compared()
    assert ("wordcount", "python") not in compared()


def test_the_table_of_scale_is_there_if_more_work_was_measured() -> None:
    once = row("mrmesos-vectorised", 2, workload="sort")
    assert "many times" not in render(results(once))
    text = render(results(once, row("mrmesos-vectorised", 21, workload="sort-10x")))
    assert "| sort-10x | 10 | 21.0 | 2.10 | 1.05 | 1.0 | 50 MB | 100 MB |" in text
    skipped = Row("sort-20x", "mrmesos-vectorised", "", Status.SKIPPED, "no room")
    assert "| sort-20x | 20 | skipped: no room |" in render(results(once, skipped))


def test_a_skipped_row_replaces_none_and_machines_are_not_mixed() -> None:
    skipped = Row("wordcount", "mrmesos", "", Status.SKIPPED, "gone")
    merged = merge([results(row("mrmesos", 4)), results(skipped)])
    assert [row.status for row in merged.rows] == [Status.OK]
    other = results(row("mrmesos", 4))
    other.machine = {"processor": "slide rule"}
    with pytest.raises(ValueError, match="different machines"):
        merge([results(), other])


def test_later_files_replace_rows(tmp_path: Path) -> None:
    first, second = results(row("mrmesos", 4), row("python", 2)), results(row("mrmesos", 3))
    for name, content in (("20260101-1", first), ("20260102-1", second)):
        content.save(tmp_path / f"{name}.json")
    newest = latest(tmp_path)
    assert newest is not None
    assert newest.name == "20260102-1.json"
    merged = merge([load(tmp_path / "20260101-1.json"), load(newest)])
    assert [(r.system, r.runs[0].cpu) for r in merged.rows] == [("mrmesos", 3), ("python", 2)]
    several = merge([results(runs=3), results(runs=1)])
    assert several.runs == 3
    with pytest.raises(ValueError, match="different sizes"):
        merge([first, results(size="full")])


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    assert replace_between_markers(page, "new") == f"above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"
    with pytest.raises(ValueError, match="lacks"):
        replace_between_markers("above", "new")
    assert replace_between_markers(PAGE.read_text(encoding="utf-8"), "new").count("new") >= 1


def test_where_waiting_is_the_point_wall_seconds_order() -> None:
    slow = Row("latency", "slow", "slow", runs=[run(1, 4.0)])
    busy = Row("latency", "busy", "busy", runs=[run(3, 2.0)])
    lines = table("latency", [slow, busy]).splitlines()
    assert "wall, to the least" in lines[0]
    assert lines[2].startswith("| busy | 3.00 | 2.00 | 1.0 |")
    assert lines[3].startswith("| slow | 1.00 | 4.00 | 2.0 |")


def test_a_machine_that_was_not_quiet_is_told() -> None:
    quiet = Row("wordcount", "a", "a", runs=[run(1, 2.0, others=0.1)])
    assert "not quiet" not in render(results(quiet))
    noisy = Row("wordcount", "a", "a", runs=[run(1, 2.0, others=3.0)])
    assert "not quiet**: other work kept 1.5 CPUs busy" in render(results(noisy))
