"""The running service and the history of its jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.client.api_client import ApiProblem
from mrmesos.jobtracker.storage.history import History
from mrmesos.wire.job import JobState
from tests.jobtracker.fakes import wait_until
from tests.jobtracker.test_service import Desk


def test_what_memory_forgets_the_history_still_answers(tmp_path: Path) -> None:
    kept = {"jobtracker.retired.jobs.max": "1", "jobtracker.jobhistory.location": str(tmp_path)}
    desk = Desk(kept)
    try:
        jobs = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            job_id = desk.client.submit(desk.spec(tmp_path / name))
            desk.client.kill(job_id, "a test")
            assert desk.client.status(job_id, wait=20).state is JobState.KILLED
            jobs.append(job_id)
        assert [one.job_id for one in desk.client.statuses()] == jobs[1:]
        history = History(tmp_path)
        wait_until(lambda: history.get(jobs[0]) is not None, "the record of the first job")
        assert desk.client.status(jobs[0]).state is JobState.KILLED
        assert desk.client.report(jobs[0]).status.job_id == jobs[0]
        with pytest.raises(ApiProblem, match="no job job_9_9"):
            desk.client.status("job_9_9")
        (tmp_path / "history.sqlite").write_bytes(b"damaged" * 9999)
        with pytest.raises(ApiProblem, match="the history cannot be read"):
            desk.client.status("job_9_9")
    finally:
        desk.service.stop(timeout=5.0)


def test_a_start_adds_what_an_earlier_one_could_not_write(tmp_path: Path) -> None:
    desk = Desk({"jobtracker.state.dir": str(tmp_path / "state")})
    try:
        job_id = desk.client.submit(desk.spec(tmp_path))
        desk.client.kill(job_id, "a test")
        assert desk.client.status(job_id, wait=20).state is JobState.KILLED
    finally:
        desk.service.stop(teardown=False, timeout=5.0)
    history = History(tmp_path / "state")
    whole = history.get(job_id)
    assert whole is not None
    assert whole.spec is not None
    history.path.unlink()  # as if the JobTracker had been killed before it wrote
    again = Desk({"jobtracker.state.dir": str(tmp_path / "state")})
    again.service.stop(teardown=False, timeout=5.0)
    found = history.get(job_id)
    assert found is not None
    assert found.report == whole.report
