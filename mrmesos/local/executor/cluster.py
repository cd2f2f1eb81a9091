"""The place where an executor's tasks run: a cluster of its own, or a JobTracker of others.

A cluster of its own is another process (local/session_host.py). So no threads, signal handlers or
sockets of a JobTracker are in the user's process. The cluster ends when the executor ends, or when
the user's process ends in any way.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from mrmesos.client.access import open_client, trusted
from mrmesos.client.api_client import (
    RETRY_SECONDS,
    RETURN_SECONDS,
    ApiProblem,
    JobTrackerClient,
    Unreachable,
)
from mrmesos.client.code.inputs import absolute_uri
from mrmesos.client.config.configuration import read_configuration
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.local.executor.errors import ExecutorLost
from mrmesos.local.run import child_environment
from mrmesos.local.session_host import HostRequest
from mrmesos.local.session_process import HostProcess, SessionLost
from mrmesos.wire.queue import QueueState, QueueStatus


class ExecutorCluster:
    """It is up when this returns. Raises ExecutorLost, or ValueError for wrong arguments."""

    def __init__(
        self,
        *,
        jobtracker: str,
        master: str,
        local_agents: int | None,
        conf: Mapping[str, str],
        store: str,
    ) -> None:
        _check(jobtracker, master, local_agents)
        try:
            layers = read_configuration(
                assignments=[f"{name}={text}" for name, text in conf.items()]
            ).layers
        except UsageProblem as problem:
            raise ValueError(problem.message) from None
        site, settled = layers.for_job()
        self.conf = site.merged(settled)
        """The settings of the tasks."""
        self.where = jobtracker or master or "local"
        self._client_conf = layers.for_client()
        self._jobtracker = jobtracker
        self._host: HostProcess | None = None
        self.store = absolute_uri(store) if store else ""
        if jobtracker:
            return
        agents = 0 if master else local_agents or 1
        self._token = secrets.token_urlsafe(32)
        request = HostRequest(
            secrets.token_hex(8),
            self._token,
            dict(layers.for_jobtracker().merged(self.conf)),
            master,
            agents,
            self.store,
        )
        try:
            self._host = HostProcess(request, child_environment())
        except SessionLost as problem:
            raise ExecutorLost(str(problem)) from None
        if not master or store:
            self.store = self._host.reply.data

    def client(self) -> JobTrackerClient:
        """A new client, for one thread."""
        conf = self._client_conf
        if self._host is None:
            return open_client(
                self._jobtracker, conf, retry_seconds=RETRY_SECONDS, return_seconds=RETURN_SECONDS
            )
        url = self._host.reply.url
        tls = trusted(conf) if url.startswith("https:") else None
        return JobTrackerClient(url, token=self._token, tls=tls, retry_seconds=1.0)

    def open_queue(self, queue_id: str) -> QueueStatus:
        """The status of a queue that is open for a client. Raises ValueError if it is not, and
        ExecutorLost.
        """
        client = self.client()
        try:
            status = client.queue_status(queue_id)
        except ApiProblem as problem:
            raise ValueError(str(problem)) from None
        except Unreachable as problem:
            raise ExecutorLost(str(problem)) from None
        finally:
            client.close()
        if status.state is not QueueState.OPEN:
            words = f" ({status.words})" if status.words else ""
            raise ValueError(f"{queue_id} is {status.state.value}{words}; it takes no client")
        return status

    def last_words(self) -> str:
        """Why a cluster of our own has ended. Empty if it has not."""
        if self._host is None or not self._host.ended():
            return ""
        return self._host.last_words() or "its process has ended"

    @property
    def is_ours(self) -> bool:
        """Whether this process has started the cluster. A forked child has not."""
        return self._host is None or self._host.is_ours

    def close(self) -> None:
        """End the processes that were started."""
        if self._host is not None:
            self._host.close()


def _check(jobtracker: str, master: str, local_agents: int | None) -> None:
    if jobtracker and master:
        raise ValueError("an executor has a jobtracker or a master, not both")
    if local_agents is not None and (jobtracker or master):
        raise ValueError("local_agents is for an executor without jobtracker and master")
    if local_agents is not None and not 0 < local_agents <= 100:
        raise ValueError(f"local_agents is {local_agents}, not from 1 to 100")


def texts(conf: Mapping[str, object]) -> dict[str, str]:
    """Settings given as Python values, as text."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in conf.items()
    }
