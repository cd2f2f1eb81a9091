"""The fields that we read of Mesos' v1 scheduler and executor events, with their bounds.

A driver checks every event against these types. So callbacks find the fields that they read, with
the expected types. Other fields are not checked. `mesos.proto` allows more bits for some integers
(uint64), but no master that we have seen uses them.
"""

# ruff: noqa: D101 (the structs are Mesos' own messages under their own names)
from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Finite, Int64, Name, Text
from mrmesos.mesos.callbacks import Json

Amount = Annotated[float, msgspec.Meta(ge=0.0, lt=1e15)]
"""Resource amounts that fit in thousandths (`mrmesos.resources`)."""
Names = Annotated[list[Name], msgspec.Meta(max_length=100_000)]


class Id(msgspec.Struct, frozen=True):
    value: Name


class Scalar(msgspec.Struct, frozen=True):
    value: Amount


class Number(msgspec.Struct, frozen=True):
    value: Finite


class Words(msgspec.Struct, frozen=True):
    value: Text


class Range(msgspec.Struct, frozen=True):
    begin: Count
    end: Count

    def __post_init__(self) -> None:
        if self.end < self.begin:
            raise ValueError(f"a range from {self.begin} to {self.end}")


class Ranges(msgspec.Struct, frozen=True):
    range: Annotated[list[Range], msgspec.Meta(max_length=100_000)] = []


class Items(msgspec.Struct, frozen=True):
    item: Names = []


class Role(msgspec.Struct, frozen=True):
    role: Name = "*"


class Resource(msgspec.Struct, frozen=True):
    name: Name
    scalar: Scalar | msgspec.UnsetType = msgspec.UNSET
    ranges: Ranges | msgspec.UnsetType = msgspec.UNSET
    role: Name = "*"
    reservations: Annotated[list[Role], msgspec.Meta(max_length=1_000)] = []


Resources = Annotated[list[Resource], msgspec.Meta(max_length=10_000)]


class Attribute(msgspec.Struct, frozen=True):
    name: Name
    text: Words | msgspec.UnsetType = msgspec.UNSET
    scalar: Number | msgspec.UnsetType = msgspec.UNSET
    ranges: Ranges | msgspec.UnsetType = msgspec.UNSET
    set: Items = Items()


class Where(msgspec.Struct, frozen=True):
    ip: Name = ""
    hostname: Name = ""


class Url(msgspec.Struct, frozen=True):
    address: Where = Where()


class Zone(msgspec.Struct, frozen=True):
    name: Name = ""


class FaultDomain(msgspec.Struct, frozen=True):
    region: Zone = Zone()
    zone: Zone = Zone()


class Domain(msgspec.Struct, frozen=True):
    fault_domain: FaultDomain = FaultDomain()


class Nanoseconds(msgspec.Struct, frozen=True):
    nanoseconds: Int64


class UnavailabilityMessage(msgspec.Struct, frozen=True):
    start: Nanoseconds
    duration: Nanoseconds | msgspec.UnsetType = msgspec.UNSET


class OfferMessage(msgspec.Struct, frozen=True):
    id: Id
    agent_id: Id
    hostname: Name = ""
    url: Url = Url()
    resources: Resources = []
    attributes: Annotated[list[Attribute], msgspec.Meta(max_length=10_000)] = []
    executor_ids: Annotated[list[Id], msgspec.Meta(max_length=100_000)] = []
    allocation_info: Role = Role()
    unavailability: UnavailabilityMessage | msgspec.UnsetType = msgspec.UNSET
    domain: Domain = Domain()


class InverseOfferMessage(msgspec.Struct, frozen=True):
    id: Id
    agent_id: Id | msgspec.UnsetType = msgspec.UNSET
    unavailability: UnavailabilityMessage | msgspec.UnsetType = msgspec.UNSET


class OfferId(msgspec.Struct, frozen=True):
    id: Id


class Offers(msgspec.Struct, frozen=True):
    offers: Annotated[list[OfferMessage], msgspec.Meta(max_length=LIST_MAX)] = []


class InverseOffers(msgspec.Struct, frozen=True):
    inverse_offers: Annotated[list[InverseOfferMessage], msgspec.Meta(max_length=LIST_MAX)] = []


class Rescind(msgspec.Struct, frozen=True):
    offer_id: Id


class RescindInverseOffer(msgspec.Struct, frozen=True):
    inverse_offer_id: Id


class Status(msgspec.Struct, frozen=True):
    task_id: Id
    state: Name
    agent_id: Id | msgspec.UnsetType = msgspec.UNSET
    reason: Name = ""
    message: Text = ""
    source: Name = ""
    uuid: Name = ""


class Update(msgspec.Struct, frozen=True):
    status: Status


class FailureMessage(msgspec.Struct, frozen=True):
    agent_id: Id
    executor_id: Id | msgspec.UnsetType = msgspec.UNSET
    status: Int64 | None = None


