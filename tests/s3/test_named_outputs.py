"""Named outputs and results, to and from S3."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pytest

from mrmesos.api import Job, Mapper, OrcOutput, ParquetOutput, Reducer
from mrmesos.local.run import run
from tests.s3.conftest import filesystem


class Words(Mapper):
    def map(self, key: Any, line: str) -> Iterable[Any]:
        for word in line.split():
            yield word, 1


class Both(Reducer):
    def reduce(self, word: str, counts: Iterator[int]) -> Iterable[Any]:
        total = sum(counts)
        self.context.output("rows").write(None, {"word": word, "times": total})
        yield word, total


@pytest.mark.slow
def test_named_outputs_are_committed_with_the_job(bucket: str) -> None:
    class Counted(Job):
        mapper, reducer, output_format = Words, Both, ParquetOutput()
        outputs: ClassVar = {"rows": OrcOutput(records=True)}

    filesystem().pipe_file(f"{bucket}/in/a.txt", b"a rose is a rose\n")
    conf = {"job.reduces": 2}
    running = run(Counted, f"{bucket}/in/*", f"{bucket}/out", conf=conf, progress=io.StringIO())
    result = running.result(100)
    assert sorted(result.records()) == [("a", 2), ("is", 1), ("rose", 2)]
    assert result.dataset().to_table().num_rows == 3
    assert sorted(row["times"] for _, row in result.records("rows")) == [1, 2, 2]
