"""The questions of the HTTP API to the service (jobtracker/backend.py answers them)."""

from __future__ import annotations

from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Protocol

from mrmesos.jobtracker.core.state.reports import AttemptLogs
from mrmesos.jobtracker.storage.code_store import CodeStore
from mrmesos.wire.chain import ChainSpec, ChainStatus
from mrmesos.wire.heartbeat import Heartbeat, HeartbeatAnswer
from mrmesos.wire.job import JobFacts, JobReport, JobSpec, JobStatus, ServiceStatus
from mrmesos.wire.queue import QueueRequest, QueueSpec, QueueStatus, TaskEnds


class Backend(Protocol):
    """The service as the API sees it. The core's thread completes the futures.

    Each method may raise Unavailable, at once or through the future.
    """

    codes: CodeStore

    def status(self, job_id: str) -> Future[JobStatus | None]:
        """A job's status; None if there is no such job."""

    def statuses(self) -> Future[list[JobStatus]]:
        """The status of all jobs that the JobTracker knows."""

    def service_status(self) -> Future[ServiceStatus]:
        """The status of the JobTracker itself."""

    def report(self, job_id: str) -> Future[JobReport | None]:
        """A job's status and attempts; None if there is no such job."""

    def facts(self, job_id: str, tracker_id: str) -> Future[JobFacts | None]:
        """A job's facts; None if it has ended or does not exist.

        Fails with Forbidden if the job has neither attempts nor output on this TaskTracker.
        """

    def logs(self, attempt_id: str) -> Future[AttemptLogs | None]:
        """The place where the logs of an attempt can be read. None if there is no such attempt."""

    def submit(self, spec: JobSpec, key: str) -> Future[str]:
        """Accept a job and return its id. A repeated `key` that is not empty gets the same id.

        Fails with BadRequest if the job could not run.
        """

    def submit_chain(self, spec: ChainSpec, key: str) -> Future[str]:
        """Accept a chain and return its id. `key` and failures are as in `submit`."""

    def chain_status(self, chain_id: str) -> Future[ChainStatus | None]:
        """A chain's status; None if there is no such chain."""

    def chain_statuses(self) -> Future[list[ChainStatus]]:
        """The status of all chains that the JobTracker knows."""

    def submit_queue(self, spec: QueueSpec, key: str) -> Future[str]:
        """Accept a queue for free tasks and return its id. `key` and failures: as in `submit`."""

    def queue_status(self, queue_id: str) -> Future[QueueStatus | None]:
        """A queue's status; None if there is no such queue."""

    def queue_statuses(self) -> Future[list[QueueStatus]]:
        """The status of all queues that the JobTracker knows."""

    def queue_request(self, queue_id: str, request: QueueRequest) -> Future[bool]:
        """Add and cancel tasks; False if the queue has ended or does not exist.

        Fails with BadRequest if a task could not run.
        """

    @property
    def queue_wait(self) -> float:
        """How long a client may wait for ends of tasks (seconds). Its queue is not killed then."""

    def queue_ends(self, queue_id: str, taken: int) -> Future[TaskEnds | None]:
        """Forget the ends up to `taken`, and return the later ones. None if there is no such
        queue.
        """

    def kill(self, job_id: str, by: str) -> Future[bool]:
        """Kill a job, a chain or a queue; False if it is unknown. `by` is the user who asked for
        it.
        """

    def move(self, job_id: str, priority: str, pool: str, by: str) -> Future[bool]:
        """Change the priority or the pool of a job. An empty text leaves a value as it is.

        False if there is no such job in progress. Fails with BadRequest for an invalid value.
        """

    def heartbeat(self, heartbeat: Heartbeat) -> Awaitable[HeartbeatAnswer]:
        """Handle a heartbeat and return its answer. Called in an event loop."""

    def held_answer(self, tracker_id: str) -> Awaitable[HeartbeatAnswer]:
        """The present answer to a heartbeat that was held. Called in an event loop."""
