"""Maintenance schedules, unavailability, and inverse offers (`src/master/maintenance.cpp`).

Machines only drain and come up again by schedule: `/machine/down` is not implemented.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Int64, Name
from mrmesos.minimesos.master.allocator import DEFAULT_REFUSE_SECONDS, MAX_REFUSE_SECONDS
from mrmesos.minimesos.model.records import AgentRecord, Framework
from mrmesos.minimesos.model.resources import Json

if TYPE_CHECKING:
    from mrmesos.minimesos.master.master import Master

MAX_MACHINES = 100_000


class BadSchedule(ValueError):
    """A refused schedule; the text is Mesos' own."""


class MachineId(msgspec.Struct, frozen=True):
    """v1 MachineID. Comparisons ignore the case of host names."""

    hostname: Name = ""
    ip: Name = ""


class Nanoseconds(msgspec.Struct):
    """v1 TimeInfo and DurationInfo."""

    nanoseconds: Int64


class Unavailability(msgspec.Struct):
    """v1 Unavailability."""

    start: Nanoseconds
    duration: Nanoseconds | None = None


class Window(msgspec.Struct):
    """v1 maintenance Window."""

    unavailability: Unavailability
    machine_ids: Annotated[list[MachineId], msgspec.Meta(max_length=LIST_MAX)] = []


class Schedule(msgspec.Struct):
    """v1 maintenance Schedule."""

    windows: Annotated[list[Window], msgspec.Meta(max_length=LIST_MAX)] = []


@dataclass(slots=True)
class InverseOffer:
    """An inverse offer that its framework has not answered."""

    id: str
    framework_id: str
    agent_id: str


@dataclass(slots=True)
class Maintenance:
    """The schedule, the open inverse offers, and the answers of frameworks."""

    machines: dict[MachineId, Json] = field(default_factory=dict)  # unavailability
    schedule: Schedule = field(default_factory=Schedule)
    outstanding: dict[str, InverseOffer] = field(default_factory=dict)
    answers: dict[tuple[str, str], Json] = field(default_factory=dict)  # by agent and framework
    filters: dict[tuple[str, str], float] = field(
        default_factory=dict
    )  # … time when the filter ends
    count: int = 0


def unavailability(master: Master, agent: AgentRecord) -> Json | None:
    """The scheduled unavailability of the agent's machine."""
    return master.maintenance.machines.get(_machine(agent))


def _machine(agent: AgentRecord) -> MachineId:
    return MachineId(agent.hostname.lower(), agent.ip)


def post(master: Master, body: Json) -> None:
    """Replace the schedule and make new offers for the changed agents. Raises BadSchedule."""
    try:
        schedule = msgspec.convert(body, Schedule)
    except msgspec.ValidationError as error:
        raise BadSchedule(str(error)) from None
    machines = _machines(schedule)
    maintenance = master.maintenance
    before, maintenance.machines, maintenance.schedule = maintenance.machines, machines, schedule
    for agent in master.agents.values():
        machine = _machine(agent)
        if before.get(machine) != machines.get(machine):
            _changed(master, agent)
    master.offer()


def _machines(schedule: Schedule) -> dict[MachineId, Json]:
    machines: dict[MachineId, Json] = {}
    for window in schedule.windows:
        if not window.machine_ids:
            raise BadSchedule("List of machines in the maintenance window is empty")
        away = window.unavailability
        if away.duration is not None and away.duration.nanoseconds < 0:
            raise BadSchedule("Unavailability 'duration' is negative")
        for one in window.machine_ids:
            if not one.hostname and not one.ip:
                raise BadSchedule("Both 'hostname' and 'ip' for a machine are empty")
            if one.ip:
                try:
                    ipaddress.IPv4Address(one.ip)
                except ValueError:
                    raise BadSchedule(f"Failed to parse IP '{one.ip}'") from None
            machine = MachineId(one.hostname.lower(), one.ip)
            if machine in machines:
                shown = msgspec.json.encode(one).decode()
                raise BadSchedule(f"Machine '{shown}' appears more than once in the schedule")
            machines[machine] = _plain(away)
    if len(machines) > MAX_MACHINES:
        raise BadSchedule(f"More than {MAX_MACHINES} machines")
    return machines


def _plain(value: object) -> Json:
    """Convert to JSON values without the fields that are not set."""
    built = msgspec.to_builtins(value)
    return {name: one for name, one in built.items() if one is not None}


def _changed(master: Master, agent: AgentRecord) -> None:
    """Rescind all offers and drop all answers of an agent, as `Master::updateUnavailability`."""
    master.rescind_of(agent.id)
    maintenance = master.maintenance
    for inverse in [o for o in maintenance.outstanding.values() if o.agent_id == agent.id]:
        _rescind(master, inverse)
    for table in (maintenance.filters, maintenance.answers):
        for key in [key for key in table if key[0] == agent.id]:
            del table[key]