class Base64(msgspec.Struct, frozen=True):
    data: Text

    def __post_init__(self) -> None:
        try:
            base64.b64decode(self.data, validate=True)
        except binascii.Error as problem:
            raise ValueError(f"data is not base64: {problem}") from None


class Message(Base64, frozen=True, kw_only=True):
    agent_id: Id
    executor_id: Id


class MasterInfo(msgspec.Struct, frozen=True):
    hostname: Name = "?"
    port: Count = 0


class Subscribed(msgspec.Struct, frozen=True):
    framework_id: Id
    heartbeat_interval_seconds: Annotated[float, msgspec.Meta(gt=0.0, le=1e12)] = 15.0
    master_info: MasterInfo = MasterInfo()


class Error(msgspec.Struct, frozen=True):
    message: Text = ""


class Info(msgspec.Struct, frozen=True):
    id: Id = Id("")
    executor_id: Id = Id("")
    hostname: Name = ""


class ExecutorSubscribed(msgspec.Struct, frozen=True):
    executor_info: Info
    framework_info: Info
    agent_info: Info


class Task(msgspec.Struct, frozen=True):
    task_id: Id
    resources: Resources = []
    data: Annotated[str, msgspec.Meta(max_length=64 << 20)] = ""


class Launch(msgspec.Struct, frozen=True):
    task: Task


class TaskGroup(msgspec.Struct, frozen=True):
    tasks: Annotated[list[Task], msgspec.Meta(max_length=10_000)]


class LaunchGroup(msgspec.Struct, frozen=True):
    task_group: TaskGroup


class Kill(msgspec.Struct, frozen=True):
    task_id: Id


class AcknowledgedMessage(msgspec.Struct, frozen=True):
    task_id: Id
    uuid: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{22}==\Z")]


SCHEDULER: Mapping[str, Any] = {
    "SUBSCRIBED": Subscribed,
    "OFFERS": Offers,
    "INVERSE_OFFERS": InverseOffers,
    "RESCIND": Rescind,
    "RESCIND_INVERSE_OFFER": RescindInverseOffer,
    "UPDATE": Update,
    "MESSAGE": Message,
    "FAILURE": FailureMessage,
    "ERROR": Error,
    "HEARTBEAT": None,
}
"""The content of each event type. Other types are ignored, because newer Mesos may send them."""
EXECUTOR: Mapping[str, Any] = {
    "SUBSCRIBED": ExecutorSubscribed,
    "LAUNCH": Launch,
    "LAUNCH_GROUP": LaunchGroup,
    "KILL": Kill,
    "ACKNOWLEDGED": AcknowledgedMessage,
    "MESSAGE": Base64,
    "ERROR": Error,
    "SHUTDOWN": None,
    "HEARTBEAT": None,
}
_LISTS = {
    "OFFERS": ("offers", OfferMessage),
    "INVERSE_OFFERS": ("inverse_offers", InverseOfferMessage),
}


class BadEvent(ValueError):
    """The event is invalid. The message says why."""


def read_event(record: bytes | bytearray) -> Any:
    """Decode the JSON of a record. Invalid Unicode becomes replacement characters.

    An executor's message may be cut anywhere, and Mesos passes it on unchanged. Raises BadEvent.
    """
    try:
        return msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value = json.loads(record.decode("utf-8", "replace"))
        again = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        return msgspec.json.decode(again)
    except (ValueError, msgspec.DecodeError, RecursionError) as problem:
        raise BadEvent(f"it is not JSON: {problem}") from None


def check_event(event: Any, known: Mapping[str, Any]) -> bool:
    """Whether the type of an event is known. Raises BadEvent if the event is invalid."""
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str):
        raise BadEvent("it has no type")
    if kind not in known:
        return False
    shape = known[kind]
    if shape is not None:
        try:
            msgspec.convert(event.get(kind.lower()), shape)
        except (msgspec.ValidationError, RecursionError) as problem:
            raise BadEvent(str(problem)) from None
    return True


def without_bad(event: Json, refuse: Callable[[object, str, str], None]) -> None:
    """Remove invalid offers from an event of offers, so that the others can be answered.

    `refuse` gets each invalid offer, its id (empty if unreadable), and the problem. Raises BadEvent
    if the event has no list of offers.
    """
    kind = event["type"]
    name, shape = _LISTS.get(kind, ("", None))
    body = event.get(kind.lower())
    offers = body.get(name) if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(offers, list):
        raise BadEvent(f"{kind} without any")
    good = []
    for offer in offers:
        try:
            msgspec.convert(offer, shape)
        except (msgspec.ValidationError, RecursionError) as problem:
            refuse(offer, _id_of(offer), str(problem))
        else:
            good.append(offer)
    body[name] = good


def _id_of(offer: object) -> str:
    try:
        return msgspec.convert(offer, OfferId).id.value
    except msgspec.ValidationError:
        return ""
