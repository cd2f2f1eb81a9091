"""What the drivers tell the shells: two protocols and the names of what they carry.

All methods are called in the driver's own IO thread, one at a time. While one runs no other event
is read, so it should hand its news on and return. What it raises is logged and reported to the
driver's `on_fatal`; it never ends the driver.
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
"""Called in the IO thread with what a callback raised, or with what made the driver give up."""


class SchedulerCallbacks(Protocol):
    """What a scheduler hears from its master (v1 scheduler API events)."""

    def registered(self, framework_id: str, master_info: Json) -> None:
        """The first subscription of a framework without an id was accepted."""

    def reregistered(self, framework_id: str, master_info: Json) -> None:
        """A subscription with a known framework id was accepted: after a loss, or a failover.

        Offers made before are void.
        """

    def offers(self, offers: list[Json]) -> None:
        """OFFERS: a list of Offer."""

    def rescinded(self, offer_id: str) -> None:
        """RESCIND: the offer is void."""

    def inverse_offers(self, offers: list[Json]) -> None:
        """INVERSE_OFFERS: a list of InverseOffer, by which agents are asked back for a time.

        To be answered by `acceptInverseOffers` or `declineInverseOffers`.
        """

    def inverse_offer_rescinded(self, offer_id: str) -> None:
        """RESCIND_INVERSE_OFFER: the inverse offer is void."""

    def status_update(self, status: Json) -> None:
        """UPDATE: a TaskStatus. Acknowledge it (`acknowledgeStatusUpdate`) if it has a uuid."""

    def heartbeat(self) -> None:
        """HEARTBEAT: the master is there. Every 15 s, whatever else comes."""

    def framework_message(self, executor_id: str, agent_id: str, data: bytes) -> None:
        """MESSAGE: best effort, from an executor."""

    def agent_lost(self, agent_id: str) -> None:
        """FAILURE of an agent."""

    def executor_lost(self, agent_id: str, executor_id: str, status: int | None) -> None:
        """FAILURE of an executor; `status` is the raw wait status, which Mesos may leave out."""

    def disconnected(self) -> None:
        """The subscription was lost; the driver tries for a new one. Once for each loss."""

    def error(self, message: str) -> None:
        """The framework cannot go on: ERROR, or SUBSCRIBE was refused for good.

        Once; the driver stops, without TEARDOWN.
        """


class ExecutorCallbacks(Protocol):
    """What an executor hears from its agent (v1 executor API events)."""

    def registered(self, executor_info: Json, framework_info: Json, agent_info: Json) -> None:
        """The first subscription was accepted."""

    def reregistered(self, agent_info: Json) -> None:
        """The agent came back and knows us again."""

    def launch_task(self, task: Json) -> None:
        """LAUNCH: a TaskInfo."""

    def kill_task(self, task_id: str) -> None:
        """KILL: a task should end."""

    def framework_message(self, data: bytes) -> None:
        """MESSAGE: best effort, from the scheduler."""

    def shutdown(self) -> None:
        """End all tasks, send their last updates, then call the driver's `stop()`.

        Told by the agent (which kills the executor after its grace period), or because the agent
        is lost for good: then the driver has stopped already and nothing more can be sent.
        """

    def disconnected(self) -> None:
        """The agent is away. Once for each loss."""

    def error(self, message: str) -> None:
        """ERROR, or SUBSCRIBE was refused for good: the driver stops."""
