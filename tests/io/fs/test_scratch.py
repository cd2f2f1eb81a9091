"""Directories of killed processes are removed; directories of running processes are not."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.io.fs import scratch
from mrmesos.io.fs.scratch import Scratch

OWNER = """
import signal, sys
from mrmesos.io.fs.scratch import Scratch
kept = Scratch("mrmesos-x-")
print(kept.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(scratch, "SETTLED_SECONDS", 0.0)
    yield tmp_path
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_what_a_killed_process_left_is_removed(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        directory = Path(owner.stdout.readline().strip())
        (directory / "unpacked").mkdir()
        (directory / "unpacked" / "file").touch()
        mine = Scratch("mrmesos-x-")
        assert directory.exists(), "its owner lives"
        owner.send_signal(signal.SIGKILL)
        owner.wait(10.0)
        another = Scratch("mrmesos-x-")
        assert not directory.exists()
        assert set(place.iterdir()) == {Path(mine.name), Path(another.name)}
        mine.cleanup()
        another.cleanup()
    assert not list(place.iterdir())


def test_what_is_no_directory_of_ours_or_just_made_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "elsewhere").mkdir()
    (place / "mrmesos-x-link").symlink_to(place / "elsewhere")
    (place / "mrmesos-x-file").touch()
    (place / "mrmesos-y-other").mkdir()
    Scratch("mrmesos-x-").cleanup()
    assert len(list(place.iterdir())) == 4
    monkeypatch.setattr(scratch, "SETTLED_SECONDS", 60.0)
    (place / "mrmesos-x-new").mkdir()
    Scratch("mrmesos-x-").cleanup()
    assert (place / "mrmesos-x-new").exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_one_that_is_forgotten_leaves_neither_directory_nor_descriptor(place: Path) -> None:
    gc.collect()  # what other tests forgot
    before = sorted(Path("/proc/self/fd").iterdir())
    Scratch("mrmesos-x-")
    gc.collect()
    assert not list(place.iterdir())
    assert sorted(Path("/proc/self/fd").iterdir()) == before
