"""k-means: k centers, each the mean of the points that are nearest to it.

A line of the input is a point: `0.5 -1.25 3`. All points have equally many numbers.

    python kmeans.py points.txt --centers 5
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api import BatchMapper, Job, Reducer, Session, pairs
from mrmesos.api.sessions import Result

Floats = npt.NDArray[np.float64]
AT_ONCE = 1 << 16
"""Points whose distances are computed together: 64 Ki times k numbers."""


class ReadPoints(BatchMapper):
    """Makes points of lines. The key is the place of the line in its file."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(batch["value"]))
        lengths = np.asarray(pc.list_value_length(words))
        if len(lengths) and lengths.min() != lengths.max():
            raise ValueError(f"points have {lengths.min()} to {lengths.max()} numbers")
        numbers = words.flatten().cast(pa.float64())
        yield pairs(batch["key"], pa.ListArray.from_arrays(words.offsets, numbers))


class Points(Job):
    """The first job: text to points."""

    mapper = ReadPoints


class Nearest(BatchMapper):
    """Yields for each center the sum and the number of its points, and their squared distances."""

    def setup(self) -> None:
        self.centers: Floats = np.asarray(self.context.args.centers, np.float64)
        self.sums = np.zeros_like(self.centers)
        self.counts = np.zeros(len(self.centers), np.int64)
        self.costs = np.zeros(len(self.centers))

    def map_batch(self, batch: pa.RecordBatch) -> None:
        points = np.asarray(batch["value"].flatten()).reshape(-1, self.centers.shape[1])
        for start in range(0, len(points), AT_ONCE):
            some = points[start : start + AT_ONCE]
            apart = ((some[:, None, :] - self.centers[None, :, :]) ** 2).sum(axis=2)
            own = apart.argmin(axis=1)
            np.add.at(self.sums, own, some)
            self.counts += np.bincount(own, minlength=len(self.counts))
            self.costs += np.bincount(own, apart.min(axis=1), minlength=len(self.costs))

    def close(self) -> Iterator[pa.RecordBatch]:
        size = self.centers.shape[1]
        offsets = pa.array(np.arange(len(self.sums) + 1) * size, pa.int32())
        value = pa.StructArray.from_arrays(
            [
                pa.ListArray.from_arrays(offsets, pa.array(self.sums.ravel())),
                pa.array(self.counts),
                pa.array(self.costs),
            ],
            names=["sum", "count", "cost"],
        )
        yield pairs(pa.array(np.arange(len(self.sums))), value)


class Mean(Reducer):
    """The next place of a center. A center without points does not move."""

    def reduce(self, key: int, parts: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        total = np.zeros(self.context.args.centers.shape[1])
        count, cost = 0, 0.0
        for part in parts:
            total += part["sum"]
            count += part["count"]
            cost += part["cost"]
        center = total / count if count else self.context.args.centers[key]
        yield key, {"center": center.tolist(), "count": count, "cost": cost}


class Improve(Job):
    """One iteration."""

    mapper, reducer = Nearest, Mean


def kmeans(
    session: Session, points: Result, centers: Floats, *, iterations: int = 100, move: float = 1e-6
) -> tuple[Floats, float]:
    """The centers, and the sum of the squared distances to them before the last move.

    It stops when no center moves by more than `move`, or after `iterations`.
    """
    cost = 0.0
    for _ in range(iterations):
        found = dict(session.run(Improve, points, args={"centers": centers}).records())
        cost = sum(each["cost"] for each in found.values())
        new = np.array([found[number]["center"] for number in range(len(centers))])
        moved = np.sqrt(((new - centers) ** 2).sum(axis=1)).max()
        centers = new
        if moved <= move:
            break
    return centers, cost


def main() -> None:
    """Print the centers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points")
    parser.add_argument("--centers", type=int, default=3, help="how many")
    parser.add_argument("--iterations", type=int, default=100)
    args = parser.parse_args()
    with Session() as session:
        points = session.run(Points, args.points)
        first = np.array([point for _, point in points.take(args.centers)])
        centers, cost = kmeans(session, points, first, iterations=args.iterations)
    for center in centers:
        print(" ".join(f"{number:.6g}" for number in center))
    print(f"sum of squared distances: {cost:.6g}")


if __name__ == "__main__":
    main()
