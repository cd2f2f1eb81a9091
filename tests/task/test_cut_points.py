"""Cut points that one job finds for another one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import replace

from mrmesos.api import Job, Reducer, TextInput, TotalOrder
from mrmesos.api.formats import Source, StepInput, StepOutput
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.task.cut_points import read_cut_points, run_sampling
from tests.tasktracker.harness import facts_for, map_attempt


class ByOffset(Job):
    """The keys are the offsets of lines: numbers."""

    reducer, partitioner = Reducer, TotalOrder


def found(tmp_path: Path, text: str) -> pa.Array | None:
    path, work, out = tmp_path / "in.txt", tmp_path / "work", tmp_path / "out"
    path.write_text(text)
    work.mkdir()
    facts = facts_for(ByOffset, out, num_reducers=0, conf={"job.reduces": "4"})
    sources = (Source("", (f"file://{path}",), TextInput()),)
    spec = replace(facts.spec, sampled=sources, output_format=StepOutput("key"))
    attempt, committer = map_attempt(path), OutputCommitter(facts.spec.output)
    committer.setup_job()
    run_sampling(attempt, replace(facts, spec=spec), ByOffset(), work)
    committer.commit_job([attempt.attempt_id])
    return read_cut_points(Source("", (facts.spec.output,), StepInput("key")))


def test_cut_points_pass_through_a_file(tmp_path: Path) -> None:
    cuts = found(tmp_path, "x\n" * 1000)
    assert cuts is not None
    assert cuts.type == pa.int64()
    assert cuts.to_pylist() == [500, 1000, 1500]


def test_no_records_have_no_cut_points(tmp_path: Path) -> None:
    assert found(tmp_path, "") is None


def test_an_output_without_cut_points(tmp_path: Path) -> None:
    committer = OutputCommitter(f"file://{tmp_path}/out")
    committer.setup_job()
    committer.commit_job([])
    with pytest.raises(InputError, match="no cut points"):
        read_cut_points(Source("", (f"file://{tmp_path}/out",), StepInput("key")))
