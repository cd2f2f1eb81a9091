"""Random histories tell the core events of every kind."""

from __future__ import annotations

from typing import get_args

import pytest

from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.simulator.faults import histories

HISTORIES = 150
"""Most histories to look at. The search ends when every kind was seen."""


def test_every_kind_of_event_is_in_random_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    never = set(get_args(ev.Event))
    handle = JobTracker.handle

    def noting(self: JobTracker, event: ev.Event, now: float) -> list[cmd.Command]:
        never.discard(type(event))
        return handle(self, event, now)

    monkeypatch.setattr(JobTracker, "handle", noting)
    for seed in range(HISTORIES):
        histories.prove(seed)
        if not never:
            break
    assert not never
