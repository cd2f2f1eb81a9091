"""The same PageRank in plain Python, to compare results and costs: python plain.py links.txt 10"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


def ranks_of(lines: Iterable[str], iterations: int, damping: float = 0.85) -> dict[int, float]:
    """The ranks after this many iterations. Their mean is 1."""
    links: dict[int, list[int]] = {}
    for line in lines:
        page, *others = map(int, line.split())
        links[page] = others
    ranks = dict.fromkeys(links, 1.0)
    for _ in range(iterations):
        got = dict.fromkeys(links, 0.0)
        lost = 0.0
        for page, others in links.items():
            if not others:
                lost += ranks[page]
                continue
            share = ranks[page] / len(others)
            for other in others:
                got[other] += share
        lost /= len(links)
        ranks = {page: 1.0 - damping + damping * (given + lost) for page, given in got.items()}
    return ranks


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="ascii") as file:
        found = ranks_of(file, int(sys.argv[2]))
    for page in sorted(found, key=lambda each: -found[each])[:10]:
        print(f"{page}\t{found[page]:.6f}")
