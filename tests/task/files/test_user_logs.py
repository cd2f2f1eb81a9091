"""The logs of attempts: their limits, and who keeps them."""

from __future__ import annotations

import os
from pathlib import Path

from mrmesos.task.files.user_logs import UserLogs, held, is_held, prune

BLOCK = 4096


def make(root: Path, number: int, size: int = BLOCK) -> Path:
    """A job's logs. A higher number is a newer job."""
    job = root / f"job_1_{number:04d}"
    log = job / f"attempt_1_{number:04d}_m_000000_0" / "stdout"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * size)
    os.utime(job, (number, number))
    return job


def test_the_oldest_jobs_go_first(tmp_path: Path) -> None:
    jobs = [make(tmp_path, number) for number in range(5)]
    (tmp_path / "other").mkdir()
    prune(tmp_path, 100 * BLOCK, 4)
    assert [job.exists() for job in jobs] == [False, True, True, True, True]
    prune(tmp_path, 2 * BLOCK, 4)
    assert [job.exists() for job in jobs] == [False, False, False, True, True]
    assert (tmp_path / "other").exists(), "it is not ours"
    prune(tmp_path / "none", 0, 0)


def test_jobs_in_use_stay(tmp_path: Path) -> None:
    running, locked, old = (make(tmp_path, number) for number in range(3))
    with held(locked):
        assert is_held(locked)
        UserLogs(tmp_path, 0).prune({running.name})
    assert (running.exists(), locked.exists(), old.exists()) == (True, True, False)
    assert not is_held(locked)
    prune(tmp_path, 0, 10)
    assert list(tmp_path.iterdir()) == []


def test_small_files_count_as_blocks(tmp_path: Path) -> None:
    jobs = [make(tmp_path, number, size=1) for number in range(2)]
    prune(tmp_path, BLOCK, 10)
    assert [job.exists() for job in jobs] == [False, True]


def test_empty_logs_are_dropped(tmp_path: Path) -> None:
    logs = UserLogs(tmp_path, 0)
    attempt = "attempt_1_0001_m_000000_0"
    logs.drop_empty(attempt)
    directory = logs.directory(attempt)
    directory.mkdir(parents=True)
    (directory / "stderr").touch()
    (directory / "stdout").touch()
    logs.drop_empty(attempt)
    assert not directory.exists()
