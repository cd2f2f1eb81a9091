"""The times that a worker measures for traces, and the trace that user code sees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from mrmesos.api import Job, Mapper
from mrmesos.wire.trace import read_context
from tests.tasktracker.harness import facts_for, map_attempt, reduce_attempt
from tests.worker.test_worker import RunningWorker, jobs, worker  # noqa: F401

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Tell(Mapper):
    def map(self, _key: object, value: object) -> Iterator[tuple[object, int]]:
        print(os.environ.get("TRACEPARENT", "none"))
        yield value, 1


class TellJob(Job):
    mapper = Tell


def test_user_code_finds_the_context_of_its_attempt(
    worker: RunningWorker,  # noqa: F811
    tmp_path: Path,
) -> None:
    text = tmp_path / "in.txt"
    text.write_text("a\n")
    facts = facts_for(TellJob, tmp_path / "out")
    for number, trace in enumerate((GIVEN, "")):
        attempt = map_attempt(text, number=number)
        done = worker.run(TellJob(), attempt, replace(facts, trace=trace))
        assert done.error is None
        printed = (tmp_path / attempt.attempt_id / "stdout").read_text().strip()
        assert printed == (done.trace or "none")
        context, job = read_context(done.trace), read_context(trace)
        assert context == (None if job is None else job.of(attempt.attempt_id))


def test_a_reduce_measures_its_fetch(
    worker: RunningWorker,  # noqa: F811
    tmp_path: Path,
) -> None:
    job = jobs()["Tokenize"]
    facts = replace(facts_for(job, tmp_path / "out", num_maps=0), trace=GIVEN)
    done = worker.run(job(), reduce_attempt(), facts)
    assert done.error is None
    (fetch,) = done.spans
    assert fetch.name == "fetch"
    assert fetch.begin <= fetch.end
    assert worker.run(job(), reduce_attempt(1), replace(facts, trace="")).spans == ()
