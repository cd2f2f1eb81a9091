"""examples/map_release equals a count in plain Python, also where tasks fail and are cancelled."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from examples.map_release.map_release import FINEST, CountPlaces, Load, carry_out, plan
from mrmesos.api import TaskExecutor

ZOOMS = range(FINEST)


def places(directory: Path) -> dict[str, list[tuple[float, float]]]:
    """Some regions, as files and as they are."""
    rng = random.Random(3)
    directory.mkdir()
    regions = {}
    for name in "abcd":
        found = [(rng.uniform(-180, 180), rng.uniform(-90, 90)) for _ in range(rng.randint(0, 200))]
        with (directory / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(found)
        regions[name] = found
    return regions


def reference(regions: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, int]]:
    """Each place is counted at each zoom by itself, without finer tiles."""
    counts: dict[str, Counter[str]] = {str(zoom): Counter() for zoom in ZOOMS}
    for found in regions.values():
        for lon, lat in found:
            for zoom in ZOOMS:
                x, y = int((lon + 180) // (360 / 2**zoom)), int((lat + 90) // (180 / 2**zoom))
                counts[str(zoom)][f"{x}/{y}"] += 1
    return {zoom: dict(tiles) for zoom, tiles in counts.items()}


class InThisProcess:
    """Runs tasks at once, in the order in which they come. Chosen tasks fail the first time."""

    def __init__(self, failing: set[Any]) -> None:
        self.failing = failing
        self.bad: set[Any] = set()
        self.ended: list[Any] = []

    def execute_all(self, graph: dict[Any, list[Any]]) -> None:
        for task in graph:
            self.execute(task, graph[task])

    def execute(self, task: Any, after: list[Any]) -> None:
        self.bad.discard(task)
        if task in self.failing or self.bad & set(after):
            self.failing.discard(task)
            self.bad.add(task)
            self.ended.append((task, None, OSError("the database is away")))
        else:
            self.ended.append((task, task.run(), None))

    def pop_finished(self, wait: float) -> list[Any]:
        ended, self.ended = self.ended, []
        return ended


@pytest.mark.parametrize("failing", ["", "a", "ad"])
def test_the_planner_runs_again_what_fails(tmp_path: Path, failing: str) -> None:
    regions, target = places(tmp_path / "places"), tmp_path / "release"
    target.mkdir()
    bad = {Load(tmp_path / "places" / f"{name}.csv", target) for name in failing}
    carry_out(InThisProcess(set(bad)), plan(tmp_path / "places", target))  # type: ignore[arg-type]
    assert json.loads((target / "release.json").read_text())["zooms"] == reference(regions)


@pytest.mark.slow
def test_a_release_on_a_cluster(tmp_path: Path) -> None:
    regions, target = places(tmp_path / "places"), tmp_path / "release"
    target.mkdir()
    graph = plan(tmp_path / "places", target)
    with TaskExecutor(global_resources={"db_connections": 2}) as executor:
        first = next(task for task in graph if isinstance(task, Load))
        executor.execute(first)  # a planner that changes its mind
        executor.cancel(first)
        results = carry_out(executor, graph)
    assert len(results) == len(graph)
    counted = {t.region: n for t, n in results.items() if isinstance(t, CountPlaces)}
    assert {name: sum(tiles.values()) for name, tiles in counted.items()} == {
        name: len(found) for name, found in regions.items()
    }
    assert json.loads((target / "release.json").read_text())["zooms"] == reference(regions)
