"""Scalars of Mesos resources as whole thousandths by name: what a task needs, what a slot holds.

Mesos itself compares scalars with three decimals, so whole thousandths are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mrmesos.conf import ConfError

Amounts = Mapping[str, int]
"""Thousandths by resource name; `mem` and `disk` in thousandths of a MiB."""

Json = Mapping[str, Any]

LEAST_CPUS = 10  # Mesos' own least share (0.01), below which the agent's cgroups refuse


def milli(value: float) -> int:
    """Thousandths of a value."""
    return round(value * 1000)


def parse_scalars(text: str) -> dict[str, int]:
    """`"db_connections:2;licences:1"` to thousandths. Raises ConfError where it is not that."""
    amounts: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, _, number = part.rpartition(":")
        try:
            amount = milli(float(number))
        except (ValueError, OverflowError):
            amount = -1
        if not name.strip() or amount < 0:
            raise ConfError(f"{text!r}: expected resources such as db_connections:2")
        amounts[name.strip()] = amount
    return amounts


def total(resources: Iterable[Json]) -> dict[str, int]:
    """The scalars that `take` could take, summed over roles and reservations."""
    sums: dict[str, int] = {}
    for resource in resources:
        if _is_plain(resource):
            name = str(resource["name"])
            sums[name] = sums.get(name, 0) + milli(float(resource["scalar"]["value"]))
    return sums


def _is_plain(resource: Json) -> bool:
    """Whether a task may use up a part of it: no range or set, no volume or disk of its own, and
    nothing that is only lent (revocable).
    """
    return "scalar" in resource and not any(
        special in resource for special in ("disk", "provider_id", "shared", "revocable")
    )


def take(pool: list[Json], need: Amounts) -> tuple[tuple[Json, ...], list[Json]]:
    """Split Resource JSON into what covers `need` exactly, and the rest.

    What is reserved for us goes first, so that what everybody may use stays on offer. Raises
    ValueError where the pool does not hold enough.
    """
    missing = dict(need)
    taken: list[Json] = []
    rest: list[Json] = []
    for resource in sorted(pool, key=_is_unreserved):
        name = str(resource["name"])
        wanted = missing.get(name, 0)
        if wanted <= 0 or not _is_plain(resource):
            rest.append(resource)
            continue
        here = milli(float(resource["scalar"]["value"]))
        part = min(here, wanted)
        missing[name] = wanted - part
        taken.append({**resource, "scalar": {"value": part / 1000}})
        if here > part:
            rest.append({**resource, "scalar": {"value": (here - part) / 1000}})
    if any(missing.values()):
        raise ValueError(f"the offer lacks {missing}")
    return tuple(taken), rest


def _is_unreserved(resource: Json) -> bool:
    return not resource.get("reservations") and resource.get("role", "*") == "*"


def describe(amounts: Amounts) -> str:
    """`2 CPUs, 1024 MiB of memory` and further resources, for people."""
    units = {"cpus": "CPUs", "mem": "MiB of memory", "disk": "MiB of disk"}
    return (
        ", ".join(f"{v / 1000:g} {units.get(k, k)}" for k, v in sorted(amounts.items())) or "none"
    )


@dataclass(frozen=True, slots=True)
class Room:
    """Where an attempt could go: a slot's resources, or what is left of an agent's offers.

    `beside` is what a new TaskTracker takes for itself. `carried` is the share of CPUs that the
    attempt need not ask for, as this slot would carry the TaskTracker's own.
    """

    free: Amounts
    beside: Amounts = field(default_factory=dict)
    carried: int = 0

    def asks(self, need: Amounts) -> dict[str, int]:
        """What a slot for `need` is to take."""
        return {**need, "cpus": max(LEAST_CPUS, need.get("cpus", 0) - self.carried)}

    def fits(self, need: Amounts) -> bool:
        """Whether there is room for a slot for `need` and what goes beside it."""
        asks = self.asks(need) if self.carried else need
        free, beside = self.free, self.beside
        return all(free.get(name, 0) >= n + beside.get(name, 0) for name, n in asks.items())
