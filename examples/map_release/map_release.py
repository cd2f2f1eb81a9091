"""Releases a map: loads places into a database, counts them in tiles, and publishes the release.

    python examples/map_release/map_release.py places/ release/

`places/` has a CSV file (`lon,lat`) for each region. The tasks are a graph: each region is loaded,
with a connection to the database; then its tiles of the finest zoom are counted; each coarser zoom
sums the finer one; and the last task writes `release/release.json`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrmesos.api import TaskExecutor

FINEST = 5
CONNECTIONS = 3
MIB = 1 << 20
Task = Any


@dataclass(frozen=True)
class Load:
    """Loads the places of a region into the database."""

    region: Path
    target: Path

    def consumption(self) -> dict[str, float]:
        return {"cpus": 0.25, "ram": 200 * MIB, "db_connections": 1}

    def run(self) -> int:
        with self.region.open(newline="") as file:
            rows = [(self.region.stem, float(lon), float(lat)) for lon, lat in csv.reader(file)]
        database = sqlite3.connect(self.target / "places.db", timeout=30)
        try:
            with database:
                database.execute("CREATE TABLE IF NOT EXISTS places (region, lon, lat)")
                # The task may have run before, and been killed after this.
                database.execute("DELETE FROM places WHERE region = ?", (self.region.stem,))
                database.executemany("INSERT INTO places VALUES (?, ?, ?)", rows)
        finally:
            database.close()
        return len(rows)


@dataclass(frozen=True)
class CountPlaces:
    """Counts the places of a region in each tile of the finest zoom."""

    region: str
    target: Path

    def consumption(self) -> list[tuple[str, float]]:
        return [("cpus", 0.5), ("ram", 200 * MIB), ("db_connections", 1)]

    def run(self) -> dict[str, int]:
        database = sqlite3.connect(self.target / "places.db", timeout=30)
        try:
            rows = database.execute("SELECT lon, lat FROM places WHERE region = ?", (self.region,))
            tiles = Counter(tile_of(lon, lat, FINEST) for lon, lat in rows)
        finally:
            database.close()
        write(self.target, f"{FINEST}-{self.region}", tiles)
        return dict(tiles)


@dataclass(frozen=True)
class SumTiles:
    """Sums the tiles of the next finer zoom."""

    zoom: int
    regions: tuple[str, ...]
    target: Path

    def consumption(self) -> dict[str, float]:
        return {"cpus": 0.5, "ram": 200 * MIB}

    def run(self) -> dict[str, int]:
        finer = [f"{FINEST}-{region}" for region in self.regions]
        if self.zoom + 1 < FINEST:
            finer = [str(self.zoom + 1)]
        tiles: Counter[str] = Counter()
        for name in finer:
            for tile, places in read(self.target, name).items():
                x, y = map(int, tile.split("/"))
                tiles[f"{x // 2}/{y // 2}"] += places
        write(self.target, str(self.zoom), tiles)
        return dict(tiles)


@dataclass(frozen=True)
class Publish:
    """Writes the tiles of all zooms into one file."""

    target: Path

    def consumption(self) -> dict[str, float]:
        return {"cpus": 0.25, "ram": 200 * MIB}

    def run(self) -> dict[str, Any]:
        zooms = {str(zoom): read(self.target, str(zoom)) for zoom in range(FINEST)}
        text = json.dumps(zooms, sort_keys=True)
        release = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "zooms": zooms}
        (self.target / "release.json").write_text(json.dumps(release, sort_keys=True))
        return release


def tile_of(lon: float, lat: float, zoom: int) -> str:
    """The tile of a place, as `x/y`: the world is 2^zoom tiles wide and high."""
    tiles = 1 << zoom
    x = min(tiles - 1, int((lon + 180) / 360 * tiles))
    y = min(tiles - 1, int((lat + 90) / 180 * tiles))
    return f"{x}/{y}"


def write(target: Path, name: str, tiles: Mapping[str, int]) -> None:
    """Write the tiles of a zoom, all or none."""
    part = target / f"{name}.part"
    part.write_text(json.dumps(tiles, sort_keys=True))
    part.rename(target / f"{name}.json")


def read(target: Path, name: str) -> dict[str, int]:
    """The tiles that `write` has written."""
    tiles: dict[str, int] = json.loads((target / f"{name}.json").read_text())
    return tiles


def plan(places: Path, target: Path) -> dict[Task, list[Task]]:
    """Every task of the release, with the tasks that must succeed before it."""
    graph: dict[Task, list[Task]] = {}
    files = sorted(places.glob("*.csv"))
    counted = []
    for file in files:
        load, count = Load(file, target), CountPlaces(file.stem, target)
        graph[load], graph[count] = [], [load]
        counted.append(count)
    before: Sequence[Task] = counted
    regions = tuple(file.stem for file in files)
    for zoom in reversed(range(FINEST)):
        step = SumTiles(zoom, regions, target)
        graph[step] = list(before)
        before = [step]
    graph[Publish(target)] = list(before)
    return graph


def carry_out(
    executor: TaskExecutor, graph: Mapping[Task, Iterable[Task]], tries: int = 3
) -> dict[Task, Any]:
    """Run a graph to its end. Tasks that fail run again, with all tasks that failed because of
    them.
    """
    executor.execute_all(graph)
    results: dict[Task, Any] = {}
    failures: Counter[Task] = Counter()
    while len(results) < len(graph):
        again = set()
        for task, value, problem in executor.pop_finished(wait=10):
            if problem is None:
                results[task] = value
                continue
            again.add(task)
            failures[task] += 1
            if failures[task] >= tries:
                raise problem
            print(f"{task} failed: {problem!r}")
        for task in graph:  # in this order, each task comes after the tasks for which it waits
            if task in again:
                executor.execute(task, after=graph[task])
    return results


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("places", type=Path)
    parser.add_argument("release", type=Path)
    parser.add_argument("--jobtracker", default="", help="URL of a running JobTracker")
    args = parser.parse_args()
    target = args.release.absolute()
    target.mkdir(parents=True, exist_ok=True)
    own = {} if args.jobtracker else {"db_connections": CONNECTIONS}
    with TaskExecutor(jobtracker=args.jobtracker, global_resources=own) as executor:
        carry_out(executor, plan(args.places.absolute(), target))
    print(f"{target / 'release.json'} is written")


if __name__ == "__main__":
    main()
