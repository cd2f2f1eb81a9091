"""Workers find mrmesos wherever they start, and no test leaves a process behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tasktracker.support import DEADLINE, own_children


@pytest.fixture(autouse=True)
def package_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def no_process_left_behind() -> Iterator[None]:
    before = set(own_children())
    yield
    end = time.monotonic() + DEADLINE
    while left := set(own_children()) - before:
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.01)
