"""Draws CPU time for the same work against the amount: `plot_scale.py RESULTS.json PICTURE.svg`.

Runs in the peers' environment, which has matplotlib, and so imports nothing else of ours.
"""

import json
import re
import statistics
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

SYSTEM = "mrmesos-vectorised"
COLOURS = {"sort": "#b5432f", "wordcount": "#2f6fb5"}


def main() -> None:
    """One line a kind of work; flat lines are what we want."""
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    mpl.rcParams.update({"svg.hashsalt": "mrmesos", "font.size": 9})
    figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
    for work, colour in COLOURS.items():
        if points := sorted(points_of(results, work)):
            axis.plot(*zip(*points, strict=True), marker="o", color=colour, label=work)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("times the work of the tables above")
    axis.set_ylabel("CPU seconds for once")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(sys.argv[2], metadata={"Date": None})


def points_of(results: dict, work: str) -> list[tuple[int, float]]:
    """How many times the work, and median CPU seconds for once."""
    points = []
    for row in results["rows"]:
        match = re.fullmatch(rf"{work}(?:-(\d+)x)?", row["workload"])
        if match and row["system"] == SYSTEM and row["status"] == "ok":
            times = int(match[1] or 1)
            points.append((times, statistics.median(run["cpu"] for run in row["runs"]) / times))
    return points


if __name__ == "__main__":
    main()
