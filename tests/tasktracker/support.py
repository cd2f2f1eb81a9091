"""Helpers for tests of the TaskTracker: jobs, attempts, and waiting for conditions."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from mrmesos.api.split import FileSlice, Split
from mrmesos.wire.ids import TaskKind, attempt_id
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt, MapTask, ReduceTask
from tests.wire.specs import job_spec

FAKE_WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
JOB = "job_202611201130_0001"
OTHER_JOB = "job_202611201130_0002"
CODE = b"the pickled job"
DEADLINE = 30.0


def facts(
    job: str = JOB,
    conf: dict[str, str] | None = None,
    *,
    maps: int = 4,
    reduces: int = 3,
    session: str = "",
) -> JobFacts:
    """A job's facts."""
    code = hashlib.sha256(CODE).hexdigest()
    spec = job_spec(num_reducers=reduces, conf=conf or {}, code=code, session=session)
    return JobFacts(job_id=job, spec=spec, token=f"secret of {job}", num_maps=maps)


def map_attempt(
    index: int = 0, slot: str = "slot_1", *, job: str = JOB, deed: str = "ok:", number: int = 0
) -> Attempt:
    """A map attempt that makes the fake worker do `deed`."""
    split = Split(slices=(FileSlice(deed, 0, 1),), length=1)
    name = attempt_id(job, TaskKind.MAP, index, number)
    return Attempt(attempt_id=name, job_id=job, slot_id=slot, task=MapTask(split))


def reduce_attempt(index: int = 0, slot: str = "slot_1", *, job: str = JOB) -> Attempt:
    """A reduce attempt."""
    name = attempt_id(job, TaskKind.REDUCE, index, 0)
    return Attempt(attempt_id=name, job_id=job, slot_id=slot, task=ReduceTask(index))


async def until(
    condition: Callable[[], bool], what: str = "what was waited for", seconds: float = DEADLINE
) -> None:
    """Wait for a condition. Fails after the given seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come"
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def own_children() -> list[int]:
    """Every process below this one."""
    return [child.pid for child in psutil.Process().children(recursive=True)]