def _rescind(master: Master, inverse: InverseOffer) -> None:
    del master.maintenance.outstanding[inverse.id]
    if (framework := master.frameworks.get(inverse.framework_id)) is not None:
        what = {"inverse_offer_id": {"value": inverse.id}}
        framework.send({"type": "RESCIND_INVERSE_OFFER", "rescind_inverse_offer": what})


def forget(master: Master, *, agent_id: str = "", framework_id: str = "") -> None:
    """Withdraw the open inverse offers of an agent or a framework that is away."""
    for inverse in list(master.maintenance.outstanding.values()):
        if agent_id == inverse.agent_id:
            _rescind(master, inverse)
        elif framework_id == inverse.framework_id:
            del master.maintenance.outstanding[inverse.id]


def ask(master: Master) -> None:
    """Send inverse offers to frameworks that use, or are offered, draining agents."""
    if not master.maintenance.machines:
        return
    asked: dict[str, list[Json]] = {}
    for agent in master.agents.values():
        away = unavailability(master, agent)
        if away is None:
            continue
        for framework in _concerned(master, agent):
            asked.setdefault(framework.id, []).append(_ask(master, framework, agent, away))
    for framework_id, offers in asked.items():
        event = {"type": "INVERSE_OFFERS", "inverse_offers": {"inverse_offers": offers}}
        master.frameworks[framework_id].send(event)


def _concerned(master: Master, agent: AgentRecord) -> list[Framework]:
    """The frameworks with anything there that have no open inverse offer and no filter."""
    maintenance, now = master.maintenance, master.clock.now()
    holders = {offer.framework_id for offer in master.offers.values() if offer.agent_id == agent.id}
    holders |= {framework_id for framework_id, _ in agent.executors}
    holders |= {
        framework.id
        for framework in master.frameworks.values()
        if any(t.agent_id == agent.id and not t.terminal for t in framework.tasks.values())
    }
    asked = {o.framework_id for o in maintenance.outstanding.values() if o.agent_id == agent.id}
    return [
        framework
        for framework in master.frameworks.values()
        if framework.id in holders - asked
        and framework.stream is not None
        and maintenance.filters.get((agent.id, framework.id), now) <= now
    ]


def _ask(master: Master, framework: Framework, agent: AgentRecord, away: Json) -> Json:
    maintenance = master.maintenance
    inverse = InverseOffer(f"{master.id}-I{maintenance.count}", framework.id, agent.id)
    maintenance.count += 1
    maintenance.outstanding[inverse.id] = inverse
    where = {"hostname": agent.hostname, "ip": agent.ip, "port": agent.port}
    return {
        "id": {"value": inverse.id},
        "url": {"scheme": "http", "address": where, "path": "/slave(1)"},
        "framework_id": {"value": framework.id},
        "agent_id": {"value": agent.id},
        "unavailability": away,
    }


def answered(master: Master, framework: Framework, status: str, body: Json) -> None:
    """Record ACCEPT_INVERSE_OFFERS or DECLINE_INVERSE_OFFERS; `status` is ACCEPT or DECLINE."""
    maintenance, now = master.maintenance, master.clock.now()
    filters = body.get("filters") or {}
    refuse = float(filters.get("refuse_seconds", DEFAULT_REFUSE_SECONDS))
    refuse = min(refuse if refuse >= 0 else DEFAULT_REFUSE_SECONDS, MAX_REFUSE_SECONDS)
    for one in body.get("inverse_offer_ids", []):
        inverse = maintenance.outstanding.get(one["value"])
        if inverse is None or inverse.framework_id != framework.id:
            continue
        del maintenance.outstanding[inverse.id]
        key = (inverse.agent_id, framework.id)
        maintenance.filters[key] = now + refuse
        maintenance.answers[key] = {
            "status": status,
            "framework_id": {"value": framework.id},
            "timestamp": {"nanoseconds": round(now * 1e9)},
        }


def schedule_json(master: Master) -> Json:
    """The answer of `/maintenance/schedule`."""
    windows = master.maintenance.schedule.windows
    return {
        "windows": [
            {
                "machine_ids": [msgspec.to_builtins(one) for one in window.machine_ids],
                "unavailability": _plain(window.unavailability),
            }
            for window in windows
        ]
    }


def status_json(master: Master) -> Json:
    """The answer of `/maintenance/status`: v1 maintenance ClusterStatus."""
    by_machine: dict[MachineId, list[Json]] = {}
    for agent in master.agents.values():
        machine = _machine(agent)
        answers = master.maintenance.answers
        by_machine.setdefault(machine, []).extend(
            answer for (agent_id, _), answer in answers.items() if agent_id == agent.id
        )
    return {
        "draining_machines": [
            {"id": msgspec.to_builtins(machine), "statuses": by_machine.get(machine, [])}
            for machine in master.maintenance.machines
        ]
    }
