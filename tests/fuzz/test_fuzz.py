"""Seeded random messages: few here, 100,000 with `-m slow` and `make fuzz`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from tests.fuzz.run import TARGETS, run

SEED = int(os.environ.get("FUZZ_SEED", "20261128"))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Switch logging off: every bad message would be logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_few(name: str) -> None:
    figures = run(name, SEED, 1_000)
    assert sum(figures.answers.values()) > 500


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_hundred_thousand_in_all(name: str, part: int) -> None:
    print(run(name, SEED + 1 + part, 17_000))
