"""The callbacks of the drivers: one protocol for schedulers, one for executors.

Thread: the driver's own IO thread calls all methods, one at a time. While a method runs, the driver
reads no other event, so it should pass the event on and return. An exception of a method is logged
and reported to the driver's `on_fatal`. It never ends the driver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

__all__ = [
    "ExecutorCallbacks",
    "Json",
    "OnFatal",
    "SchedulerCallbacks",
]

Json: TypeAlias = dict[str, Any]
"""A JSON object exactly as Mesos gave it (v1 API, snake_case keys): an Offer, a TaskStatus, …"""

OnFatal: TypeAlias = Callable[[BaseException], None]
"""Gets an exception of a callback, or the one that made the driver give up. Runs in the IO thread.
"""


class SchedulerCallbacks(Protocol):
    """Receives the events of a master (v1 scheduler API)."""

    def registered(self, framework_id: str, master_info: Json) -> None:
        """The first subscription of a framework without an id was accepted."""

    def reregistered(self, framework_id: str, master_info: Json) -> None:
        """A subscription with a known framework id was accepted: after a loss, or a failover.

        All earlier offers are void.
        """

    def offers(self, offers: list[Json]) -> None:
        """OFFERS: a list of Offer."""

    def rescinded(self, offer_id: str) -> None:
        """RESCIND: the offer is void."""

    def inverse_offers(self, offers: list[Json]) -> None:
        """INVERSE_OFFERS: a list of InverseOffer. Each asks us to free an agent for some time.

        Answer each with `acceptInverseOffers` or `declineInverseOffers`.
        """

    def inverse_offer_rescinded(self, offer_id: str) -> None:
        """RESCIND_INVERSE_OFFER: the inverse offer is void."""

    def status_update(self, status: Json) -> None:
        """UPDATE: a TaskStatus. Acknowledge it (`acknowledgeStatusUpdate`) if it has a uuid."""

    def heartbeat(self) -> None:
        """HEARTBEAT: the master is alive. Comes every 15 s, besides other events."""

    def framework_message(self, executor_id: str, agent_id: str, data: bytes) -> None:
        """MESSAGE: best effort, from an executor."""

    def agent_lost(self, agent_id: str) -> None:
        """FAILURE of an agent."""

    def executor_lost(self, agent_id: str, executor_id: str, status: int | None) -> None:
        """FAILURE of an executor. `status` is the raw wait status; Mesos may omit it."""

    def disconnected(self) -> None:
        """The subscription was lost, and the driver tries again. Called once for each loss."""

    def error(self, message: str) -> None:
        """The framework cannot go on: ERROR, or a final refusal of SUBSCRIBE.

        Called once. The driver stops without TEARDOWN.
        """


class ExecutorCallbacks(Protocol):
    """Receives the events of an agent (v1 executor API)."""

    def registered(self, executor_info: Json, framework_info: Json, agent_info: Json) -> None:
        """The first subscription was accepted."""

    def reregistered(self, agent_info: Json) -> None:
        """The agent is back and has accepted a new subscription."""

    def launch_task(self, task: Json) -> None:
        """LAUNCH: a TaskInfo."""

    def kill_task(self, task_id: str) -> None:
        """KILL: a task should end."""

    def framework_message(self, data: bytes) -> None:
        """MESSAGE: best effort, from the scheduler."""

    def shutdown(self) -> None:
        """End all tasks, send their last updates, then call the driver's `stop()`.

        The agent asks for it, and kills the executor after its grace period. Or the agent is lost
        for good: then the driver has stopped already, and nothing more can be sent.
        """

    def disconnected(self) -> None:
        """The connection to the agent was lost. Called once for each loss."""

    def error(self, message: str) -> None:
        """ERROR, or a final refusal of SUBSCRIBE: the driver stops."""
