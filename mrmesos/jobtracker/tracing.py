"""OpenTelemetry traces of jobs: `job`, `plan`, `commit`, `map attempt`, `reduce attempt`, `fetch`.

Comes in: reports of attempts (the server's thread), ended jobs and the planner's work (the core's
thread). These calls only put something into a queue, and drop it if that is full. Goes out: spans,
by OTLP over HTTP, from a thread of our own. OpenTelemetry is imported only if traces are on.

Agents send nothing: workers measure, and their times come with the reports of attempts. So only
this host must reach the collector.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import mrmesos
from mrmesos.conf import JOB_TRACEPARENT, OTLP_ENDPOINT, Conf, ConfError
from mrmesos.jobtracker.core.messages.commands import CommitJob, PlanJob
from mrmesos.jobtracker.core.messages.events import Event, JobCommitFailed, JobPlanFailed
from mrmesos.jobtracker.core.messages.job_run import JobRun
from mrmesos.jobtracker.storage.planners_answer import Work
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import AttemptRow, JobSpec, JobState
from mrmesos.wire.task import AttemptError, AttemptReport, AttemptState
from mrmesos.wire.trace import TraceContext, new_trace, on_the_wall, read_context

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

logger = logging.getLogger(__name__)

QUEUE_MAX = 10_000
BATCH_MAX, BATCH_SECONDS = 512, 2.0
SEEN_MAX = 200_000
ROWS_MAX = 10_000
"""Of one job's attempts without a report (lost, killed), at most this many get a span."""
MESSAGE_CHARACTERS = 1_000
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_MISSING = "traces need OpenTelemetry: pip install 'mrmesos[otel]'"
Attributes = Mapping[str, str | int | bool]


def tracer_of(conf: Conf, environ: Mapping[str, str]) -> Tracer | None:
    """The tracer, if `otel.exporter.otlp.endpoint` or OTEL_* variables ask for one. Raises
    ConfError.
    """
    given = conf.get_as(OTLP_ENDPOINT).strip()
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not given and not any(environ.get(name) for name in _ENDPOINTS):
        return None
    if environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    if given and urlsplit(given).scheme not in ("http", "https"):
        raise ConfError(f"{OTLP_ENDPOINT.name}={given[:200]!r}: expected http://host:4318")
    try:
        return Tracer(f"{given.rstrip('/')}/v1/traces" if given else None)
    except ImportError as problem:
        if given:
            raise ConfError(f"{OTLP_ENDPOINT.name}={given}: {_MISSING} ({problem})") from None
        logger.warning("OTEL_* variables ask for traces, but %s (%s)", _MISSING, problem)
        return None


