"""Translates Mesos' status updates into events of the core. Pure.

A slot's attempt is given up in every state that ends the slot. In some of these states, the attempt
may still run: UNREACHABLE and LOST (the master does not see the agent), GONE_BY_OPERATOR (the
operator may be wrong), UNKNOWN (the master has forgotten the task). If such an agent returns, Mesos
reports that the slot runs. The core no longer knows the slot then, and kills it. DROPPED (it never
started) and GONE are final.
"""

from __future__ import annotations

from functools import lru_cache

from mrmesos.jobtracker.core.messages.events import EndCause, SlotStatus, SlotUpdated
from mrmesos.mesos.callbacks import Json

_STATUS = {
    "TASK_STAGING": SlotStatus.STAGING,
    "TASK_STARTING": SlotStatus.RUNNING,
    "TASK_RUNNING": SlotStatus.RUNNING,
    "TASK_KILLING": SlotStatus.ENDING,
}
"""All other states (TaskState in mesos.proto) end the slot."""
_CAUSE = {
    "TASK_FINISHED": EndCause.AS_ASKED,
    "TASK_KILLED": EndCause.AS_ASKED,
    "TASK_ERROR": EndCause.REFUSED,
}
_TRACKER_ENDED = (
    "REASON_EXECUTOR_TERMINATED",
    "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
    "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
    "REASON_EXECUTOR_UNREGISTERED",
    "REASON_CONTAINER_",
)
"""With these reasons, Mesos says that the executor is gone (TaskStatus.Reason in mesos.proto)."""
_OVER_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
DISCONNECTED = "REASON_MASTER_DISCONNECTED"
"""The reason of updates that calls_out.py makes itself, because no master took the launch."""
_VOID = ("REASON_INVALID_OFFERS", DISCONNECTED, "REASON_RECONCILIATION", "REASON_AGENT_")
_NO_WORDS = ("", "Executor terminated")
"""Messages of Mesos that say nothing beyond the reason."""


@lru_cache(maxsize=256)
def _meaning(state: str, reason: str, message: str) -> tuple[SlotStatus, EndCause, str]:
    cause = _CAUSE.get(state, EndCause.FAILED)
    if reason.startswith(_TRACKER_ENDED):
        cause = EndCause.TRACKER_ENDED
    elif reason.startswith(_VOID):
        cause = EndCause.VOID
    words = ": ".join(filter(None, (state, reason, message)))
    return _STATUS.get(state, SlotStatus.ENDED), cause, words


def slot_updated(
    slot_id: str, agent_id: str, state: str, reason: str = "", message: str = "", uuid: str = ""
) -> SlotUpdated:
    """The event for an update. `state` and `reason` are Mesos' names."""
    status, cause, words = _meaning(state, reason, message)
    return SlotUpdated(
        slot_id,
        agent_id,
        status,
        cause,
        words,
        explained=message not in _NO_WORDS,
        from_master=reason != DISCONNECTED,
        uuid=uuid,
        over_memory=reason == _OVER_MEMORY,
    )


def parse_status(status: Json) -> SlotUpdated:
    """The event for Mesos' TaskStatus."""
    return slot_updated(
        status["task_id"]["value"],
        status.get("agent_id", {}).get("value", ""),
        status["state"],
        status.get("reason", ""),
        status.get("message", ""),
        status.get("uuid", ""),
    )
