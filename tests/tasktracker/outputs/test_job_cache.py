"""Jobs are fetched once and checked, and deleted when forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from mrmesos.tasktracker.outputs import job_cache
from mrmesos.tasktracker.outputs.job_cache import JobCache, JobFetchError, JobGone
from tests.tasktracker.fake_jobtracker import FakeJobTracker, fake_jobtracker, link_to
from tests.tasktracker.support import CODE, JOB, facts, map_attempt

Scenario = Callable[[JobCache, FakeJobTracker], Coroutine[None, None, None]]


def play(sandbox: Path, scenario: Scenario, *, give_up_seconds: float = 10.0) -> None:
    async def body() -> None:
        async with fake_jobtracker() as jobtracker, link_to(jobtracker) as link:
            jobtracker.jobs[JOB] = facts()
            jobs = JobCache(sandbox, link, give_up_seconds=give_up_seconds)
            await scenario(jobs, jobtracker)

    asyncio.run(body())


def test_a_job_is_fetched_once(tmp_path: Path) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        job = await jobs.fetch(JOB)
        assert job.facts == facts()
        assert job.code_path.read_bytes() == CODE
        assert job.code_path.parent.stat().st_mode & 0o777 == 0o700
        assert await jobs.fetch(JOB) is job
        assert len(jobtracker.requests) == 2

    play(tmp_path, scenario)


def test_an_answer_that_fails_is_asked_for_again(tmp_path: Path) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        jobtracker.statuses = [503, 0, 500]
        await jobs.fetch(JOB)
        assert not jobtracker.statuses

    play(tmp_path, scenario)


def test_an_unknown_job_is_gone_at_once(tmp_path: Path) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        del jobtracker.jobs[JOB]
        with pytest.raises(JobGone):
            await jobs.fetch(JOB)
        assert len(jobtracker.requests) == 1

    play(tmp_path, scenario)


def test_a_jobtracker_that_stays_away_is_given_up(tmp_path: Path) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        jobtracker.statuses = [503] * 1000
        with pytest.raises(JobFetchError, match=r"at http://.*, tried for 0\.5 s: .* 503"):
            await jobs.fetch(JOB)

    play(tmp_path, scenario, give_up_seconds=0.5)


def test_after_giving_up_each_attempt_tries_once(tmp_path: Path) -> None:
    """Otherwise a task with four attempts would wait four times as long until it fails."""

    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        jobtracker.statuses = [503] * 1000
        with pytest.raises(JobFetchError):
            await jobs.fetch(JOB)
        for _ in range(3):
            before = len(jobtracker.requests)
            with pytest.raises(JobFetchError, match="tried once more"):
                await jobs.fetch(JOB)
            assert len(jobtracker.requests) == before + 1
        jobtracker.statuses = []
        assert (await jobs.fetch(JOB)).facts == facts()
        await jobs.forget(JOB)
        jobtracker.statuses = [503]  # after it was forgotten, a job gets the full time again
        await jobs.fetch(JOB)

    play(tmp_path, scenario, give_up_seconds=0.5)


def test_code_with_another_hash_is_never_kept(tmp_path: Path) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        jobtracker.code = b"something else"
        with pytest.raises(JobFetchError, match="hash"):
            await jobs.fetch(JOB)
        assert jobs.get(JOB) is None

    play(tmp_path, scenario, give_up_seconds=0.3)
    assert not list(tmp_path.rglob("*.pickle"))


def test_facts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        jobtracker.jobs[JOB] = facts("job_202611201130_0009")
        with pytest.raises(JobFetchError, match="lack the job's id"):
            await jobs.fetch(JOB)
        jobtracker.jobs[JOB] = facts(conf={"map.memory.mb": "lots"})
        with pytest.raises(JobFetchError, match=r"map\.memory\.mb"):
            await jobs.fetch(JOB)

    play(tmp_path, scenario)


def test_code_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_cache, "CODE_BYTES_MAX", 10)

    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        with pytest.raises(JobFetchError, match="over 10 bytes"):
            await jobs.fetch(JOB)

    play(tmp_path, scenario)


@pytest.mark.parametrize("name", ["../etc", "job_1_1/..", "", "job_x_1"])
def test_a_malformed_job_id_is_not_asked_for(tmp_path: Path, name: str) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        with pytest.raises(JobFetchError, match="not a job id"):
            await jobs.fetch(name)
        assert jobtracker.requests == []

    play(tmp_path, scenario)


def test_only_attempts_that_ran_here_are_known(tmp_path: Path) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        await jobs.fetch(JOB)
        name = map_attempt().attempt_id
        assert jobs.job_of(name) is None
        assert jobs.add_attempt(name) == tmp_path / "jobs" / JOB / name
        assert jobs.job_of(name) is jobs.get(JOB)
        assert jobs.job_of(map_attempt(1).attempt_id) is None
        assert jobs.job_of("../x") is None

    play(tmp_path, scenario)


@pytest.mark.parametrize("keep", [True, False])
def test_an_ended_attempt_keeps_its_logs_and_a_map_its_output(tmp_path: Path, keep: bool) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        await jobs.fetch(JOB)
        work = jobs.add_attempt(map_attempt().attempt_id)
        (work / "tmp" / "deep").mkdir(parents=True)
        (work / "link").symlink_to(tmp_path)
        names = {"file.out", "file.out.index"}
        for name in [*names, "spill0", "tmp/deep/file"]:
            (work / name).touch()
        logs = jobs.logs.directory(map_attempt().attempt_id)
        logs.mkdir(parents=True)
        (logs / "stdout").write_text("printed")
        (logs / "stderr").touch()
        await jobs.clean_attempt(map_attempt().attempt_id, keep)
        assert {path.name for path in work.iterdir()} == (names if keep else set())
        assert {path.name for path in logs.iterdir()} == {"stdout"}, "an empty log is dropped"
        await jobs.forget(JOB)
        assert not work.exists()
        assert (logs / "stdout").read_text() == "printed"

    play(tmp_path, scenario)
    assert tmp_path.exists()


def test_a_forgotten_job_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(jobs: JobCache, jobtracker: FakeJobTracker) -> None:
        await jobs.fetch(JOB)
        (jobs.add_attempt(map_attempt().attempt_id) / "x").mkdir(parents=True)
        await jobs.forget(JOB)
        assert jobs.get(JOB) is None
        assert list((tmp_path / "jobs").iterdir()) == []
        await jobs.fetch(JOB)
        await jobs.remove_all()

    play(tmp_path, scenario)
    assert list(tmp_path.iterdir()) == []
