"""Invalid events of Mesos are refused one by one. The events of a real master are accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

import tests.minimesos
from mrmesos.mesos import events
from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.events import EXECUTOR, SCHEDULER, BadEvent, check_event, read_event
from tests.mesos.recorder import Recorder, Start, make
from tests.mesos.scripted import Server, wait_for
from tests.wire.test_bounds import unbounded

TRACES = sorted((Path(tests.minimesos.__path__[0]) / "traces").glob("*.jsonl"))
OFFER = {"id": {"value": "o1"}, "agent_id": {"value": "a1"}, "hostname": "h", "resources": []}
STATUS = {"task_id": {"value": "t"}, "state": "TASK_RUNNING"}


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_what_a_real_master_says_passes(trace: Path) -> None:
    checked = 0
    for line in trace.read_text().splitlines():
        entry = json.loads(line)
        if entry.get("dir") == "event" and isinstance(entry.get("body"), dict):
            known = EXECUTOR if "executor" in entry else SCHEDULER
            record = json.dumps(entry["body"]).encode()
            assert read_event(record) == entry["body"]
            assert check_event(entry["body"], known)
            checked += 1
    assert checked > 5


def test_every_field_has_a_bound() -> None:
    seen: set[type] = set()
    found = []
    for shape in (*SCHEDULER.values(), *EXECUTOR.values()):
        if shape is not None:
            found += list(unbounded(inspect.type_info(shape), "", seen))
    assert not found


def status(**more: Any) -> Json:
    return {"type": "UPDATE", "update": {"status": {**STATUS, **more}}}


def resource(**more: Any) -> Json:
    one = {"name": "cpus", "type": "SCALAR", **more}
    return {"type": "OFFERS", "offers": {"offers": [{**OFFER, "resources": [one]}]}}


BAD: list[Any] = [
    None,
    [],
    {},
    {"type": 1},
    {"type": "OFFERS"},
    {"type": "OFFERS", "offers": {"offers": [{}]}},
    {"type": "OFFERS", "offers": {"offers": [{**OFFER, "hostname": "h" * 2000}]}},
    {"type": "OFFERS", "offers": {"offers": [{**OFFER, "url": "x"}]}},
    {"type": "OFFERS", "offers": {"offers": [{**OFFER, "attributes": [{"text": {}}]}]}},
    {"type": "OFFERS", "offers": {"offers": [{**OFFER, "executor_ids": [None]}]}},
    {"type": "INVERSE_OFFERS", "inverse_offers": {"inverse_offers": [{"id": 1}]}},
    {
        "type": "OFFERS",
        "offers": {"offers": [{**OFFER, "unavailability": {"start": {"nanoseconds": 2**70}}}]},
    },
    resource(scalar={"value": -1}),
    resource(scalar={"value": 1e15}),
    resource(scalar={"value": "inf"}),
    resource(scalar=None),
    resource(ranges={"range": [{"begin": 0, "end": 2**70}]}),
    resource(ranges={"range": [{"begin": 5, "end": 4}]}),
    {"type": "UPDATE", "update": {"status": {"task_id": {"value": "t"}}}},
    status(message=5),
    status(reason=None),
    status(uuid="u" * 2000),
    {"type": "RESCIND", "rescind": {}},
    {"type": "FAILURE", "failure": {"agent_id": {"value": "a"}, "status": 2**64}},
    {"type": "MESSAGE", "message": {"agent_id": {"value": "a"}, "executor_id": {"value": "e"}}},
    {"type": "SUBSCRIBED", "subscribed": {"framework_id": {}}},
    {
        "type": "SUBSCRIBED",
        "subscribed": {"framework_id": {"value": "f"}, "heartbeat_interval_seconds": 0},
    },
]


@pytest.mark.parametrize("event", BAD, ids=lambda event: str(event)[:60])
def test_bad_events(event: Any) -> None:
    with pytest.raises(BadEvent):
        check_event(event, SCHEDULER)


def test_what_is_not_known_is_ignored() -> None:
    assert not check_event({"type": "OPERATIONS_OF_2030", "x": 1}, SCHEDULER)
    assert not check_event({"type": "close"}, SCHEDULER)


@pytest.mark.parametrize(
    ("record", "read"),
    [
        (b'{"a": "x\xff\xfe"}', {"a": "x\ufffd\ufffd"}),
        (b'{"a": "\xed\xa0\x80"}', {"a": "\ufffd\ufffd\ufffd"}),
        (rb'{"a": "\ud800b"}', {"a": "?b"}),
        (b'{"a": 1}', {"a": 1}),
    ],
)
def test_text_is_mended(record: bytes, read: Any) -> None:
    assert read_event(record) == read


@pytest.mark.parametrize("record", [b"", b"{", b"NaN", b'{"a": 1e999}', b"[" * 100_000])
def test_what_is_no_json_is_refused(record: bytes) -> None:
    with pytest.raises(BadEvent, match="not JSON"):
        read_event(record)


def test_a_stream_goes_on_behind_what_is_refused(server: Server, running: Start) -> None:
    heard = Recorder()
    fatal: list[BaseException] = []
    driver = make(server, heard, on_fatal=fatal.append)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    stream = server.stream()
    bad = [event for event in BAD if "SUBSCRIBED" not in str(event)]
    stream.event(*bad)
    good, wrong = {**OFFER, "id": {"value": "good"}}, {**OFFER, "resources": [{"name": 1}]}
    stream.event({"type": "OFFERS", "offers": {"offers": [wrong, good, {}]}})
    record = b'{"type": "HEARTBEAT", '
    stream.raw(b"%x\r\n%d\n%s\r\n" % (len(record) + 3, len(record), record))
    stream.event({"type": "RESCIND", "rescind": {"offer_id": {"value": "last"}}})
    wait_for(lambda: heard.of("rescinded"))
    assert heard.heard[1:] == [("offers", ["good"]), ("rescinded", "last")]
    assert driver.refused_events >= len(bad)
    assert not fatal
    declined = [call["decline"] for call in server.calls("DECLINE")]
    assert {"offer_ids": [{"value": "o1"}], "filters": {"refuse_seconds": 3600.0}} in declined


def test_the_shapes_take_what_minimesos_makes() -> None:
    assert msgspec.convert(OFFER, events.OfferMessage).hostname == "h"
