"""The interface from the drivers to their owners: two protocols and the types of their arguments.

The driver calls all methods in its own IO thread, one at a time. While a method runs, the driver
reads no other event. So a method should pass the event on and return. If it raises, the driver logs
the exception, reports it to `on_fatal`, and goes on.
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
"""A JSON object exactly as Mesos sent it (v1 API, snake_case keys): an Offer, a TaskStatus, …"""

OnFatal: TypeAlias = Callable[[BaseException], None]
"""Called in the IO thread with the exception of a callback, or the error that ends the driver."""


class SchedulerCallbacks(Protocol):
    """The events that a scheduler receives from its master (v1 scheduler API)."""

    def registered(self, framework_id: str, master_info: Json) -> None:
        """The first subscription of a framework without an id was accepted."""

    def reregistered(self, framework_id: str, master_info: Json) -> None:
        """A subscription with a known framework id was accepted, after a loss or a failover.

        All earlier offers are void.
        """

    def offers(self, offers: list[Json]) -> None:
        """OFFERS: a list of Offer."""

    def rescinded(self, offer_id: str) -> None:
        """RESCIND: the offer is void."""

    def inverse_offers(self, offers: list[Json]) -> None:
        """INVERSE_OFFERS: a list of InverseOffer. The master asks for agents back for some time.

        Answer with `acceptInverseOffers` or `declineInverseOffers`.
        """

    def inverse_offer_rescinded(self, offer_id: str) -> None:
        """RESCIND_INVERSE_OFFER: the inverse offer is void."""

    def status_update(self, status: Json) -> None:
        """UPDATE: a TaskStatus. Acknowledge it (`acknowledgeStatusUpdate`) if it has a uuid."""

    def heartbeat(self) -> None:
        """HEARTBEAT: the master is alive. It comes every 15 s, besides other events."""

    def framework_message(self, executor_id: str, agent_id: str, data: bytes) -> None:
        """MESSAGE from an executor; delivery is best effort."""

    def agent_lost(self, agent_id: str) -> None:
        """FAILURE of an agent."""

    def executor_lost(self, agent_id: str, executor_id: str, status: int | None) -> None:
        """FAILURE of an executor. `status` is the raw wait status; Mesos may omit it."""

    def disconnected(self) -> None:
        """The subscription was lost, and the driver subscribes again. Called once for each loss."""

    def error(self, message: str) -> None:
        """The framework cannot go on: the master sent ERROR or refused SUBSCRIBE for good.

        Called once. The driver stops, without TEARDOWN.
        """


class ExecutorCallbacks(Protocol):
    """The events that an executor receives from its agent (v1 executor API)."""

    def registered(self, executor_info: Json, framework_info: Json, agent_info: Json) -> None:
        """The first subscription was accepted."""

    def reregistered(self, agent_info: Json) -> None:
        """The agent came back and accepted our new subscription."""

    def launch_task(self, task: Json) -> None:
        """LAUNCH: a TaskInfo."""

    def kill_task(self, task_id: str) -> None:
        """KILL: end this task."""

    def framework_message(self, data: bytes) -> None:
        """MESSAGE from the scheduler; delivery is best effort."""

    def shutdown(self) -> None:
        """End all tasks, send their last updates, then call the driver's `stop()`.

        Either the agent asks for it, and kills the executor after its grace period; or the agent is
        lost for good: then the driver has stopped already and can send nothing more.
        """

    def disconnected(self) -> None:
        """The connection to the agent was lost. Called once for each loss."""

    def error(self, message: str) -> None:
        """The agent sent ERROR or refused SUBSCRIBE for good: the driver stops."""
