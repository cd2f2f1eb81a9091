"""The arithmetic of Mesos resources: amounts by name, in whole thousandths.

Mesos computes scalars in thousandths: sums and comparisons of `Value::Scalar` use a fixed-point
long (see its document "Mesos attributes and resources"), so 0.1 + 0.2 is 0.3 there. Integers of
thousandths give the same results and are fast. Besides `cpus`, `mem` and `disk` (both in MiB) and
`gpus`, an operator may define any name, such as `db_connections`. The amount of a range, such as
`ports`, is the number of its values. A single value is never cut.

Everything here is pure. Functions never change the Resource objects they get, and results may share
them. Treat both as read-only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Amounts = Mapping[str, int]
"""Thousandths by resource name."""

Resource = Mapping[str, Any]
"""A Resource object in Mesos' JSON form."""


class NotEnough(ValueError):
    """There are not enough resources for the request."""


def milli(value: float) -> int:
    """A scalar in thousandths, with halves rounded up, as in Mesos.

    Raises ValueError for negative values and NaN.
    """
    if not 0.0 <= value < 1e15:
        raise ValueError(f"not an amount of a resource: {value!r}")
    return int(value * 1000 + 0.5)


def parse_scalars(text: str) -> dict[str, int]:
    """Parse Mesos' notation, `"cpus:1;db_connections:2"`, to thousandths.

    Raises ValueError if a name is missing or appears twice, or an amount is missing.
    """
    amounts: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, _, number = (side.strip() for side in part.rpartition(":"))
        if not name or name in amounts:
            raise ValueError(f"{text!r}: expected resources such as db_connections:2, each once")
        try:
            amounts[name] = milli(float(number))
        except ValueError:
            raise ValueError(f"{text!r}: {number!r} is not an amount of {name}") from None
    return amounts


def total(resources: Iterable[Resource]) -> dict[str, int]:
    """The amounts that `take` can take from these, summed over roles and reservations."""
    sums: dict[str, int] = {}
    for resource in resources:
        if (amount := _amount(resource)) is not None:
            name = resource["name"]
            sums[name] = sums.get(name, 0) + amount
    return sums


def take(
    offered: Sequence[Resource], need: Amounts
) -> tuple[tuple[Resource, ...], tuple[Resource, ...]]:
    """Take `need` out of the Resource objects of one agent's offers: (taken, rest).

    Taken and rest together are exactly the offered resources. Raises NotEnough.
    """
    pool = Pool(offered)
    return pool.take(need), pool.rest()


