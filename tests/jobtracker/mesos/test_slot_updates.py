"""Mesos' states and reasons are translated into the core's events."""

from __future__ import annotations

import pytest

from mrmesos.jobtracker.core.messages.events import EndCause, SlotStatus
from mrmesos.jobtracker.mesos.slot_updates import slot_updated


@pytest.mark.parametrize(
    ("state", "reason", "status", "cause"),
    [
        ("TASK_STAGING", "", SlotStatus.STAGING, None),
        ("TASK_STARTING", "", SlotStatus.RUNNING, None),
        ("TASK_RUNNING", "REASON_RECONCILIATION", SlotStatus.RUNNING, None),
        ("TASK_KILLING", "", SlotStatus.ENDING, None),
        ("TASK_FINISHED", "", SlotStatus.ENDED, EndCause.AS_ASKED),
        ("TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH", SlotStatus.ENDED, EndCause.AS_ASKED),
        ("TASK_FAILED", "", SlotStatus.ENDED, EndCause.FAILED),
        ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED", SlotStatus.ENDED, EndCause.TRACKER_ENDED),
        ("TASK_LOST", "REASON_EXECUTOR_TERMINATED", SlotStatus.ENDED, EndCause.TRACKER_ENDED),
        ("TASK_ERROR", "REASON_TASK_INVALID", SlotStatus.ENDED, EndCause.REFUSED),
        ("TASK_DROPPED", "REASON_AGENT_DISCONNECTED", SlotStatus.ENDED, EndCause.VOID),
        ("TASK_LOST", "REASON_INVALID_OFFERS", SlotStatus.ENDED, EndCause.VOID),
        ("TASK_UNREACHABLE", "", SlotStatus.ENDED, EndCause.FAILED),
        ("TASK_GONE_BY_OPERATOR", "", SlotStatus.ENDED, EndCause.FAILED),
        ("TASK_UNKNOWN", "REASON_RECONCILIATION", SlotStatus.ENDED, EndCause.VOID),
    ],
)
def test_states_and_reasons(
    state: str, reason: str, status: SlotStatus, cause: EndCause | None
) -> None:
    event = slot_updated("s", "a", state, reason)
    assert event.status is status
    assert cause is None or event.cause is cause


def test_words_are_all_that_mesos_says() -> None:
    event = slot_updated("s", "a", "TASK_FAILED", "REASON_X", "no such file")
    assert (event.words, event.explained) == ("TASK_FAILED: REASON_X: no such file", True)
    assert not slot_updated("s", "a", "TASK_FAILED", "R", "Executor terminated").explained
    assert not slot_updated("s", "a", "TASK_FAILED").explained
