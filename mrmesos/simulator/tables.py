"""The text that `mrmesos simulate` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mrmesos.simulator.results import Figures

_COLUMNS = (
    "maps a job", "jobs", "node", "rack", "else", "median s", "95 % s", "slowdown", "95 %"
)  # fmt: skip


def text(result: Figures, speed: Figures) -> str:
    """All tables, with a newline at the end."""
    return "\n".join([*_head(result), "", *_jobs(result), "", *_resources(result), *_pace(speed)])


def _head(result: Figures) -> Iterator[str]:
    states = ", ".join(f"{n:,} {name}" for name, n in result["states"].items())
    counts, jobs = result["counts"], result["jobs"]
    yield (
        f"{result['agents']:,} agents, seed {result['seed']}: {jobs:,} job{'s'[: jobs != 1]} "
        f"({states}) of {result['tasks']:,} tasks in {duration(result['seconds'])}"
    )
    yield (
        f"{counts['attempts']:,} attempts in {counts['slots']:,} slots of {counts['trackers']:,} "
        f"TaskTrackers; {counts['offers']:,} offers, {counts['offers_declined']:,} declined; "
        f"all given back {result['drained_seconds']:.1f} s after the last job"
    )


def _jobs(result: Figures) -> Iterator[str]:
    groups = dict(result["by_maps"])
    if len(groups) > 1:
        groups["all"] = result["all"]
    rows = [
        (
            name,
            f"{group['jobs']:,}",
            percent(group["node_local"]),
            percent(group["rack_local"]),
            percent(group["elsewhere"]),
            f"{group['response_median']:,.1f}",
            f"{group['response_95']:,.1f}",
            f"{group['slowdown_median']:.2f}",
            f"{group['slowdown_95']:.2f}",
        )
        for name, group in groups.items()
    ]
    yield from table([_COLUMNS, *rows])


def _resources(result: Figures) -> Iterator[str]:
    names = {"cpus": "CPUs", "mem": "memory"}
    head = ("", "used", "held", "idle/used", "starting", "trackers", "wasted", "stalled")
    rows = [
        (
            names.get(name, name),
            percent(usage["utilisation"]),
            percent(usage["held"]),
            percent(usage["idle_of_used"]),
            percent(usage["starting_of_used"]),
            percent(usage["trackers_of_used"]),
            percent(usage["wasted_of_used"]),
            percent(usage["stalled_of_used"]),
        )
        for name, usage in result["resources"].items()
    ]
    yield from table([head, *rows])


def _pace(speed: Figures) -> Iterator[str]:
    yield ""
    yield (
        f"{speed['wall_seconds']:.1f} s of real time, {speed['cpu_seconds']:.1f} s of CPU time, of "
        f"which {speed['core_seconds']:.1f} s in the core: "
        f"{speed['decisions_per_core_second']:,} decisions/s of it; "
        f"{speed['core_events_per_second']:,} core events/s, "
        f"{speed['simulator_events_per_second']:,} simulated events/s"
    )
    yield ""


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of the necessary width. The first is aligned to the left, the others to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        first, *rest = (
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *rest]).rstrip()


def percent(share: float | None) -> str:
    """`93.1 %`, or a dash if there is no share."""
    return "-" if share is None else f"{share * 100:.1f} %"


def duration(seconds: float) -> str:
    """`23 h 59 min`, `4 min 10 s` or `12.3 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
