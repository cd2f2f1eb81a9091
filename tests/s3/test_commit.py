"""Commits on S3: nothing is renamed, nothing half done is seen, nothing is left over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrmesos.api.formats import ParquetOutput
from mrmesos.io.fs.filesystem import InputError, OutputError
from mrmesos.io.input.splits import expand_inputs
from mrmesos.io.output.commit import OutputCommitter
from tests.io.output.test_part_schemas import run_job
from tests.s3.conftest import S3, filesystem

WINNERS = ["attempt_1_0001_r_000000_0", "attempt_1_0001_r_000001_1", "attempt_1_0001_r_000002_0"]
LOSER = "attempt_1_0001_r_000001_0"
PART_BYTES = 5 << 20  # the least that S3 takes
WANTED = {"part-r-00000": b"a" * (PART_BYTES + 9), "part-r-00001": b"b\n", "part-r-00002": b""}


def write_attempt(out: OutputCommitter, attempt: str, data: bytes) -> None:
    directory = out.attempt_dir(attempt)
    out.writing.mkdir(directory, create_parents=False)
    with out.writing.open(f"{directory}/part-r-0000{int(attempt[-8:-2])}", "wb") as file:
        for start in range(0, max(1, len(data)), 1 << 20):
            file.write(memoryview(data)[start : start + (1 << 20)])


def run_attempts(uri: str, overwrite: bool = False) -> OutputCommitter:
    out = OutputCommitter(uri, overwrite=overwrite)
    out.check_absent()
    out.setup_job()
    write_attempt(out, LOSER, b"half of it")
    for attempt, data in zip(WINNERS, WANTED.values(), strict=True):
        write_attempt(out, attempt, data)
    return out


def objects(uri: str) -> dict[str, bytes]:
    fs, top = filesystem(), uri.removeprefix("s3://")
    return {name.removeprefix(f"{top}/"): fs.cat_file(name) for name in fs.find(top)}


def uploads(uri: str) -> list[Any]:
    bucket = uri.removeprefix("s3://").split("/")[0]
    found: list[Any] = (
        filesystem().call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads", [])
    )
    return found


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrmesos.io.output.s3_uploads.PART_BYTES", PART_BYTES)


@pytest.fixture
def target(bucket: str) -> Iterator[str]:
    yield f"{bucket}/deep/out"
    assert not uploads(bucket), "uploads are left over, and are paid for"


def test_winners_are_seen_at_the_commit_and_not_before(target: str, s3: S3) -> None:
    out = run_attempts(target)
    assert not [name for name in objects(target) if not name.startswith("_temporary/")]
    before = len(s3.requests())
    out.commit_job(WINNERS)
    made = s3.requests()[before:]
    assert objects(target) == {**WANTED, "_SUCCESS": b""}
    # A rename would be a copy, which is a PUT of the key without an upload.
    assert not [line for line in made if "PUT" in line and "part-r-" in line]
    out.commit_job(WINNERS)  # again, as after a crash
    assert objects(target) == {**WANTED, "_SUCCESS": b""}
    with pytest.raises(OutputError, match="exists already"):
        OutputCommitter(target).check_absent()


def test_an_abort_leaves_nothing(target: str) -> None:
    run_attempts(target).abort_job()
    assert not objects(target)


def test_an_attempt_that_outlives_its_job_writes_nothing(target: str) -> None:
    out = run_attempts(target)
    out.commit_job(WINNERS)
    with pytest.raises(FileNotFoundError, match="ended"):
        write_attempt(out, "attempt_1_0001_r_000002_1", b"late")
    assert objects(target) == {**WANTED, "_SUCCESS": b""}


DIES = """
import os, sys
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.io.output.s3_uploads import Uploads

complete, left = Uploads.complete, [int(sys.argv[3])]

def dies(self, *args, **more):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    complete(self, *args, **more)

