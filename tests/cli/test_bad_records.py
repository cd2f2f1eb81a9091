"""A job over bad records: the records that it skips are committed beside its output."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from mrmesos.api import Job, Mapper, Reducer
from mrmesos.local.run import JobFailed, run

pytestmark = pytest.mark.slow


class Words(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        if line == "crash":
            os._exit(3)
        for word in line.split():
            yield word, 1 // len(word.strip("x"))


class Total(Reducer):
    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        if word == "odd":
            raise ValueError("odd words are not counted")
        yield word, sum(1 for _ in counts)


class Count(Job):
    mapper, reducer = Words, Total


LINES = ["some words", "even odd"] * 500


def test_a_job_goes_on_without_them(tmp_path: Path) -> None:
    lines = LINES.copy()
    lines[100], lines[700], lines[701] = "some x", "crash", "x x"
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
    conf = {"skip.records.max": 2, "job.maps": 2, "job.reduces": 2}
    output = tmp_path / "out"
    result = run(
        Count, tmp_path / "in.txt", output, conf=conf, local_agents=2, progress=StringIO()
    ).result(120)
    good = [line for line in lines if line not in ("some x", "crash", "x x")]
    assert dict(result.records()) == {
        word: str(sum(line.split().count(word) for line in good))
        for word in ("some", "words", "even")
    }
    kept = [
        json.loads(line)
        for file in sorted((output / "_skipped").iterdir())
        for line in file.read_text().splitlines()
    ]
    assert [each["value"] for each in kept[:3]] == ["some x", "crash", "x x"]
    assert kept[3]["key"] == "odd"
    assert kept[3]["value"] == [1 // 3] * 100
    assert kept[1]["error"].startswith("worker exited with status 3")
    assert result.counters["task"]["SKIPPED_RECORDS"] == 3
    assert result.counters["task"]["REDUCE_SKIPPED_GROUPS"] == 1
    assert sorted(path.name for path in output.iterdir()) == [
        "_SUCCESS",
        "_skipped",
        "part-r-00000",
        "part-r-00001",
    ]


def test_too_many_fail_the_job_with_their_number_and_the_first_error(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("fine\n" + "x\n" * 9)
    conf = {"skip.records.max": 3, "job.maps": 1, "map.maxattempts": 2}
    with pytest.raises(JobFailed) as met:
        run(Count, tmp_path / "in.txt", tmp_path / "out", conf=conf, progress=StringIO()).result(
            120
        )
    words = str(met.value)
    assert "4 bad records, more than skip.records.max=3; the first: ZeroDivisionError" in words
    assert "in.txt offset 5" in words
    assert not (tmp_path / "out").exists()
