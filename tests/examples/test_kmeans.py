"""k-means equals Lloyd's algorithm, written with one point after another."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest

from examples.kmeans.kmeans import Points, kmeans
from mrmesos.api import Session
from mrmesos.api.sessions import JobFailed

Point = tuple[float, ...]


def lloyd(points: list[Point], centers: list[Point], iterations: int) -> list[Point]:
    for _ in range(iterations):
        groups: list[list[Point]] = [[] for _ in centers]
        for point in points:
            apart = [sum((a - b) ** 2 for a, b in zip(point, c, strict=True)) for c in centers]
            groups[apart.index(min(apart))].append(point)
        centers = [
            tuple(sum(each) / len(group) for each in zip(*group, strict=True)) if group else center
            for group, center in zip(groups, centers, strict=True)
        ]
    return centers


@pytest.mark.slow
def test_it_equals_lloyds_algorithm(tmp_path: Path) -> None:
    chance = random.Random(5)
    around = [(0.0, 0.0, 0.0), (5.0, 5.0, 0.0), (-5.0, 2.0, 9.0)]
    points = [
        tuple(each + chance.gauss(0, 1.0) for each in chance.choice(around)) for _ in range(300)
    ]
    file = tmp_path / "points"
    file.write_text("".join(" ".join(map(repr, point)) + "\n" for point in points))
    with Session(progress=io.StringIO(), conf={"job.reduces": 2}) as session:
        read = session.run(Points, file)
        assert [tuple(point) for _, point in read.records()] == points
        first = np.array([*points[:4], (1e6, 1e6, 1e6)])
        for iterations in (1, 3):
            found, _ = kmeans(session, read, first, iterations=iterations)
            wanted = lloyd(points, [tuple(each) for each in first], iterations)
            assert np.allclose(found, wanted, rtol=1e-9)
        centers, cost = kmeans(session, read, np.array(around))
        assert np.allclose(centers, lloyd(points, [tuple(each) for each in centers], 1))
        own = min(tuple(center) for center in centers)
        assert np.allclose(own, (-5.0, 2.0, 9.0), atol=0.5)
        assert cost == pytest.approx(300 * 3, rel=0.2)
        file.write_text("1 2\n3\n")
        with pytest.raises(JobFailed, match="points have 1 to 2 numbers"):
            session.run(Points, file)
