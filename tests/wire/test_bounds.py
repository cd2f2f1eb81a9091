"""Every field of every message from a peer has a bound in its type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from mrmesos.api.formats import ParquetInput
from mrmesos.wire.heartbeat import Heartbeat, HeartbeatAnswer
from mrmesos.wire.job import (
    ApiError,
    JobFacts,
    JobReport,
    JobSpec,
    JobStatus,
    ServiceStatus,
    SubmitAnswer,
)
from mrmesos.wire.shuffle import FrameHeader, ShuffleRequest
from mrmesos.wire.task import AttemptProgress, AttemptReport, SlotData
from mrmesos.worker.messages import FromWorker, ToWorker

MESSAGES = (
    ApiError,
    FrameHeader,
    FromWorker,
    Heartbeat,
    HeartbeatAnswer,
    JobFacts,
    JobReport,
    JobSpec,
    JobStatus,
    ServiceStatus,
    ShuffleRequest,
    SlotData,
    SubmitAnswer,
    ToWorker,
)
END = {"attempt_id": "a", "slot_id": "s", "started": 1.0, "ended": 2.0}


def unbounded(kind: inspect.Type, where: str, seen: set[type]) -> Iterator[str]:
    """The fields of a type without a bound."""
    match kind:
        case inspect.IntType(ge=low, le=high):
            if low is None or high is None or low < -(2**63) or high >= 2**63:
                yield where
        case inspect.FloatType():
            if kind.ge is kind.gt or kind.le is kind.lt:
                yield where
        case inspect.StrType(max_length=most, pattern=pattern):
            if most is None and pattern is None:
                yield where
        case inspect.ListType() | inspect.VarTupleType():
            if kind.max_length is None:
                yield where
            yield from unbounded(kind.item_type, f"{where}[]", seen)
        case inspect.TupleType():
            for one in kind.item_types:
                yield from unbounded(one, f"{where}[]", seen)
        case inspect.DictType():
            if kind.max_length is None:
                yield where
            yield from unbounded(kind.key_type, f"{where} keys", seen)
            yield from unbounded(kind.value_type, f"{where}{{}}", seen)
        case inspect.UnionType():
            for one in kind.types:
                yield from unbounded(one, where, seen)
        case inspect.StructType():
            if kind.cls in seen:
                return
            seen.add(kind.cls)
            for field in kind.fields:
                yield from unbounded(field.type, f"{kind.cls.__name__}.{field.name}", seen)
        case inspect.BytesType():
            if kind.max_length is None:
                yield where
        case inspect.BoolType() | inspect.NoneType() | inspect.EnumType() | inspect.LiteralType():
            return
        case _:
            yield f"{where}: {kind}"


def test_every_field_of_every_message_has_a_bound() -> None:
    seen: set[type] = set()
    found = [
        place for message in MESSAGES for place in unbounded(inspect.type_info(message), "", seen)
    ]
    assert not found


@pytest.mark.parametrize("number", [2**63, 2**64, 2**70, -(2**63) - 1])
def test_counters_have_64_bits(number: int) -> None:
    progress = {"attempt_id": "a", "progress": 0.5, "counters": {"g": {"n": number}}}
    with pytest.raises(msgspec.ValidationError, match="counters"):
        msgspec.json.decode(msgspec.json.encode(progress), type=AttemptProgress)


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "KILLED"])
def test_an_end_is_reported(end: str) -> None:
    body = msgspec.json.encode({**END, "state": end})
    assert msgspec.json.decode(body, type=AttemptReport).state == end


def test_the_report_of_an_end_cannot_say_that_it_runs() -> None:
    with pytest.raises(msgspec.ValidationError, match="RUNNING"):
        msgspec.json.decode(msgspec.json.encode({**END, "state": "RUNNING"}), type=AttemptReport)


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\udc00x"', b'"\xed\xa0\x80"'])
def test_text_is_unicode(text: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(b'{"error": ' + text + b"}", type=ApiError)


@pytest.mark.parametrize("number", [b"1e999", b"NaN", b"Infinity", b"-1e400", b"9" * 400])
def test_numbers_are_finite(number: bytes) -> None:
    body = b'{"attempt_id": "a", "progress": ' + number + b"}"
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=AttemptProgress)


@pytest.mark.parametrize("code", ["", "0" * 63, "0" * 65, "0" * 64 + "\n", "A" * 64, "é" * 64])
def test_code_is_a_sha256(code: str) -> None:
    spec: dict[str, Any] = {
        "name": "n",
        "user": "u",
        "inputs": ["file:///a"],
        "output": "file:///b",
        "input_format": {"type": "text"},
        "output_format": {"type": "text"},
        "num_reducers": 0,
        "conf": {},
    }
    assert msgspec.convert({**spec, "code": "0" * 64}, JobSpec).code == "0" * 64
    with pytest.raises(msgspec.ValidationError, match="code"):
        msgspec.convert({**spec, "code": code}, JobSpec)


def test_a_filter_compares_with_what_a_journal_can_keep() -> None:
    made = ParquetInput(filters=(("a", "in", ("x", 1, 2.5)), ("b", "==", True), ("c", "<", None)))
    back = msgspec.json.decode(msgspec.json.encode(made), type=ParquetInput)
    assert msgspec.json.encode(back) == msgspec.json.encode(made)
    assert [type(back.filters[0][2][1]), back.filters[0][2][2]] == [int, 2.5]  # type: ignore[index]
    for wrong in (2**70, -(2**70), [2**64], [[1]], {"a": 1}):
        body = msgspec.json.encode({"type": "parquet", "filters": [["a", "==", wrong]]})
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(body, type=ParquetInput)
