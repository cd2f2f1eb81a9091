"""Attempts, facts and jobs for tests of code that runs inside a worker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mrmesos.api import FileSlice, Job, Split
from mrmesos.api.formats import OutputFormat, TextOutput, input_data
from mrmesos.api.job import class_settings
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.wire.ids import TaskKind, attempt_id
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt, MapTask, ReduceTask
from tests.wire.specs import job_spec

JOB_ID = "job_202611201130_0001"


def whole_file(path: Path) -> Split:
    length = path.stat().st_size
    return Split((FileSlice(str(path), 0, length),), length)


def map_attempt(path: Path, index: int = 0, number: int = 0) -> Attempt:
    name = attempt_id(JOB_ID, TaskKind.MAP, index, number)
    return Attempt(attempt_id=name, job_id=JOB_ID, slot_id="s", task=MapTask(whole_file(path)))


def reduce_attempt(partition: int = 0) -> Attempt:
    name = attempt_id(JOB_ID, TaskKind.REDUCE, partition, 0)
    return Attempt(attempt_id=name, job_id=JOB_ID, slot_id="s", task=ReduceTask(partition))


def facts_for(
    job: type[Job],
    output: Path,
    *,
    num_reducers: int = 2,
    num_maps: int = 1,
    conf: Mapping[str, str] | None = None,
    output_format: OutputFormat | None = None,
    code: str = "c0de",
) -> JobFacts:
    spec = job_spec(
        name=job.__name__,
        inputs=(),
        output=str(output),
        input_format=input_data(job.input_format),
        output_format=output_format or TextOutput(),
        num_reducers=num_reducers,
        conf={**class_settings(job), **(conf or {})},
        code=code,
    )
    OutputCommitter(str(output)).setup_job()
    return JobFacts(job_id=JOB_ID, spec=spec, token="secret", num_maps=num_maps)
