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

from benchmarks.goals import cpu, goals, wall
from benchmarks.results import Results, Row, Run, Status, latest, load
from benchmarks.systems import HERE, OURS, PEERS_PYTHON, ROOT

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "img" / "performance.svg"
WAITING = frozenset({"latency", "empty-maps"})
NOISE = 0.2
"""The report does not mention other work that keeps fewer CPUs busy than this."""
BEGIN, END = "<!-- results: written by `python -m benchmarks.report` -->", "<!-- end of results -->"


def merge(files: list[Results]) -> Results:
    """Merge several results: the facts of the last file, and all rows; later rows replace earlier.

    Raises ValueError if the sizes differ.
    """
    if len({results.size for results in files}) > 1:
        raise ValueError("the files are of different sizes")
    merged = files[-1]
    rows: dict[tuple[str, str], Row] = {}
    titles: dict[str, str] = {}
    for results in files:
        titles |= results.titles
        rows |= {(row.workload, row.system): row for row in results.rows}
    merged.rows, merged.titles = list(rows.values()), titles
    return merged


def render(results: Results, plot: str = "") -> str:
    """Everything between the markers. `plot` is the picture's path as the page names it."""
    parts = [facts(results), table_of_goals(results)]
    if plot:
        parts.append(f"![CPU seconds of each system]({plot})")
    for name, title in results.titles.items():
        rows = [row for row in results.rows if row.workload == name]
        parts.append(f"### {title}\n\n{table(name, rows)}")
    return "\n\n".join(parts)


def facts(results: Results) -> str:
    """The machine and the versions."""
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    versions = ", ".join(
        value if value.startswith(name) else f"{name} {value}"
        for name, value in results.versions.items()
    )
    return (
        f"Measured {results.started} UTC, size `{results.size}`, medians of {results.runs}.  \n"
        f"{machine}.  \n{versions}.{noise(results)}"
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


def draw(results: Results, plot: Path, scratch: Path) -> bool:
    """Draw the plot with the peers' matplotlib. Returns False if that is not installed."""
    if not PEERS_PYTHON.is_file():
        return False
    merged = scratch / "merged.json"
    results.save(merged)
    plot.parent.mkdir(parents=True, exist_ok=True)
    command = [str(PEERS_PYTHON), str(HERE / "plot.py"), str(merged), str(plot)]
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
        drawn = draw(results, options.plot, Path(scratch))
    picture = os.path.relpath(options.plot, options.page.parent) if drawn else ""
    page = options.page.read_text(encoding="utf-8")
    options.page.write_text(replace_between_markers(page, render(results, picture)), "utf-8")
    print(f"{options.page} written" + (f", {options.plot} drawn" if drawn else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
