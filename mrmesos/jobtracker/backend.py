"""Answers the questions of the HTTP API from the core. It implements `Backend` in http/backend.py.

Comes in: calls, from the HTTP server's thread. Goes out: futures.
Thread: each question becomes a function that runs in the core's thread, between two events. So no
other thread touches the data that these functions use. The future gets its answer after the journal
has the records of all events before it. A heartbeat is handled as an event, and a command of the
core brings its answer.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import TypeVar

from msgspec.structs import replace

from mrmesos.access import late_certificates  # noqa: F401 (before the first import of aiohttp)
from mrmesos.conf import QUEUE_LEASE_SECONDS, Conf, ConfError
from mrmesos.jobtracker.core.handlers.jobs import moved
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages.commands import AnswerHeartbeat
from mrmesos.jobtracker.core.messages.events import (
    AnswerAsked,
    ChainSubmitted,
    EndsTaken,
    HeartbeatReceived,
    JobSubmitted,
    KillAsked,
    MoveAsked,
    QueueRequested,
    QueueSubmitted,
    StepJob,
)
from mrmesos.jobtracker.core.state import queries
from mrmesos.jobtracker.core.state.reports import AttemptLogs
from mrmesos.jobtracker.core.state.state import State
from mrmesos.jobtracker.core_thread import CoreThread
from mrmesos.jobtracker.http.errors import BadRequest, Forbidden, SetAside, Unavailable
from mrmesos.jobtracker.http.job_validation import check_chain, check_job
from mrmesos.jobtracker.http.queue_validation import check_queue, check_tasks
from mrmesos.jobtracker.mesos.task_info import python_of_trackers
from mrmesos.jobtracker.storage.code_store import CodeStore
from mrmesos.jobtracker.tracing import Tracer
from mrmesos.wire.chain import ChainSpec, ChainStatus
from mrmesos.wire.heartbeat import Heartbeat, HeartbeatAnswer
from mrmesos.wire.ids import TrackerId
from mrmesos.wire.job import JobFacts, JobReport, JobSpec, JobStatus, ServiceStatus
from mrmesos.wire.queue import QueueRequest, QueueSpec, QueueStatus, TaskEnds

logger = logging.getLogger(__name__)
T = TypeVar("T")
MAX_KEYS = 10_000
"""The idempotency keys of at most this many submissions are remembered. The same limit holds for
TaskTrackers whose heartbeats are ignored after one was set aside.
"""


class LiveJobs:
    """The jobs and chains that have not ended. Only the core's thread changes them."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._none = threading.Event()
        self._none.set()

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> list[str]:
        """The ids of all live jobs."""
        return list(self._ids)

    def add(self, job_ids: Iterable[str]) -> None:
        """Note jobs that have begun."""
        self._ids.update(job_ids)
        if self._ids:
            self._none.clear()

    def ended(self, job_id: str) -> None:
        """Note that a job has ended."""
        self._ids.discard(job_id)
        if not self._ids:
            self._none.set()

    def wait_none(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until no job is live. Returns whether none is."""
        return self._none.wait(timeout)


class CoreBackend:
    """The `Backend` of http/backend.py."""

    def __init__(
        self,
        conf: Conf,
        core: JobTracker,
        thread: CoreThread,
        codes: CodeStore,
        live: LiveJobs,
        keys: Mapping[str, str],
        set_aside: Mapping[str, int],
        pickle_key: str,
        tracer: Tracer | None = None,
    ) -> None:
        """`keys` maps the idempotency keys of earlier submissions to the ids of their jobs.

        `set_aside` counts the events that were set aside, by kind (quarantine.py). `pickle_key` is
        a part of all jobs' facts.
        """
        self._set_aside, self._pickle_key, self._tracer = set_aside, pickle_key, tracer
        self._conf, self._core, self._thread = conf, core, thread
        self.codes, self._live = codes, live
        self._keys: OrderedDict[str, str] = OrderedDict(keys)
        self._not_heard: OrderedDict[str, None] = (
            OrderedDict()
        )  # TaskTrackers with a heartbeat set aside
        self._closing = False
        self._answers: dict[str, AnswerHeartbeat] = {}  # answers to the event that is being handled

    def use(self, core: JobTracker) -> None:
        """Use a new core from now on."""
        self._core = core

    @property
    def connected(self) -> bool:
        """Whether we are subscribed to a Mesos master. Any thread may read it."""
        return self._core.st.subscription.connected

    @property
    def idle(self) -> bool:
        """Whether no job is in progress. Any thread may read it."""
        return not self._live

    def take_no_more(self) -> None:
        """Refuse all further submissions."""
        self._closing = True

    def status(self, job_id: str) -> Future[JobStatus | None]:
        """One job's status."""
        return self.look(lambda st: queries.job_status(st, job_id))

    def statuses(self) -> Future[list[JobStatus]]:
        """All jobs' statuses."""
        return self.look(queries.job_statuses)

    def look(self, question: Callable[[State], T]) -> Future[T]:
        """Ask a short question of the core's state, for pages and metrics."""
        return self._thread.ask(lambda: question(self._core.st))

    def ended_statuses(self) -> Future[list[JobStatus]]:
        """The statuses of the ended jobs in memory."""
        return self.look(lambda st: st.ended.statuses())

    def chain_status(self, chain_id: str) -> Future[ChainStatus | None]:
        """One chain's status."""
        return self.look(lambda st: queries.chain_status(st, chain_id))

    def chain_statuses(self) -> Future[list[ChainStatus]]:
        """All chains' statuses."""
        return self.look(queries.chain_statuses)

    def service_status(self) -> Future[ServiceStatus]:
        """The status of the service itself."""

        def read(st: State) -> ServiceStatus:
            return ServiceStatus(
                jobs=len(st.jobs), trackers=len(st.cluster.trackers), set_aside={**self._set_aside}
            )

        return self.look(read)

    def report(self, job_id: str) -> Future[JobReport | None]:
        """One job's report."""
        return self.look(lambda st: queries.job_report(st, job_id))

    def facts(self, job_id: str, tracker_id: str) -> Future[JobFacts | None]:
        """One job's facts, for a TaskTracker that runs its attempts or holds its output."""

        def read(st: State) -> JobFacts | None:
            facts = queries.job_facts(st, job_id)
            if facts is not None and not queries.works_for(st, TrackerId(tracker_id), job_id):
                raise Forbidden(f"nothing of {job_id} is on {tracker_id}")
            if facts is None:
                return None
            trace = "" if self._tracer is None else str(self._tracer.context(job_id, facts.spec))
            return replace(facts, pickle_key=self._pickle_key, trace=trace)

        return self.look(read)

    def logs(self, attempt_id: str) -> Future[AttemptLogs | None]:
        """The place of an attempt's logs."""
        return self.look(lambda st: queries.attempt_logs(st, attempt_id))

    def submit(self, spec: JobSpec, key: str) -> Future[str]:
        """Accept a job. Returns its id."""

        def event() -> JobSubmitted:
            check_job(spec, python_of_trackers(self._conf))
            return JobSubmitted(self._core.next_job_id(), spec, secrets.token_hex(16), key)

        return self._thread.ask(lambda: self._take(key, event))

    def submit_chain(self, spec: ChainSpec, key: str) -> Future[str]:
        """Accept a chain. Returns its id."""

        def event() -> ChainSubmitted:
            check_chain(spec, python_of_trackers(self._conf))
            live = self._core.st.chains.live.values()
            if other := next((one.id for one in live if one.spec.data == spec.data), ""):
                raise BadRequest(f"{other} runs with the same output; wait for its end, or kill it")
            jobs = tuple(
                StepJob(self._core.next_job_id(), secrets.token_hex(16)) for _ in spec.steps
            )
            return ChainSubmitted(self._core.next_chain_id(), spec, jobs, key)

        return self._thread.ask(lambda: self._take(key, event))

    def submit_queue(self, spec: QueueSpec, key: str) -> Future[str]:
        """Accept a queue for free tasks. Returns its id."""

        def event() -> QueueSubmitted:
            check_queue(spec, python_of_trackers(self._conf))
            return QueueSubmitted(self._core.next_queue_id(), spec, secrets.token_hex(16), key)

        return self._thread.ask(lambda: self._take(key, event))

    def queue_status(self, queue_id: str) -> Future[QueueStatus | None]:
        """One queue's status."""
        return self._thread.ask(lambda: queries.queue_status(self._core.st, queue_id))

    def queue_statuses(self) -> Future[list[QueueStatus]]:
        """All queues' statuses."""
        return self._thread.ask(lambda: queries.queue_statuses(self._core.st))

    def queue_request(self, queue_id: str, request: QueueRequest) -> Future[bool]:
        """Add and cancel free tasks."""
        check_tasks(request)

        def change() -> bool:
            if queue_id not in self._core.st.queues.live:
                return False
            self._thread.handle(QueueRequested(queue_id, request))
            return True

        return self._thread.ask(change)

    @property
    def queue_wait(self) -> float:
        """A part of the lease, so that a waiting client does not count as silent."""
        return self._conf.get_as(QUEUE_LEASE_SECONDS) / 3

    def queue_ends(self, queue_id: str, taken: int) -> Future[TaskEnds | None]:
        """The ends of free tasks after number `taken`."""

        def read() -> TaskEnds | None:
            if queue_id in self._core.st.queues.live:
                self._thread.handle(EndsTaken(queue_id, taken))
            return queries.queue_ends(self._core.st, queue_id)

        return self._thread.ask(read)

    def _take(
        self, key: str, make: Callable[[], JobSubmitted | ChainSubmitted | QueueSubmitted]
    ) -> str:
        """Accept a submission, unless that has happened before. Returns the id of the job, chain or
        queue.
        """
        if key and key in self._keys:
            return self._keys[key]
        if self._closing:
            raise Unavailable("the JobTracker is stopping")
        if self._core.full:
            raise Unavailable(f"{len(self._live)} jobs are in progress; try again later")
        event = make()
        name = _name(event)
        if missing := self.codes.pin(name, event.spec.uploads()):
            raise BadRequest(f"{missing} is not stored here; upload it, then submit again")
        self._live.add([name])
        if key:
            self._keys[key] = name
            while len(self._keys) > MAX_KEYS:
                self._keys.popitem(last=False)
        try:
            self._thread.handle(event)
        except SetAside:
            self._keys.pop(key, None)
            self._live.ended(name)
            self.codes.unpin(name)
            raise
        return name

    def kill(self, job_id: str, by: str) -> Future[bool]:
        """Kill a job, a chain or a queue."""

        def end() -> bool:
            st = self._core.st
            known = queries.job_status(st, job_id) or queries.chain_status(st, job_id)
            if (known or queries.queue_status(st, job_id)) is None:
                return False
            self._thread.handle(KillAsked(job_id, by))
            return True

        return self._thread.ask(end)

    def move(self, job_id: str, priority: str, pool: str, by: str) -> Future[bool]:
        """Give a job another priority or pool."""

        def change() -> bool:
            job = self._core.st.jobs.get(job_id)
            if job is None:
                return False
            try:
                moved(job.spec, priority, pool)
            except ConfError as problem:
                raise BadRequest(str(problem)) from None
            logger.info("%s: priority %s, pool %s, says %s", job_id, priority, pool, by)
            self._thread.handle(MoveAsked(job_id, priority, pool))
            return True

        return self._thread.ask(change)

    def heartbeat(self, heartbeat: Heartbeat) -> Awaitable[HeartbeatAnswer]:
        """Handle a heartbeat."""
        if self._tracer is not None:
            self._tracer.reported(heartbeat)
        event = HeartbeatReceived(heartbeat)
        return self._thread.ask_from_loop(lambda: self.hear(heartbeat.tracker_id, event))

    def held_answer(self, tracker_id: str) -> Awaitable[HeartbeatAnswer]:
        """The present answer to a heartbeat that was held."""
        return self._thread.ask_from_loop(lambda: self.hear(tracker_id, AnswerAsked(tracker_id)))

    def hear(self, tracker_id: str, event: HeartbeatReceived | AnswerAsked) -> HeartbeatAnswer:
        """Handle a heartbeat, in the core's thread. It may come from an unknown TaskTracker: it
        shows that the agent lives.
        """
        if tracker_id not in self._not_heard:
            try:
                self._thread.handle(event)
            except SetAside:
                # The TaskTracker would repeat this heartbeat for ever. So it gets the answer for
                # unknown TaskTrackers and ends. Its attempts run elsewhere.
                self._not_heard[tracker_id] = None
                while len(self._not_heard) > MAX_KEYS:
                    self._not_heard.popitem(last=False)
        answer = self._answers.pop(tracker_id, None)
        if answer is None or answer.actions is None:
            return HeartbeatAnswer([], unknown=True)
        return HeartbeatAnswer(list(answer.actions))

    def answer(self, command: AnswerHeartbeat) -> None:
        """Take the core's answer to the heartbeat that it is handling."""
        self._answers[command.tracker_id] = command


def _name(event: JobSubmitted | ChainSubmitted | QueueSubmitted) -> str:
    """The id of the submitted job, chain or queue."""
    match event:
        case ChainSubmitted():
            return event.chain_id
        case QueueSubmitted():
            return event.queue_id
        case _:
            return event.job_id
