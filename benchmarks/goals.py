"""Goals for the data path, mostly as ratios to other systems in the same measurement."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.results import Results, Row, Run, Status
from benchmarks.workloads import SIZES, SORT_SCALES, WORDCOUNT_SCALE

Rows = dict[tuple[str, str], Row]


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal; `measured` is None if the results lack a row that it needs."""

    text: str
    limit: str
    measured: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Ratio:
    """CPU seconds of one of our rows, at most `limit` times the better of the yardsticks'.

    `once` says that one run of the yardsticks is enough, because they take long and the limit is
    far.
    """

    text: str
    workload: str
    ours: str
    yardsticks: tuple[str, ...]
    limit: float
    once: bool = False

    def judge(self, rows: Rows) -> Goal:
        """The goal against the medians."""
        limit = f"at most {self.limit:g}"
        ours = rows.get((self.workload, self.ours))
        others = [rows.get((self.workload, name)) for name in self.yardsticks]
        there = [row for row in others if row is not None]
        if ours is None or len(there) < len(others):
            return Goal(self.text, limit)
        ratio = ours.median(cpu) / min(row.median(cpu) for row in there)
        return Goal(self.text, limit, f"{ratio:.2f}", ratio <= self.limit)


VECTORISED = "mrmesos-vectorised"
TEXTS = {
    "wordcount": "Zipf text",
    "wordcount-real": "Linux' source",
    "wordcount-few": "few different words",
}
RATIOS = (
    *(
        Ratio(f"words, per record, {text}: CPU to the loop's", name, "mrmesos", ("loop",), 1.25)
        for name, text in TEXTS.items()
    ),
    Ratio(
        "words, per record: CPU to plain Python's",
        "wordcount",
        "mrmesos",
        ("python",),
        2.0,
        once=True,
    ),
    *(
        Ratio(
            f"words, vectorised, {TEXTS[name]}: CPU to the better of DuckDB's and Polars'",
            name,
            VECTORISED,
            ("duckdb", "polars"),
            1.3,
        )
        for name in ("wordcount", "wordcount-real")
    ),
    Ratio(
        "words by streaming: CPU to the same commands in a shell's pipe",
        "streaming",
        "mrmesos-streaming",
        ("shell",),
        1.25,
    ),
    Ratio(
        "words by mrjob's job: CPU to mrjob's own local runner",
        "mrjob",
        "mrmesos-mrjob",
        ("mrjob",),
        0.25,
    ),
    Ratio("sort: CPU to GNU sort's", "sort", VECTORISED, ("gnu-sort",), 1.0),
    Ratio("sort: CPU to DuckDB's", "sort", VECTORISED, ("duckdb",), 1.0),
    Ratio("sums, per record: CPU to the loop's", "groupsum", "mrmesos", ("loop",), 1.15),
    Ratio("sums, per record: CPU to plain Python's", "groupsum", "mrmesos", ("python",), 1.5),
    Ratio(
        "sums, vectorised: CPU to the better of DuckDB's and Polars'",
        "groupsum",
        VECTORISED,
        ("duckdb", "polars"),
        1.3,
    ),
)
SORT_PROCESS_MB = 600
TASKS_PER_SECOND = 100
LATENCY_SECONDS = 0.5
LATENCY_CPU_SECONDS = 0.7
SCALE_LIMIT = 1.1


def compared() -> frozenset[tuple[str, str]]:
    """Workload and system of each peer's row that a goal needs more than one run of."""
    needed = [ratio for ratio in RATIOS if not ratio.once]
    return frozenset((ratio.workload, name) for ratio in needed for name in ratio.yardsticks)


def goals(results: Results) -> list[Goal]:
    """All of them."""
    rows = {(row.workload, row.system): row for row in results.rows if row.status is Status.OK}
    return [
        *(ratio.judge(rows) for ratio in RATIOS),
        memory_of_a_sort(rows.get(("sort-big", VECTORISED))),
        rate_of_tasks(rows.get(("empty-maps", "mrmesos")), SIZES[results.size].empty_maps),
        *latency(rows.get(("latency", "mrmesos"))),
        *(scale(rows, name, times) for name, times in SCALES),
    ]


def memory_of_a_sort(row: Row | None) -> Goal:
    """The largest process of all runs, not the median: a bound must always hold."""
    text, limit = "sort, buffer of 64 MiB: largest process", f"under {SORT_PROCESS_MB} MB"
    if row is None:
        return Goal(text, limit)
    largest = max(run.peak_rss for run in row.runs) / 1e6
    return Goal(text, limit, f"{largest:.0f} MB", largest < SORT_PROCESS_MB)


def rate_of_tasks(row: Row | None, tasks: int) -> Goal:
    """Maps by the wall seconds of the whole command, start of the cluster included."""
    text, limit = "empty maps", f"at least {TASKS_PER_SECOND} a second"
    if row is None:
        return Goal(text, limit)
    rate = tasks / row.median(wall)
    return Goal(text, limit, f"{rate:.0f} a second", rate >= TASKS_PER_SECOND)


def latency(row: Row | None) -> list[Goal]:
    """Start to exit, and all processes' CPU time."""
    return [
        at_most(f"job of 1 KB, {name}", limit, None if row is None else row.median(of))
        for name, limit, of in (
            ("wall", LATENCY_SECONDS, wall),
            ("CPU", LATENCY_CPU_SECONDS, cpu),
        )
    ]


def at_most(text: str, limit: float, seconds: float | None) -> Goal:
    """A goal of seconds."""
    told = f"at most {limit:g} s"
    if seconds is None:
        return Goal(text, told)
    return Goal(text, told, f"{seconds:.2f} s", seconds <= limit)


SCALES = (
    *(("sort", times) for times in SORT_SCALES),
    ("wordcount", WORDCOUNT_SCALE),
)


def scale(rows: Rows, name: str, times: int) -> Goal:
    """CPU seconds for a unit of work, with many times the work, to those of the usual work."""
    text = f"{name} of {times} times as much: CPU for the same work, to once"
    limit = f"at most {SCALE_LIMIT:g}"
    one, many = rows.get((name, VECTORISED)), rows.get((f"{name}-{times}x", VECTORISED))
    if one is None or many is None:
        return Goal(text, limit)
    ratio = many.median(cpu) / times / one.median(cpu)
    return Goal(text, limit, f"{ratio:.2f}", ratio <= SCALE_LIMIT)


def cpu(run: Run) -> float:
    """CPU seconds of a run."""
    return run.cpu


def wall(run: Run) -> float:
    """Wall seconds of a run."""
    return run.wall
