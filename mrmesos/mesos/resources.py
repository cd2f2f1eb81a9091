"""The arithmetic of Mesos resources: cpus, mem, disk and gpus, in fixed point.

Mesos computes scalars in thousandths (`Value::Scalar` comparisons and sums go through a fixed-point
long, see docs "Mesos attributes and resources"), so 0.1 + 0.2 is 0.3 there; integers of thousandths
say the same and are quick. Units: cpus and gpus in devices, mem and disk in MB.

Everything here is pure. JSON dicts that come in are never changed, and may be shared with those
that go out: treat both as read-only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mrmesos.mesos.callbacks import Json

__all__ = ["NotEnough", "Resources", "take"]

_NAMES = ("cpus", "mem", "disk", "gpus")
_PLENTY = 1 << 62


class NotEnough(ValueError):
    """The resources do not hold what should be taken from them."""


def _milli(value: float) -> int:
    """A scalar as Mesos rounds it: to thousandths, halves up.

    Raises:
        ValueError: negative, or not a number.
    """
    if not 0.0 <= value < 1e15:
        raise ValueError(f"not an amount of a resource: {value!r}")
    return int(value * 1000 + 0.5)


def _amount(milli: int) -> float:
    return milli / 1000


@dataclass(frozen=True, slots=True)
class Resources:
    """Amounts in thousandths, none negative. `Resources.of` and `parse` take plain numbers."""

    cpus: int = 0
    mem: int = 0
    disk: int = 0
    gpus: int = 0

    @classmethod
    def of(
        cls, cpus: float = 0.0, mem: float = 0.0, disk: float = 0.0, gpus: float = 0.0
    ) -> Resources:
        """From plain numbers: `Resources.of(cpus=0.5, mem=256)`.

        Raises:
            ValueError: a negative amount, or none at all (nan, inf).
        """
        return cls(_milli(cpus), _milli(mem), _milli(disk), _milli(gpus))

    @classmethod
    def parse(cls, text: str) -> Resources:
        """From Mesos' notation, "cpus:1;mem:1024".

        Raises:
            ValueError: another name, a name twice, or no number.
        """
        found: dict[str, float] = {}
        for part in filter(None, (piece.strip() for piece in text.split(";"))):
            name, colon, number = (side.strip() for side in part.partition(":"))
            if not colon or name not in _NAMES:
                raise ValueError(f"{part!r}: expected one of {', '.join(_NAMES)}, ':', a number")
            if name in found:
                raise ValueError(f"{name} is given twice in {text!r}")
            try:
                found[name] = float(number)
            except ValueError:
                raise ValueError(f"{part!r}: {number!r} is no number") from None
        return cls.of(**found)

    @classmethod
    def from_offer(cls, offered: Iterable[Json], *, revocable: bool = False) -> Resources:
        """What `take` could take from these Resource objects."""
        total = dict.fromkeys(_NAMES, 0)
        for _, resource in _usable(list(offered), revocable):
            total[resource["name"]] += _milli(resource["scalar"]["value"])
        return cls(**total)

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.cpus + other.cpus,
            self.mem + other.mem,
            self.disk + other.disk,
            self.gpus + other.gpus,
        )

    def __sub__(self, other: Resources) -> Resources:
        """Raises `NotEnough` when `other` is not contained."""
        if not self.contains(other):
            raise NotEnough(f"{self} does not hold {other}")
        return Resources(
            self.cpus - other.cpus,
            self.mem - other.mem,
            self.disk - other.disk,
            self.gpus - other.gpus,
        )

    def __mul__(self, times: int) -> Resources:
        return Resources(self.cpus * times, self.mem * times, self.disk * times, self.gpus * times)

    def __bool__(self) -> bool:
        """Whether there is anything at all."""
        return bool(self.cpus or self.mem or self.disk or self.gpus)

    def contains(self, need: Resources) -> bool:
        """Whether `need` fits."""
        return (
            need.cpus <= self.cpus
            and need.mem <= self.mem
            and need.disk <= self.disk
            and need.gpus <= self.gpus
        )

    def minimum(self, other: Resources) -> Resources:
        """The smaller amount of each."""
        return Resources(
            min(self.cpus, other.cpus),
            min(self.mem, other.mem),
            min(self.disk, other.disk),
            min(self.gpus, other.gpus),
        )

    def saturating_sub(self, other: Resources) -> Resources:
        """What is left, or 0 where `other` is more."""
        return Resources(
            max(0, self.cpus - other.cpus),
            max(0, self.mem - other.mem),
            max(0, self.disk - other.disk),
            max(0, self.gpus - other.gpus),
        )

    def how_many(self, need: Resources) -> int:
        """How many times `need` fits. Of nothing there is no end: ValueError."""
        if not need:
            raise ValueError("nothing fits without end")
        return min(
            self.cpus // need.cpus if need.cpus else _PLENTY,
            self.mem // need.mem if need.mem else _PLENTY,
            self.disk // need.disk if need.disk else _PLENTY,
            self.gpus // need.gpus if need.gpus else _PLENTY,
        )

    def dominant_share(self, total: Resources) -> float:
        """The largest share of `total` that this is of any one resource (DRF); 0 to 1."""
        return max(
            self.cpus / total.cpus if total.cpus else 0.0,
            self.mem / total.mem if total.mem else 0.0,
            self.disk / total.disk if total.disk else 0.0,
            self.gpus / total.gpus if total.gpus else 0.0,
        )

    def as_numbers(self) -> dict[str, float]:
        """Plain numbers by name, those that are not 0."""
        amounts = zip(_NAMES, (self.cpus, self.mem, self.disk, self.gpus), strict=True)
        return {name: _amount(milli) for name, milli in amounts if milli}

    def to_json(self, role: str | None = None) -> list[Json]:
        """Resource objects, not reserved; allocated to `role` if given.

        For a launch use what `take` took: a master wants to see the reservations.
        """
        objects: list[Json] = []
        for name, value in self.as_numbers().items():
            made: Json = {"name": name, "type": "SCALAR", "scalar": {"value": value}}
            if role is not None:
                made["allocation_info"] = {"role": role}
            objects.append(made)
        return objects

    def __str__(self) -> str:
        return ";".join(f"{name}:{value:.12g}" for name, value in self.as_numbers().items())


def _is_plain(resource: Json) -> bool:
    """Whether a piece of this may be used up by a task.

    Not so for volumes and special disks (`disk`: a persistent volume or a mount goes whole or not
    at all, and is no sandbox space), resources of a provider, shared ones (always volumes), ranges
    and sets.
    """
    return (
        resource["name"] in _NAMES
        and "scalar" in resource
        and "disk" not in resource
        and "provider_id" not in resource
        and "shared" not in resource
    )


def _is_reserved(resource: Json) -> bool:
    """In either format: `reservations` (since 1.4), or `role` with or without `reservation`."""
    return bool(resource.get("reservations")) or resource.get("role", "*") != "*"


def _usable(offered: Sequence[Json], revocable: bool) -> list[tuple[int, Json]]:
    """What may be taken, with its places.

    A master refuses a task with both revocable and other cpus (or mem, …), so when revocable ones
    are asked for and there are any of a name, only they are used of it.
    """
    plain = [(place, one) for place, one in enumerate(offered) if _is_plain(one)]
    if not revocable:
        return [found for found in plain if "revocable" not in found[1]]
    lent = {one["name"] for _, one in plain if "revocable" in one}
    return [found for found in plain if ("revocable" in found[1]) == (found[1]["name"] in lent)]


def take(
    offered: Sequence[Json], need: Resources, *, revocable: bool = False
) -> tuple[list[Json], list[Json]]:
    """Take `need` out of the Resource objects of ONE offer: (taken, rest).

    Reserved ones go first, as nobody else can use them; otherwise the offer's order holds. All but
    the amount (role, reservations, allocation_info, …) is as it was offered, which is what a master
    checks. Revocable resources are used only on demand. What is not usable is in `rest`, and taken
    and rest together are exactly what was offered. Amounts that are whole keep the very object.

    Raises:
        NotEnough: `need` is not there.
    """
    wanted = {
        name: milli
        for name, milli in zip(_NAMES, (need.cpus, need.mem, need.disk, need.gpus), strict=True)
        if milli
    }
    if not wanted:
        return [], list(offered)
    usable = _usable(offered, revocable)
    if len(usable) > len(wanted):
        usable.sort(key=lambda found: not _is_reserved(found[1]))  # stable: else as offered
    cuts: dict[int, int] = {}
    for place, resource in usable:
        left = wanted.get(resource["name"], 0)
        if left:
            part = min(left, _milli(resource["scalar"]["value"]))
            if part:
                cuts[place] = part
                wanted[resource["name"]] = left - part
    if any(wanted.values()):
        missing = Resources(**{name: milli for name, milli in wanted.items() if milli})
        raise NotEnough(f"{need} cannot be taken: {missing} is missing")
    taken: list[Json] = []
    rest: list[Json] = []
    for place, resource in enumerate(offered):
        cut = cuts.get(place, 0)
        if not cut:
            rest.append(resource)
            continue
        whole = _milli(resource["scalar"]["value"])
        if cut == whole:
            taken.append(resource)
        else:
            taken.append(_with_amount(resource, cut))
            rest.append(_with_amount(resource, whole - cut))
    return taken, rest


def _with_amount(resource: Json, milli: int) -> dict[str, Any]:
    return {**resource, "scalar": {"value": _amount(milli)}}