Uploads.complete = dies
OutputCommitter(sys.argv[1], overwrite=sys.argv[2] == "overwrite").commit_job(sys.argv[4:])
"""


def die_in_commit(uri: str, after: int, how: str = "new") -> None:
    command = [sys.executable, "-c", DIES, uri, how, str(after), *WINNERS]
    assert subprocess.run(command, cwd=Path(__file__).parents[2]).returncode == 9


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("end", ["repeated", "aborted"])
def test_a_kill_at_commit_time_shows_no_partial_output(target: str, after: int, end: str) -> None:
    out = run_attempts(target)
    die_in_commit(target, after)
    seen = {name: data for name, data in objects(target).items() if name.startswith("part-")}
    assert len(seen) == after
    assert all(WANTED[name] == data for name, data in seen.items())  # each whole
    assert "_SUCCESS" not in objects(target)
    with pytest.raises(InputError, match="commit is not complete"):
        expand_inputs([target])
    if end == "repeated":
        out.commit_job(WINNERS)
        assert objects(target) == {**WANTED, "_SUCCESS": b""}
    else:
        out.abort_job()
        assert not objects(target)


def test_overwrite_replaces_after_success_only(target: str) -> None:
    old = {"part-r-00000": b"old", "part-r-00007": b"old", "_SUCCESS": b""}
    for name, data in old.items():
        filesystem().pipe_file(f"{target}/{name}", data)
    failed = run_attempts(target, overwrite=True)
    assert {name: objects(target)[name] for name in old} == old
    failed.abort_job()
    assert objects(target) == old
    run_attempts(target, overwrite=True).commit_job(WINNERS)
    assert objects(target) == {**WANTED, "_SUCCESS": b""}


@pytest.mark.slow
def test_overwrite_that_was_killed_is_no_finished_output(target: str) -> None:
    for name in ("part-r-00000", "part-r-00007", "_SUCCESS"):
        filesystem().pipe_file(f"{target}/{name}", b"")
    out = run_attempts(target, overwrite=True)
    die_in_commit(target, 1, "overwrite")
    assert "_SUCCESS" not in objects(target)
    out.commit_job(WINNERS)
    assert objects(target) == {**WANTED, "_SUCCESS": b""}


def test_parts_that_differ_get_one_schema(target: str) -> None:
    fmt = ParquetOutput(records=True)
    parts: list[list[list[dict[str, object]]]] = [[[{"a": 1}], [{"b": "x"}]], [], [[{"a": 0.5}]]]
    out = OutputCommitter(target)
    winners = run_job(out, fmt, parts)
    assert not [name for name in objects(target) if not name.startswith("_temporary/")]
    out.commit_job(winners)
    found = [data for name, data in objects(target).items() if name.startswith("part-")]
    tables = [pq.read_table(pa.BufferReader(data)) for data in found]
    schema = pa.schema([("a", pa.float64()), ("b", pa.string())])
    assert [table.schema for table in tables] == [schema] * 3
    assert pa.concat_tables(tables).to_pylist() == [
        {"a": 1.0, "b": None},
        {"a": None, "b": "x"},
        {"a": 0.5, "b": None},
    ]
    assert not uploads(target)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_commit_that_died_before_it_replaced_a_part(target: str, after: int) -> None:
    parts: list[list[list[dict[str, object]]]] = [[[{"a": 1}]], [], [[{"a": 0.5}]]]
    out = OutputCommitter(target)
    winners = run_job(out, ParquetOutput(records=True), parts)
    command = [sys.executable, "-c", DIES, target, "new", str(after), *winners]
    assert subprocess.run(command, cwd=Path(__file__).parents[2]).returncode == 9
    for _ in range(2):
        out.commit_job(winners)
    found = [data for name, data in objects(target).items() if name.startswith("part-")]
    tables = [pq.read_table(pa.BufferReader(data)) for data in found]
    assert [table.schema for table in tables] == [pa.schema([("a", pa.float64())])] * 3
