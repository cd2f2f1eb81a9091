"""Messages survive JSON, and broken ones are refused as a whole."""

from __future__ import annotations

import msgspec
import pytest

from mrmesos.api.formats import ParquetOutput, TextInput, TextOutput
from mrmesos.api.split import FileSlice, Split
from mrmesos.wire.heartbeat import (
    EndSlot,
    Heartbeat,
    HeartbeatAnswer,
    KillAttempt,
    MapOutputs,
    Numbered,
    RunAttempt,
)
from mrmesos.wire.job import JobSpec
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptReport,
    AttemptState,
    ErrorKind,
    MapOutput,
    MapTask,
    ReduceTask,
)
from tests.wire.specs import SPEC, job_spec

MAP = Attempt(
    attempt_id="attempt_1_0001_m_000000_0",
    job_id="job_1_0001",
    slot_id="slot_1_1",
    task=MapTask(Split((FileSlice("file:///a", 0, 10),), 10, ("h1",))),
)
REDUCE = msgspec.structs.replace(MAP, task=ReduceTask(2))


def through_json(message: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(message), type=type(message))


@pytest.mark.parametrize(
    "message",
    [
        MAP,
        REDUCE,
        Heartbeat(
            tracker_id="tracker_1",
            agent_id="S0",
            hostname="h",
            url="http://127.0.0.1:1",
            sequence=1,
            acknowledged=0,
            slots=["slot_1_1"],
            reports=[
                AttemptReport(
                    attempt_id=MAP.attempt_id,
                    slot_id="slot_1_1",
                    state=AttemptState.FAILED,
                    started=1.0,
                    ended=2.0,
                    counters={"g": {"n": 1}},
                    error=AttemptError(kind=ErrorKind.USER_CODE, message="ValueError: bad"),
                )
            ],
        ),
        HeartbeatAnswer(
            [
                Numbered(1, RunAttempt(MAP)),
                Numbered(2, KillAttempt("a", "job killed")),
                Numbered(3, EndSlot("s")),
                Numbered(4, MapOutputs("j", [MapOutput(map_index=0, attempt_id="a", url="u")])),
            ]
        ),
        job_spec(
            input_format=TextInput(encoding=""), output_format=ParquetOutput(), conf={"a": "1"}
        ),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_survives_json(message: object) -> None:
    assert through_json(message) == message


def test_a_job_of_the_first_release_has_the_first_hash_of_keys() -> None:
    fields = msgspec.to_builtins(SPEC)
    del fields["key_hash"]
    assert msgspec.convert(fields, JobSpec).key_hash == 1


def test_the_output_format_is_told_by_its_tag() -> None:
    assert b'"type":"text"' in msgspec.json.encode(TextOutput())


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"tracker_id": 1}', b"\xff"])
def test_a_broken_heartbeat_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=Heartbeat)
