"""PageRank equals plain Python after each number of iterations, and the fixed point at the end."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from examples.pagerank.pagerank import Iterate, Links, pagerank
from examples.pagerank.plain import ranks_of
from mrmesos.api import Session
from mrmesos.api.sessions import JobFailed, Result

DAMPING = 0.85


def graph(seed: int) -> list[str]:
    """Lines of a random graph, with pages without links, double links and links to itself."""
    chance = random.Random(seed)
    pages = chance.sample(range(10 * seed + 50), chance.randint(2, 40))
    return [
        " ".join(map(str, [page, *chance.choices(pages, k=chance.choice((0, 1, 3, 9)))]))
        for page in pages
    ]


def fixed_point(lines: list[str]) -> dict[int, float]:
    """The ranks that an iteration does not change, by linear algebra."""
    rows = [list(map(int, line.split())) for line in lines]
    place = {row[0]: index for index, row in enumerate(rows)}
    count = len(rows)
    moves = np.zeros((count, count))
    for row in rows:
        for other in row[1:]:
            moves[place[other], place[row[0]]] += 1 / (len(row) - 1)
        if len(row) == 1:
            moves[:, place[row[0]]] = 1 / count
    solved = np.linalg.solve(np.eye(count) - DAMPING * moves, np.full(count, 1 - DAMPING))
    return {page: float(solved[index]) for page, index in place.items()}


def ranks(pages: Result) -> dict[int, float]:
    return {page: value["rank"] for page, value in pages.records()}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(progress=io.StringIO(), conf={"job.reduces": 2}) as opened:
        yield opened


def test_plain_python_comes_to_the_fixed_point() -> None:
    for seed in range(20):
        lines = graph(seed)
        assert ranks_of(lines, 200) == pytest.approx(fixed_point(lines), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_graphs(session: Session, tmp_path: Path, seed: int) -> None:
    lines = graph(seed)
    file = tmp_path / "links"
    file.write_text("\n".join(lines) + "\n")
    few, done = pagerank(session, str(file), iterations=2, change=0)
    assert done == 2
    assert ranks(few) == pytest.approx(ranks_of(lines, 2), abs=1e-9)
    many, done = pagerank(session, str(file), iterations=200, change=1e-7)
    assert ranks(many) == pytest.approx(fixed_point(lines), abs=1e-4)
    assert done < 120
    assert np.mean(list(ranks(many).values())) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_page_without_a_line_is_named(session: Session, tmp_path: Path) -> None:
    (tmp_path / "links").write_text("1 2\n")
    args = {"pages": 1, "lost": 0.0, "damping": DAMPING}
    with pytest.raises(JobFailed, match=r"the page \[2\] has links to it, but not one line"):
        session.run(Iterate, session.run(Links, tmp_path / "links"), args=args)
