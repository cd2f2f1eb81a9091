"""How much memory this machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrmesos import machine_memory as module


def test_the_smallest_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, none = tmp_path / "memory.max", tmp_path / "missing"
    monkeypatch.setattr(module, "_LIMITS", (str(none), str(limit)))
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert module.machine_memory() == physical
    limit.write_text("max\n")
    assert module.machine_memory() == physical
    limit.write_text("1048576\n")
    assert module.machine_memory() == 1048576
