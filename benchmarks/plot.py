"""Draws CPU seconds of each system from a results file: `plot.py RESULTS.json PICTURE.svg`.

Runs in the peers' environment, which has matplotlib, and so imports nothing else of ours.
"""

import json
import statistics
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

PANELS = ("wordcount", "wordcount-real", "wordcount-few", "sort", "groupsum")
OURS, OTHERS = "#b5432f", "#8a97a3"


def main() -> None:
    """One panel a workload, a bar a system, the cheapest on top."""
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    panels = {name: bars(results, name) for name in PANELS}
    panels = {name: rows for name, rows in panels.items() if rows}
    if not panels:
        sys.exit("nothing to draw: no workload that peers were asked has figures")
    mpl.rcParams.update({"svg.hashsalt": "mrmesos", "font.size": 9})
    heights = [len(rows) + 1.5 for rows in panels.values()]
    figure, axes = plt.subplots(
        len(panels),
        figsize=(8, 0.28 * sum(heights)),
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
        layout="constrained",
    )
    for axis, (name, rows) in zip(axes[:, 0], panels.items(), strict=True):
        labels = [label for label, _, _ in rows]
        seconds = [value for _, value, _ in rows]
        drawn = axis.barh(labels, seconds, color=[OURS if ours else OTHERS for *_, ours in rows])
        axis.bar_label(drawn, fmt="{:.1f}", padding=3)
        axis.invert_yaxis()
        axis.margins(x=0.1)
        axis.set_title(results["titles"][name], loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(f"CPU seconds of all processes, medians; measured {results['started']} UTC")
    figure.savefig(sys.argv[2], metadata={"Date": None})


def bars(results: dict, workload: str) -> list[tuple[str, float, bool]]:
    """Label, median CPU seconds and whether it is ours, the least first."""
    rows = [
        (
            row["label"].replace("`", ""),
            statistics.median(run["cpu"] for run in row["runs"]),
            row["system"].startswith("mrmesos"),
        )
        for row in results["rows"]
        if row["workload"] == workload and row["status"] == "ok"
    ]
    return sorted(rows, key=lambda row: row[1])


if __name__ == "__main__":
    main()
