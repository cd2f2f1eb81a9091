"""Mesos' status updates in the core's words.

What ran in a slot is given up in every state that ends it. In some it may run on: UNREACHABLE and
LOST (the agent is out of the master's sight), GONE_BY_OPERATOR (the operator may err), UNKNOWN (the
master forgot). When such an agent returns, Mesos says that the slot runs, and as the core knows it
no more it is killed. DROPPED (it never started) and GONE are final.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.messages.events import EndCause, SlotStatus, SlotUpdated
from mrmesos.mesos.callbacks import Json

_STATUS = {
    "TASK_STAGING": SlotStatus.STAGING,
    "TASK_STARTING": SlotStatus.RUNNING,
    "TASK_RUNNING": SlotStatus.RUNNING,
    "TASK_KILLING": SlotStatus.ENDING,
}
"""Every other state (mesos.proto, TaskState) ends the slot."""
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
"""Reasons by which Mesos says that the executor is gone (mesos.proto, TaskStatus.Reason)."""
DISCONNECTED = "REASON_MASTER_DISCONNECTED"
"""Of an update that our shell makes itself, as no master took the launch."""
_VOID = ("REASON_INVALID_OFFERS", DISCONNECTED, "REASON_RECONCILIATION", "REASON_AGENT_")
_NO_WORDS = ("", "Executor terminated")
"""Messages of Mesos that say no more than the reason."""


def slot_updated(
    slot_id: str, agent_id: str, state: str, reason: str = "", message: str = "", uuid: str = ""
) -> SlotUpdated:
    """The event of an update with Mesos' names for `state` and `reason`."""
    cause = _CAUSE.get(state, EndCause.FAILED)
    if reason.startswith(_TRACKER_ENDED):
        cause = EndCause.TRACKER_ENDED
    elif reason.startswith(_VOID):
        cause = EndCause.VOID
    return SlotUpdated(
        slot_id,
        agent_id,
        _STATUS.get(state, SlotStatus.ENDED),
        cause,
        ": ".join(filter(None, (state, reason, message))),
        explained=message not in _NO_WORDS,
        from_master=reason != DISCONNECTED,
        uuid=uuid,
    )


def parse_status(status: Json) -> SlotUpdated:
    """The event of a TaskStatus as Mesos sends it."""
    return slot_updated(
        status["task_id"]["value"],
        status.get("agent_id", {}).get("value", ""),
        status["state"],
        status.get("reason", ""),
        status.get("message", ""),
        status.get("uuid", ""),
    )
