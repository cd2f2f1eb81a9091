"""Pools: the share of the cluster that a group of jobs gets. The JobTracker's operator sets it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

PRIORITIES = ("VERY_HIGH", "HIGH", "NORMAL", "LOW", "VERY_LOW")
"""Hadoop's JobPriority. Jobs of the first one go first."""


class PoolShare(msgspec.Struct, frozen=True):
    """`weight` is in thousandths. `least` is the minimum share in thousandths of a CPU, counted as
    in job_order.py.
    """

    weight: int = 1000
    least: int = 0


def parse_pools(text: str) -> dict[str, PoolShare]:
    """The shares in `"etl:weight=2,min=4;adhoc:weight=1"`, by pool name. Raises ValueError for any
    other form.
    """
    pools: dict[str, PoolShare] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, _, rest = (side.strip() for side in part.partition(":"))
        values = {}
        for word in filter(None, (one.strip() for one in rest.split(","))):
            key, equals, number = (side.strip() for side in word.partition("="))
            if not equals or key in values:
                raise ValueError(f"{word!r} in {part!r}: expected weight=2 or min=4, each once")
            values[key] = number
        if not name or name in pools:
            raise ValueError(f"{part!r}: expected a pool's name, each once")
        pools[name] = pool_share(name, values)
    return pools


def pool_share(name: str, values: Mapping[str, object]) -> PoolShare:
    """A pool's share from its `weight` and `min`. Raises ValueError."""
    if unknown := set(values) - {"weight", "min"}:
        raise ValueError(f"pool {name}: {min(unknown)!r} is neither weight nor min")
    try:
        weight = round(float(str(values.get("weight", 1))) * 1000)
        least = round(float(str(values.get("min", 0))) * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"pool {name}: weight and min are numbers") from None
    if not 0 < weight < 10**9 or not 0 <= least < 10**12:
        raise ValueError(f"pool {name}: a weight is at least 0.001, a min not negative")
    return PoolShare(weight, least)


def pools_text(pools: Mapping[str, PoolShare]) -> str:
    """The text that `parse_pools` reads back."""
    return ";".join(
        f"{name}:weight={share.weight / 1000:g},min={share.least / 1000:g}"
        for name, share in pools.items()
    )
