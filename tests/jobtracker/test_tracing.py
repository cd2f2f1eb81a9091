"""Traces of jobs, as a collector of OpenTelemetry gets them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker import tracing
from mrmesos.jobtracker.tracing import Tracer, tracer_of
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptReport, AttemptState
from mrmesos.wire.trace import Measured, read_context
from tests.jobtracker.collector import Collector, attributes, collecting
from tests.jobtracker.fakes import wait_until
from tests.jobtracker.history.runs import BOOM, ended_run
from tests.jobtracker.test_service import Desk, done, first_of

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def made(collector: Collector) -> Tracer:
    tracer = tracer_of(Conf({"otel.exporter.otlp.endpoint": f"{collector.url}/"}), {})
    assert tracer is not None
    return tracer


def ends(tracer: Tracer, spec: Any, job_id: str, index: int = 0, **more: Any) -> Heartbeat:
    """A heartbeat that reports the end of a reduce, with its fetch."""
    attempt_id = f"attempt{job_id[3:]}_r_{index:06d}_0"
    report = AttemptReport(
        attempt_id=attempt_id,
        slot_id="slot_1",
        state=AttemptState.SUCCEEDED,
        started=100.0,
        ended=120.5,
        trace=str(tracer.context(job_id, spec).of(attempt_id)),
        spans=(Measured("fetch", 101.0, 109.0),),
    )
    return Heartbeat(
        tracker_id="t",
        agent_id="a",
        hostname="node-1",
        url="http://127.0.0.1:1",
        sequence=1,
        acknowledged=0,
        slots=[],
        reports=[replace(report, **more)],
    )


def test_a_job_is_a_trace_with_its_attempts_and_their_fetches(collector: Collector) -> None:
    run = ended_run()
    tracer = made(collector)
    beat = ends(tracer, run.spec, run.report.status.job_id)
    tracer.reported(beat)
    tracer.reported(beat)  # the answer was lost
    tracer.job_ended(run)
    tracer.stop(20.0)
    (job,), (reduce,), (fetch,) = map(collector.named, ("job", "reduce attempt", "fetch"))
    maps = collector.named("map attempt")
    assert len(maps) == 3, "what did not report its end is in the job's report"
    assert {span.trace_id for span in collector.spans} == {job.trace_id}
    assert job.parent_span_id == b""
    assert {span.parent_span_id for span in (*maps, reduce)} == {job.span_id}
    assert fetch.parent_span_id == reduce.span_id
    assert len({span.span_id for span in collector.spans}) == 6
    assert (fetch.start_time_unix_nano, fetch.end_time_unix_nano) == (101 * 10**9, 109 * 10**9)
    assert reduce.end_time_unix_nano == 120_500_000_000
    facts = attributes(reduce)
    assert facts["host.name"] == "node-1"
    assert facts["mrmesos.attempt.state"] == "SUCCEEDED"
    assert attributes(job)["mrmesos.job.maps"] == 3
    assert job.status.code == 0
    assert collector.resources[0]["service.name"] == "mrmesos-jobtracker"
    assert collector.paths == {"/v1/traces"}


def test_a_failed_job_has_its_error(collector: Collector) -> None:
    tracer = made(collector)
    tracer.job_ended(ended_run(error=BOOM))
    tracer.stop(20.0)
    (job,) = collector.named("job")
    assert job.status.code == 2
    assert attributes(job)["error.type"] == "user code"
    (event,) = job.events
    assert attributes(event)["exception.message"] == BOOM.message
    failed = [span for span in collector.named("map attempt") if span.status.code == 2]
    assert len(failed) == 1
    assert BOOM.where not in str(collector.spans), "inputs may be private"


def test_a_job_goes_on_with_the_trace_of_its_client(collector: Collector) -> None:
    tracer = made(collector)
    tracer.job_ended(ended_run(job_traceparent=GIVEN))
    tracer.stop(20.0)
    (job,) = collector.named("job")
    assert job.trace_id.hex() == GIVEN[3:35]
    assert job.parent_span_id.hex() == GIVEN[36:52]


def test_what_is_not_sampled_is_not_sent(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.0")
    run, tracer = ended_run(), made(collector)
    context = read_context(str(tracer.context(run.report.status.job_id, run.spec)))
    assert context is not None
    assert not context.sampled
    tracer.reported(ends(tracer, run.spec, run.report.status.job_id))
    tracer.job_ended(run)
    tracer.stop(20.0)
    assert collector.spans == []


def test_a_collector_that_hangs_costs_nobody_anything(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracing, "QUEUE_MAX", 4)
    monkeypatch.setattr(tracing, "BATCH_MAX", 1)
    go_on, sends = threading.Event(), threading.Event()
    run, tracer = ended_run(), made(collector)
    send = tracer._send

    def hang() -> None:
        sends.set()
        go_on.wait(60.0)
        send()

    monkeypatch.setattr(tracer, "_send", hang)
    tracer.job_ended(run)
    assert sends.wait(60.0)
    for _ in range(50):
        tracer.job_ended(run)
    assert tracer.dropped == 46
    assert "32 traces were dropped" in caplog.text
    go_on.set()
    tracer.stop(60.0)
    assert len(collector.named("job")) == 5


def test_a_bad_span_does_not_end_the_others(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    run, tracer = ended_run(), made(collector)
    tracer._put(lambda: [][0])
    tracer.job_ended(run)
    tracer.stop(20.0)
    assert len(collector.named("job")) == 1
    assert "a span cannot be made" in caplog.text


def test_what_switches_traces_on(collector: Collector) -> None:
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    assert tracer_of(Conf(), {}) is None
    for off in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}):
        assert tracer_of(Conf(), where | off) is None
    on = tracer_of(Conf(), where)
    assert on is not None
    on.stop(20.0)
    with pytest.raises(ConfError, match=r"otel\.exporter\.otlp\.endpoint='host:4318': expected"):
        tracer_of(Conf({"otel.exporter.otlp.endpoint": "host:4318"}), {})


def test_without_opentelemetry_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfError, match=r"pip install 'mrmesos\[otel\]'"):
        tracer_of(Conf({"otel.exporter.otlp.endpoint": "http://h:4318"}), {})
    assert tracer_of(Conf(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"}) is None
    assert "pip install 'mrmesos[otel]'" in caplog.text


def test_opentelemetry_is_imported_only_if_traces_are_on() -> None:
    code = (
        "import sys, mrmesos.jobtracker.service, mrmesos.worker.loop\n"
        "from mrmesos.conf import Conf\nfrom mrmesos.jobtracker.aftermath import Aftermath\n"
        "assert Aftermath(Conf()).tracer is None\n"
        "print(sorted(n for n in sys.modules if n.startswith('opentelemetry')))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"


def test_a_service_sends_the_trace_of_a_job(collector: Collector, tmp_path: Path) -> None:
    desk = Desk({"otel.exporter.otlp.endpoint": collector.url})
    try:
        spec = desk.spec(tmp_path)
        spec = replace(spec, conf={**spec.conf, "job.traceparent": GIVEN})
        job_id = desk.client.submit(spec)
        wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
        (task,) = desk.offer(1)
        attempt = first_of(task)
        tracker = task["executor"]["executor_id"]["value"]
        told = read_context(desk.facts(job_id, tracker).trace)
        assert told is not None
        assert told.trace == GIVEN[3:35]
        desk.beat(tracker, [attempt.slot_id])
        written = tmp_path / "out" / "_temporary" / attempt.attempt_id
        written.mkdir()
        (written / "part-m-00000").write_text("x\n")
        report = replace(done(attempt), trace=str(told.of(attempt.attempt_id)))
        desk.beat(tracker, [attempt.slot_id], [report])
        assert desk.client.status(job_id, wait=20).state is JobState.SUCCEEDED
    finally:
        desk.service.stop(timeout=20.0)
    assert {span.name for span in collector.spans} == {"job", "plan", "commit", "map attempt"}
    (job,) = collector.named("job")
    assert {s.parent_span_id for s in collector.spans if s.name != "job"} == {job.span_id}
    (mapped,) = collector.named("map attempt")
    assert mapped.start_time_unix_nano == 10**9, "of the report, and not once more of the job"


def test_a_service_without_an_endpoint_tells_no_context(tmp_path: Path) -> None:
    desk = Desk({})
    try:
        job_id = desk.client.submit(desk.spec(tmp_path))
        wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
        (task,) = desk.offer(1)
        assert desk.facts(job_id, task["executor"]["executor_id"]["value"]).trace == ""
    finally:
        desk.service.stop(timeout=5.0)
