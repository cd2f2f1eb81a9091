"""Writes docs/performance.md's tables, and the plot, from results files.

`python -m benchmarks.report` uses the newest file. With several files, rows of later files replace
the same rows of earlier ones. `--print` shows the tables and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.goals import VECTORISED, cpu, goals, wall
from benchmarks.results import Results, Row, Run, Status, latest, load
from benchmarks.systems import HERE, OURS, PEERS_PYTHON, ROOT
from benchmarks.workloads import SORT_SCALES, WORDCOUNT_SCALE

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "img" / "performance.svg"
SCALE_PLOT = "performance-scale.svg"
"""The name of the second plot, beside the first."""
WAITING = frozenset({"latency", "empty-maps"})
NOISE = 0.2
"""The report does not mention other work that keeps fewer CPUs busy than this."""
BEGIN, END = "<!-- results: written by `python -m benchmarks.report` -->", "<!-- end of results -->"


def merge(files: list[Results]) -> Results:
    """Merge several results: the facts of the last file, and all rows. Later rows replace earlier
    ones, but a row that was skipped replaces none.

    Raises ValueError if the sizes or the machines differ.
    """
    if len({results.size for results in files}) > 1:
        raise ValueError("the files are of different sizes")
    merged = files[-1]
    if any(results.machine != merged.machine for results in files):
        raise ValueError("the files are of different machines")
    rows: dict[tuple[str, str], Row] = {}
    titles: dict[str, str] = {}
    versions: dict[str, str] = {}
    for results in files:
        titles |= results.titles
        versions |= results.versions
        for row in results.rows:
            key = (row.workload, row.system)
            if key not in rows or row.status is not Status.SKIPPED:
                rows[key] = row
    merged.rows, merged.titles, merged.versions = list(rows.values()), titles, versions
    merged.runs = max(results.runs for results in files)
    return merged


def render(results: Results, plot: str = "", scale_plot: str = "") -> str:
    """Everything between the markers. The plots are paths of pictures as the page names them."""
    parts = [facts(results), table_of_goals(results)]
    if plot:
        parts.append(f"![CPU seconds of each system]({plot})")
    for name, title in results.titles.items():
        rows = [row for row in results.rows if row.workload == name]
        if SCALES.get(name, (name, 1))[1] == 1:
            parts.append(f"### {title}\n\n{table(name, rows)}")
    if lines := lines_of_scale(results):
        parts.append("### The same work many times\n\n" + "\n".join([*SCALE_HEAD, *lines]))
        if scale_plot:
            parts.append(f"![CPU seconds for the same work]({scale_plot})")
    return "\n\n".join(parts)


SCALES = {
    "sort": ("sort", 1),
    **{f"sort-{times}x": ("sort", times) for times in SORT_SCALES},
    "wordcount": ("wordcount", 1),
    f"wordcount-{WORDCOUNT_SCALE}x": ("wordcount", WORDCOUNT_SCALE),
}
SCALE_HEAD = (
    "| work | times | CPU s | CPU s for once | to once | wall s | largest process | all |",
    "|---|---:|---:|---:|---:|---:|---:|---:|",
)


def lines_of_scale(results: Results) -> list[str]:
    """A line for each amount of work. Empty if only one amount was measured."""
    rows = {row.workload: row for row in results.rows if row.system == VECTORISED}
    lines = []
    for name, (work, times) in SCALES.items():
        row, once = rows.get(name), rows.get(work)
        if row is None:
            continue
        title = results.titles.get(name, name)
        if row.status is not Status.OK:
            lines.append(f"| {title} | {times} | {row.status.value}: {row.reason} | | | | | |")
            continue
        unit = row.median(cpu) / times
        measured = once is not None and once.status is Status.OK
        ratio = f"{unit / once.median(cpu):.2f}" if once is not None and measured else ""
        lines.append(
            f"| {title} | {times} | {row.median(cpu):.1f} | {unit:.2f} | {ratio} "
            f"| {row.median(wall):.1f} | {row.median(peak_rss) / 1e6:,.0f} MB "
            f"| {row.median(tree_rss) / 1e6:,.0f} MB |"
        )
    return lines if any(times > 1 for name, (_, times) in SCALES.items() if name in rows) else []


def facts(results: Results) -> str:
    """The machine and the versions."""
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    versions = "; ".join(
        value if value.startswith(name) else f"{name} {value}"
        for name, value in results.versions.items()
    )
    return (
        f"Measured {results.started} UTC, size `{results.size}`, medians of up to {results.runs} "
        f"runs.  \n{machine}.  \n{versions}.{noise(results)}"
    )


def noise(results: Results) -> str:
    """A note about other work on the host, if there was enough to disturb the measurement."""
    shares = [run.others / run.wall for row in results.rows for run in row.runs if run.wall > 1]
    if not shares or median(shares) < NOISE:
        return ""
    return (
        f"  \n**The machine was not quiet**: other work kept {median(shares):.1f} CPUs busy "
        f"(the median of all runs; at most {max(shares):.1f}). Wall seconds mean little, and CPU "
        "seconds are dearer than they should be."
    )


def table_of_goals(results: Results) -> str:
    """Goals, and whether they are met. Goals without figures are left out."""
    lines = ["| goal | limit | measured | held |", "|---|---|---:|---|"]
    lines += [
        f"| {goal.text} | {goal.limit} | {goal.measured} | {'yes' if goal.held else '**no**'} |"
        for goal in goals(results)
        if goal.measured is not None
    ]
    return "\n".join(lines)


def table(name: str, rows: list[Row]) -> str:
    """The rows of one workload, the cheapest first. Rows without figures come last.

    The order is by CPU seconds, but by wall seconds if a workload is about waiting.
    """
    cost = wall if name in WAITING else cpu
    measured = [row for row in rows if row.status is Status.OK]
    measured.sort(key=lambda row: row.median(cost))
    least = measured[0].median(cost) if measured else 1.0
    to = "wall, to the least" if cost is wall else "CPU, to the least"
    lines = [f"| system | CPU s | wall s | {to} | largest process | all | runs |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for row in measured:
        ratio = f"{row.median(cost) / least:.1f}" if least > 0 else ""
        largest, together = row.median(peak_rss) / 1e6, row.median(tree_rss) / 1e6
        lines.append(
            f"| {label(row)} | {row.median(cpu):.2f} | {row.median(wall):.2f} | {ratio} "
            f"| {largest:,.0f} MB | {together:,.0f} MB | {len(row.runs)} |"
        )
    for row in rows:
        if row.status is not Status.OK:
            reason = row.reason.replace("|", "\\|")
            lines.append(f"| {label(row)} | {row.status.value}: {reason} | | | | | |")
    return "\n".join(lines)


def label(row: Row) -> str:
    """The system's name, ours in bold, with a note if the figures need one."""
    text = f"**{row.label}**" if row.system.startswith(OURS) else row.label
    if any(run.cpu_lost for run in row.runs):
        text += " (CPU time: a lower bound)"
    if any(run.killed for run in row.runs):
        text += " (left processes behind)"
    return text


