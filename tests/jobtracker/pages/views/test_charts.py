"""Histograms and trends: the pictures and their texts."""

from __future__ import annotations

from mrmesos.jobtracker.core.messages.job_run import TaskRun
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.history.spread import BINS, spreads
from mrmesos.jobtracker.pages.views.charts import HEIGHT, ClusterSample, histograms, trends
from mrmesos.wire.job import JobReport
from tests.jobtracker.history.runs import ended_run


def record(sizes: list[int]) -> HistoryRecord:
    tasks = [
        TaskRun(f"task_1_1_r_{n:06d}", "reduce", {"task": {"REDUCE_SHUFFLE_BYTES": size}}, ())
        for n, size in enumerate(sizes)
    ]
    report = JobReport(status=ended_run().report.status, attempts=[])
    return HistoryRecord(report=report, spreads=spreads(tasks))


def test_a_histogram_has_all_tasks_in_its_bars_and_in_words() -> None:
    sizes = [1000] * 30 + [2000] * 9 + [50_000]
    kept = record(sizes)
    assert sum(kept.spreads[0].bins) == 40
    assert len(kept.spreads[0].bins) == BINS
    [drawn] = histograms(kept)
    assert drawn.bars.count("M") == 2  # 1000 and 2000 share a bar
    assert f"v-{HEIGHT:.1f}" in drawn.bars
    assert (drawn.low, drawn.median, drawn.high) == ("1,000 B", "1,000 B", "48.8 KiB")
    assert "most, 39 tasks" in drawn.words


def test_few_tasks_and_equal_ones() -> None:
    assert histograms(record([1, 2, 3])) == []
    [drawn] = histograms(record([7] * 9))
    assert drawn.bars.count("M") == 1


def test_a_trend_needs_two_samples() -> None:
    one = ClusterSample(1000.0, {"cpus": 8000}, {"cpus": 4000}, {"cpus": 2000})
    assert trends([one]) == []
    cpus, mem = trends([one, one._replace(at=1010.0, held={"cpus": 8000})])
    assert cpus.most == "8"
    assert cpus.held.endswith("480.0,0.0L480,96z")
    assert cpus.words == "cpus over the last 10 s; now 8 offered, 8 held, 2 used"
    assert mem.words.endswith("now 0 B offered, 0 B held, 0 B used")
