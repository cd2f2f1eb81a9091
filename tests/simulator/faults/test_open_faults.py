"""The open faults are still there. One that is mended must be taken off the list."""

from __future__ import annotations

import pytest

from mrmesos.simulator.faults.histories import prove
from tests.simulator.faults.open_faults import OPEN


@pytest.mark.xfail(strict=True, raises=AssertionError)
@pytest.mark.parametrize(("kind", "seed"), list(OPEN), ids=lambda part: str(part))
def test_it_is_still_open(kind: str, seed: int) -> None:
    prove(seed, kind)