class Tracer:
    """Sends spans until `stop()`."""

    def __init__(self, endpoint: str | None) -> None:
        """`endpoint` gets the spans. If it is None, OTEL_* variables name the endpoint. Raises
        ImportError.
        """
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        own = {"service.version": mrmesos.__version__}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            own["service.name"] = "mrmesos-jobtracker"
        self._exporter: Any = OTLPSpanExporter(endpoint=endpoint)
        self._ids = _Ids()
        provider = TracerProvider(
            resource=Resource.create(own),
            id_generator=cast(Any, self._ids),
            shutdown_on_exit=False,
        )
        self._batch: list[ReadableSpan] = []
        provider.add_span_processor(cast(Any, _Collect(self._batch)))
        self._sampler = provider.sampler
        self._spans = provider.get_tracer("mrmesos", mrmesos.__version__)
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(QUEUE_MAX)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()
        self.dropped = 0

    # From any thread.

    def context(self, job_id: str, spec: JobSpec) -> TraceContext:
        """The context of a job's span."""
        given = read_context(Conf(spec.conf).get_as(JOB_TRACEPARENT).strip())
        if given is not None:
            return given.of(job_id)
        trace = new_trace(job_id)
        decided: Any = self._sampler.should_sample(None, int(trace, 16), "job")
        return TraceContext(trace, "", decided.decision.is_sampled()).of(job_id)

    def reported(self, heartbeat: Heartbeat) -> None:
        """A TaskTracker reports ends of attempts."""
        for report in heartbeat.reports:
            if (context := read_context(report.trace)) is not None and context.sampled:
                self._put(partial(self._attempt, report, heartbeat.hostname, context))

    def worked(self, command: Work, begun: float, event: Event) -> None:
        """The planner's work for a job has ended."""
        if isinstance(command, PlanJob | CommitJob):
            error = event.error if isinstance(event, JobPlanFailed | JobCommitFailed) else None
            self._put(partial(self._work, command, begun, time.monotonic(), error))

    def job_ended(self, run: JobRun) -> None:
        """A job has ended."""
        self._put(partial(self._job, run))

    def stop(self, timeout: float) -> None:
        """Send the waiting spans, for at most `timeout` seconds."""
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _put(self, work: Callable[[], None]) -> None:
        try:
            self._queue.put_nowait(work)
        except queue.Full:
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:  # 1, 2, 4, 8, …
                logger.warning("%d traces were dropped: the collector is too slow", self.dropped)

    # In the tracer's thread.

    def _run(self) -> None:
        send_at = float("inf")
        while True:
            try:
                work = self._queue.get(timeout=max(0.0, min(60.0, send_at - time.monotonic())))
            except queue.Empty:
                work = _nothing
            if work is not None:
                try:
                    work()
                except Exception:  # a bad span must not end the thread
                    logger.exception("a span cannot be made")
            if self._batch and send_at == float("inf"):
                send_at = time.monotonic() + BATCH_SECONDS
            if work is None or len(self._batch) >= BATCH_MAX or time.monotonic() >= send_at:
                self._send()
                send_at = float("inf")
            if work is None:
                self._exporter.shutdown()
                return

    def _send(self) -> None:
        while batch := self._batch[:BATCH_MAX]:
            del self._batch[:BATCH_MAX]
            self._exporter.export(batch)  # it repeats, and logs what fails

    def _attempt(self, report: AttemptReport, hostname: str, context: TraceContext) -> None:
        if report.attempt_id in self._seen:  # a TaskTracker repeats its reports
            return
        self._seen[report.attempt_id] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        name = parse_attempt(report.attempt_id)
        job = context.of(name.job_id)
        self._span(
            f"{name.kind.value} attempt",
            context,
            job,
            (report.started, report.ended),
            {
                "mrmesos.job.id": name.job_id,
                "mrmesos.attempt.id": report.attempt_id,
                "mrmesos.attempt.state": report.state.value,
                "mrmesos.slot.id": report.slot_id,
                "host.name": hostname,
            },
            report.error,
        )
        for part in report.spans:
            mine = context.of(f"{part.name} {report.attempt_id}")
            facts = {"mrmesos.attempt.id": report.attempt_id, "host.name": hostname}
            self._span(part.name, mine, context, (part.begin, part.end), facts)

    def _work(
        self, command: PlanJob | CommitJob, begun: float, ended: float, error: AttemptError | None
    ) -> None:
        name = "plan" if isinstance(command, PlanJob) else "commit"
        job = self.context(command.job_id, command.spec)
        mine = job.of(f"{name} {command.job_id}")
        times = (on_the_wall(begun), on_the_wall(ended))
        self._span(name, mine, job, times, {"mrmesos.job.id": command.job_id}, error)

    def _job(self, run: JobRun) -> None:
        status = run.report.status
        job = self.context(status.job_id, run.spec)
        rows = run.report.attempts
        for row in [row for row in rows if row.id not in self._seen][:ROWS_MAX]:
            self._row(row, job)
        for row in rows:
            self._seen.pop(row.id, None)
        facts: dict[str, str | int | bool] = {
            "mrmesos.job.id": status.job_id,
            "mrmesos.job.name": status.name,
            "mrmesos.job.state": status.state.value,
            "mrmesos.job.maps": status.maps.total,
            "mrmesos.job.reduces": status.reduces.total,
            "user.name": status.user,
        }
        if status.queue:
            facts["mrmesos.queue.id"] = status.queue
        times = (status.submitted, status.ended or status.submitted)
        given = read_context(Conf(run.spec.conf).get_as(JOB_TRACEPARENT).strip())
        failed = status.state is not JobState.SUCCEEDED
        self._span("job", job, given, times, facts, status.error, failed=failed)

    def _row(self, row: AttemptRow, job: TraceContext) -> None:
        """An attempt that did not report its end."""
        facts = {
            "mrmesos.job.id": parse_attempt(row.id).job_id,
            "mrmesos.attempt.id": row.id,
            "mrmesos.attempt.state": row.state,
            "mrmesos.slot.id": row.slot,
            "host.name": row.hostname,
        }
        times = (row.start, row.end or row.start)
        failed = row.state == AttemptState.FAILED.value
        name = f"{row.kind} attempt"
        self._span(name, job.of(row.id), job, times, facts, row.error, failed=failed)

    def _span(
        self,
        name: str,
        mine: TraceContext,
        parent: TraceContext | None,
        times: tuple[float, float],
        facts: Attributes,
        error: AttemptError | None = None,
        *,
        failed: bool = False,
    ) -> None:
        from opentelemetry import trace

        if not mine.sampled:
            return
        self._ids.trace, self._ids.span = int(mine.trace, 16), int(mine.span, 16)
        above = None
        if parent is not None:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            known = trace.SpanContext(
                int(parent.trace, 16), int(parent.span, 16), is_remote=True, trace_flags=flags
            )
            above = trace.set_span_in_context(trace.NonRecordingSpan(known))
        begin, end = (round(moment * 1e9) for moment in times)
        more = {"error.type": error.kind.value} if error is not None else {}
        span = self._spans.start_span(
            name, context=above, attributes={**facts, **more}, start_time=begin
        )
        if error is not None:
            told = {"exception.type": error.kind.value}
            told |= {"exception.message": error.message[:MESSAGE_CHARACTERS]}
            told |= {"exception.stacktrace": error.detail} if error.detail else {}
            span.add_event("exception", told, timestamp=end)
        if error is not None or failed:
            words = error.message[:MESSAGE_CHARACTERS] if error is not None else None
            span.set_status(trace.Status(trace.StatusCode.ERROR, words))
        span.end(max(begin, end))


class _Ids:
    """The IdGenerator of the SDK: gives the ids that were set."""

    trace = span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span

    def is_trace_id_random(self) -> bool:
        """They are hashes."""
        return False


class _Collect:
    """A SpanProcessor of the SDK that keeps ended spans."""

    def __init__(self, batch: list[ReadableSpan]) -> None:
        self._batch = batch

    def on_start(self, span: object, parent_context: object = None) -> None:
        """Nothing to do."""

    def _on_ending(self, span: object) -> None:
        """Nothing to do."""

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it."""
        self._batch.append(span)

    def shutdown(self) -> None:
        """The tracer sends what is left."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """The tracer sends what is left."""
        return True


def _nothing() -> None:
    """The time of a batch has come."""
