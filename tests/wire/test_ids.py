"""Ids: as Hadoop writes them, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.wire.ids import (
    TaskKind,
    attempt_id,
    cluster_stamp,
    job_id,
    named_attempts,
    parse_attempt,
    stamped_at,
    task_id,
)


def test_they_look_as_in_hadoop() -> None:
    job = job_id(cluster_stamp(1795178347, 42), 1)
    assert job == "job_202611201239070042_0001"
    assert task_id(job, TaskKind.MAP, 3) == "task_202611201239070042_0001_m_000003"
    assert attempt_id(job, TaskKind.REDUCE, 3, 0) == "attempt_202611201239070042_0001_r_000003_0"


def test_a_stamp_tells_its_time() -> None:
    assert stamped_at(cluster_stamp(1795178347, 9999)) == 1795178347
    assert stamped_at("202611201239") == 1795178340, "as earlier versions wrote it"


@given(
    number=st.integers(1, 10**6),
    kind=st.sampled_from(TaskKind),
    index=st.integers(0, 10**8),
    attempt=st.integers(0, 1000),
)
def test_an_attempt_id_tells_its_job_and_task(
    number: int, kind: TaskKind, index: int, attempt: int
) -> None:
    job = job_id("202611201239", number)
    name = parse_attempt(attempt_id(job, kind, index, attempt))
    assert (name.job_id, name.kind, name.index, name.number) == (job, kind, index, attempt)
    assert name.task_id == task_id(job, kind, index)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job_202611201239_0001",
        "attempt_1_1_x_000001_0",
        "attempt_1_1_m_000001_0/../../etc/passwd",
        "attempt_1_1_m_000001_0\n",
        " attempt_1_1_m_000001_0",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an attempt id"):
        parse_attempt(text)


def test_an_id_names_attempts() -> None:
    assert named_attempts("job_1_2") == ("job_1_2", "attempt_1_2_")
    assert named_attempts("task_1_2_m_3") == ("job_1_2", "attempt_1_2_m_3_")
    assert named_attempts("attempt_1_2_r_3_4") == ("job_1_2", "attempt_1_2_r_3_4")
    for text in ("", "job_1", "job_1_2_m_3", "task_1_2", "attempt_1_2_m_3", "job_1_2_3", "x"):
        with pytest.raises(ValueError, match="is not an id of a job"):
            named_attempts(text)
