"""A start makes the same thing again from its record in the journal."""

from __future__ import annotations

import msgspec

from mrmesos.api.split import FileSlice, Split
from mrmesos.jobtracker.core.messages.journal_records import AttemptRecord
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind, Locality

JOB = "job_202611201130_0001"


def test_no_field_of_an_attempt_is_forgotten() -> None:
    split = Split((FileSlice("memory://in", 0, 1),), 1, ())
    task = TaskInProgress(JOB, TaskKind.MAP, 3, split)
    ended = AttemptRecord(
        id="attempt_202611201130_0001_m_000003_2",
        job_id=JOB,
        slot_id="slot_1",
        tracker_id="tracker_1",
        agent_id="S1",
        hostname="host1",
        locality=Locality.RACK_LOCAL,
        start=1.0,
        backup=True,
        state=AttemptState.SUCCEEDED,
        end=2.0,
        counters={"task": {"RECORDS": 5}},
        error=AttemptError(kind=ErrorKind.USER_CODE, message="boom"),
        won=True,
        failures=4,
        losses=5,
        silences=6,
        memory_mb=7,
    )
    running = msgspec.structs.replace(
        ended, state=AttemptState.RUNNING, end=None, won=False, waited_for=True
    )
    names = ended.__struct_fields__
    assert not [
        name for name in names if getattr(ended, name) == getattr(running, name) == default_of(name)
    ], "a field of which this test says nothing"
    for record in (running, ended):
        assert TaskAttempt.restored(record, task).record() == record


def default_of(name: str) -> object:
    fields = {field.name: field for field in msgspec.structs.fields(AttemptRecord)}
    return fields[name].default