def peak_rss(run: Run) -> float:
    """Bytes of the largest process."""
    return run.peak_rss


def tree_rss(run: Run) -> float:
    """Bytes of all processes together."""
    return run.tree_rss


def replace_between_markers(page: str, text: str) -> str:
    """The page with `text` between the markers. Raises ValueError if they are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def draw(script: str, results: Results, plot: Path, scratch: Path) -> bool:
    """Draw a plot with the peers' matplotlib. Returns False if that is not installed."""
    if not PEERS_PYTHON.is_file():
        return False
    merged = scratch / "merged.json"
    results.save(merged)
    plot.parent.mkdir(parents=True, exist_ok=True)
    command = [str(PEERS_PYTHON), str(HERE / script), str(merged), str(plot)]
    return subprocess.run(command, check=False).returncode == 0


def main() -> int:
    """Rewrite the page, or print the tables."""
    parser = argparse.ArgumentParser(description="Write docs/performance.md's tables.")
    parser.add_argument("files", nargs="*", type=Path, help="results; by default the newest")
    parser.add_argument("--print", action="store_true", dest="show")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--plot", type=Path, default=PLOT)
    options = parser.parse_args()
    newest = latest(HERE / "results")
    files = options.files or ([newest] if newest else [])
    if not files:
        parser.error("there are no results yet: `make bench` or `make bench-small` first")
    results = merge([load(file) for file in files])
    if options.show:
        print(render(results))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        plots = [options.plot]
        scripts = ["plot.py"]
        if lines_of_scale(results):
            plots.append(options.plot.with_name(SCALE_PLOT))
            scripts.append("plot_scale.py")
        drawn = [
            plot
            for script, plot in zip(scripts, plots, strict=True)
            if draw(script, results, plot, Path(scratch))
        ]
    pictures = [
        os.path.relpath(plot, options.page.parent) if plot in drawn else "" for plot in plots
    ]
    page = options.page.read_text(encoding="utf-8")
    options.page.write_text(replace_between_markers(page, render(results, *pictures)), "utf-8")
    print(f"{options.page} written" + "".join(f", {plot} drawn" for plot in drawn))
    return 0


if __name__ == "__main__":
    sys.exit(main())