class Pool:
    """The Resource objects of one agent's offers, for many calls of `take`.

    `free` holds the amounts that can still be taken. `take` uses reserved objects first, because no
    other framework can use them, and the most refined reservation before others. Otherwise it keeps
    the offer's order. Taken objects keep all fields except the amount (role, reservations,
    allocation_info, …), because a master checks them.
    """

    __slots__ = ("_left", "_offered", "_places", "free")

    def __init__(self, offered: Sequence[Resource]) -> None:
        free: dict[str, int] = {}
        left: dict[int, int] = {}
        places: dict[str, list[int]] = {}
        for place in _reserved_first(offered):
            resource = offered[place]
            if (amount := _amount(resource)) is not None:
                name = resource["name"]
                left[place] = amount
                if name in free:
                    free[name] += amount
                    places[name].append(place)
                else:
                    free[name] = amount
                    places[name] = [place]
        self.free = free
        self._offered = offered
        self._left = left  # amount by index in `offered`, if `take` may cut it
        self._places = places  # indexes by name, in the order of `take`

    def take(self, need: Amounts) -> tuple[Resource, ...]:
        """Take `need` out. Raises NotEnough; then it has taken nothing."""
        free = self.free
        for name, amount in need.items():
            if amount > free.get(name, 0):
                missing = {n: more / 1000 for n, more in need.items() if more > free.get(n, 0)}
                raise NotEnough(f"the offer lacks {missing}")
        taken: list[Resource] = []
        for name, amount in need.items():
            for place in self._places[name] if amount else ():
                resource, left = self._offered[place], self._left[place]
                cut = amount if amount < left else left
                if "ranges" in resource:
                    cut = -(-cut // 1000) * 1000
                if cut:
                    taken.append(_cut(resource, left, cut))
                    self._left[place] = left - cut
                    free[name] -= cut
                    amount -= cut
                    if amount <= 0:
                        break
        return tuple(taken)

    def rest(self) -> tuple[Resource, ...]:
        """The remaining resources. Objects that were not cut are returned unchanged."""
        rest: list[Resource] = []
        for place, resource in enumerate(self._offered):
            left = self._left.get(place)
            if left is None or left == _amount(resource):
                rest.append(resource)
            elif left:
                rest.append(_cut(resource, left, left))
        return tuple(rest)


def ports_in(resources: Iterable[Resource]) -> tuple[int, ...]:
    """The port numbers among these resources, in order."""
    return tuple(
        port
        for resource in resources
        if resource["name"] == "ports" and "ranges" in resource
        for begin, end in _ranges(resource)
        for port in range(begin, end + 1)
    )


def describe(amounts: Amounts) -> str:
    """`2 CPUs, 1 GiB of memory` and further resources, for people."""
    return ", ".join(_words(name, amount) for name, amount in sorted(amounts.items())) or "none"


def _words(name: str, amount: int) -> str:
    number = f"{amount / 1000:,.12g}"
    match name:
        case "cpus" | "gpus":
            return f"{number} {name[:-1].upper()}{'s' if amount != 1000 else ''}"
        case "mem" | "disk":
            return f"{mebibytes(amount / 1000)} of {'memory' if name == 'mem' else 'disk'}"
        case _:
            return f"{number} {name}"


def mebibytes(number: float) -> str:
    """`512 MiB`, `1.5 GiB`. Never rounded: 1025 MiB stay `1,025 MiB`, because a reader compares
    what a task needs with what there is.
    """
    unit = "MiB"
    for larger in ("GiB", "TiB"):
        if number < 1024 or (number * 10) % 1024:
            break
        number, unit = number / 1024, larger
    return f"{number:,.12g} {unit}"


def _amount(resource: Resource) -> int | None:
    """The amount of this resource that tasks may use in parts; None if they may not.

    None for volumes and special disks (field `disk`: only usable as a whole, and not sandbox
    space), resources of a provider, shared resources (always volumes), revocable ones, and sets.
    """
    if (
        "disk" in resource
        or "provider_id" in resource
        or "shared" in resource
        or "revocable" in resource
    ):
        return None
    if "scalar" in resource:
        return milli(resource["scalar"]["value"])
    if "ranges" in resource:
        return 1000 * sum(end - begin + 1 for begin, end in _ranges(resource))
    return None


def _ranges(resource: Resource) -> list[tuple[int, int]]:
    ranges = resource["ranges"].get("range", ())
    return [(int(one["begin"]), int(one["end"])) for one in ranges]


def _reserved_first(offered: Sequence[Resource]) -> Sequence[int]:
    """Indexes in `offered`, most refined reservation first.

    A reservation is a list `reservations` (since Mesos 1.4), where each entry refines the one
    before, or a `role`.
    """

    for one in offered:
        if "reservations" in one or one.get("role", "*") != "*":
            break
    else:
        return range(len(offered))

    def depth(resource: Resource) -> int:
        refined = len(resource.get("reservations") or ())
        return refined or int(resource.get("role", "*") != "*")

    depths = [depth(resource) for resource in offered]
    return sorted(range(len(offered)), key=lambda place: -depths[place])


def _cut(resource: Resource, left: int, amount: int) -> Resource:
    """Cut `amount` from the `left` part of a resource. That part is the end of its ranges."""
    if "scalar" in resource:
        return {**resource, "scalar": {"value": amount / 1000}}
    skip = sum(end - begin + 1 for begin, end in _ranges(resource)) - left // 1000
    count, pieces = amount // 1000, []
    for begin, end in _ranges(resource):
        here = end - begin + 1
        first = begin + min(skip, here)
        last = min(end, first + count - 1)
        skip -= min(skip, here)
        if first <= last:
            pieces.append({"begin": first, "end": last})
            count -= last - first + 1
    return {**resource, "ranges": {"range": pieces}}
