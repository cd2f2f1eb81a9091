"""minimesos sends what a real master sent, field by field (see `replay`).

Agents have no process of their own here. If the recording stopped an agent, we cut it off from its
master. If the recording killed it, we close its port and open it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.minimesos.replay import replay

QUICK = (
    "lifecycle",
    "losses",
    "losses_aware",
    "roles",
    "validation",
)
SLOW = (
    "reconcile",
    "filters",
    "drf",
    "partition",
    "agent_restart",
)  # these wait for timeouts of 10 s and more
UNTIL = {
    "partition": "what the executors saw",  # the SHUTDOWN at the end was not recorded
}

Running = dict[str, Future[list[str]]]


def _start(names: tuple[str, ...], tmp: Path, pool: ThreadPoolExecutor) -> Running:
    """Start all at once: most of their time they wait for offers."""
    return {
        name: pool.submit(
            replay,
            name,
            tmp / name,
            keep_gaps=name == "filters",
            until=UNTIL.get(name, ""),
        )
        for name in names
    }


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ThreadPoolExecutor(len(QUICK)) as pool:
        yield _start(QUICK, tmp_path_factory.mktemp("quick"), pool)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ThreadPoolExecutor(len(SLOW)) as pool:
        yield _start(SLOW, tmp_path_factory.mktemp("slow"), pool)


@pytest.mark.parametrize("name", QUICK)
def test_conversation(quick: Running, name: str) -> None:
    assert quick[name].result(100) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_long_conversation(slow: Running, name: str) -> None:
    assert slow[name].result(100) == []
