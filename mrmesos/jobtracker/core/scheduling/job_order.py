"""Which job goes first: by priority and age, or by fair shares of pools and of jobs within them.

Jobs are bits of integers: a set of jobs is one number, a choice is a few operations on it
however many jobs there are (and, for fair shares, a look at the pools before the chosen one).

What a job has is counted in thousandths of a CPU. An attempt counts as the CPUs that are to its
dominant resource as the cluster's CPUs are to the cluster's: on a cluster with 4 GiB for each CPU,
one of 1 CPU and 8 GiB counts as two. So that is dominant resource fairness (Ghodsi et al.,
NSDI 2011) among pools, in a unit that people can set minimum shares in.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice

from mrmesos.jobtracker.core.model.pools import PoolShare


class Levels:
    """Bits by key: the lowest key goes first, and within it the lowest bit (the oldest job).

    Few keys at a time, so two lists in step: a search of them is quicker than a dict's look-ups.
    """

    __slots__ = ("_keys", "_masks", "all")

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._masks: list[int] = []
        self.all = 0

    def add(self, key: int, bit: int) -> None:
        """A job, not in here, at a key."""
        self.all |= bit
        self._enter(key, bit)

    def discard(self, key: int, bit: int) -> None:
        """A job that was added at this key."""
        self.all ^= bit
        self._leave(key, bit)

    def move(self, old: int, new: int, bit: int) -> None:
        """A job that was added at the old key now has the new one."""
        self._leave(old, bit)
        self._enter(new, bit)

    def _enter(self, key: int, bit: int) -> None:
        place = bisect_left(self._keys, key)
        if place < len(self._keys) and self._keys[place] == key:
            self._masks[place] |= bit
        else:
            self._keys.insert(place, key)
            self._masks.insert(place, bit)

    def _leave(self, key: int, bit: int) -> None:
        place = bisect_left(self._keys, key)
        self._masks[place] ^= bit
        if not self._masks[place]:
            del self._masks[place]
            del self._keys[place]

    def first(self, candidates: int) -> int:
        """The first of `candidates`, one of which at least is in here."""
        for mask in self._masks:
            if here := mask & candidates:
                return here & -here
        raise AssertionError("none of the candidates is in line")

    def before(self, key: int, bit: int) -> int:
        """All that go before a job at a key."""
        place = bisect_left(self._keys, key)
        ahead = self._masks[place] & (bit - 1)
        for mask in islice(self._masks, place):
            ahead |= mask
        return ahead


@dataclass(slots=True, eq=False)
class Rank:
    """What decides of a job's turn. `priority` 0 is the highest, `used` in thousandths of a CPU."""

    bit: int
    priority: int
    pool: str
    used: int = 0


class Fifo:
    """By priority, then in the order of submission."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels = Levels()

    def add(self, rank: Rank) -> None:
        """A job gets in line."""
        self._levels.add(rank.priority, rank.bit)

    def discard(self, rank: Rank) -> None:
        """A job leaves."""
        self._levels.discard(rank.priority, rank.bit)

    def use(self, rank: Rank, used: int) -> None:
        """What a job has changed."""
        rank.used = used

    def first(self, candidates: int) -> int:
        """The first of `candidates`, all in line."""
        return self._levels.first(candidates)

    def before(self, rank: Rank) -> int:
        """All jobs that go before one in line."""
        return self._levels.before(rank.priority, rank.bit)


HALF_A_TASK = 500
"""Of one CPU, added to what a pool uses before pools are compared. By use alone, as in Hadoop,
pools of small weight are rounded up at the cost of a large one, which can stay short of its share
by more than a task. So they are rounded to the nearest, as in Webster's method of apportionment.
"""


@dataclass(slots=True, eq=False)
class PoolInLine:
    """A pool that has jobs, and what they use, in thousandths of a CPU."""

    name: str
    share: PoolShare
    used: int = 0
    jobs: Levels = field(default_factory=Levels)
    at: tuple[int, int, str] = (0, 0, "")
    """The key under which it is in line."""

    @property
    def key(self) -> tuple[int, int, str]:
        """Those below their minimum share first, by how much of it they have; then by weight."""
        if self.used < self.share.least:
            return 0, self.used * 1_000_000 // self.share.least, self.name
        return 1, (self.used + HALF_A_TASK) * 1_000_000 // self.share.weight, self.name


class Fair:
    """By what pools have of their due, then within a pool by what jobs have; the oldest on a tie.

    The order of pools is that of Hadoop's fair scheduler (Zaharia et al., EuroSys 2010). A step in
    priority doubles a job's due within its pool.
    """

    __slots__ = ("_line", "_pools", "_shares")

    def __init__(self, shares: Mapping[str, PoolShare]) -> None:
        self._shares = shares
        self._pools: dict[str, PoolInLine] = {}  # those that have jobs
        self._line: list[tuple[int, int, str]] = []  # their keys

    def add(self, rank: Rank) -> None:
        """A job gets in line."""
        pool = self._pools.get(rank.pool)
        if pool is None:
            share = self._shares.get(rank.pool, PoolShare())
            pool = self._pools[rank.pool] = PoolInLine(rank.pool, share)
        else:
            self._leave(pool)
        pool.jobs.add(rank.used << rank.priority, rank.bit)
        pool.used += rank.used
        self._enter(pool)

    def discard(self, rank: Rank) -> None:
        """A job leaves."""
        pool = self._pools[rank.pool]
        self._leave(pool)
        pool.jobs.discard(rank.used << rank.priority, rank.bit)
        pool.used -= rank.used
        if pool.jobs.all:
            self._enter(pool)
        else:
            del self._pools[rank.pool]

    def use(self, rank: Rank, used: int) -> None:
        """What a job has changed."""
        if used == rank.used:
            return
        pool = self._pools[rank.pool]
        self._leave(pool)
        pool.jobs.move(rank.used << rank.priority, used << rank.priority, rank.bit)
        pool.used += used - rank.used
        rank.used = used
        self._enter(pool)

    def pools(self) -> Collection[PoolInLine]:
        """Those that have jobs."""
        return self._pools.values()

    def _enter(self, pool: PoolInLine) -> None:
        pool.at = pool.key
        insort(self._line, pool.at)

    def _leave(self, pool: PoolInLine) -> None:
        del self._line[bisect_left(self._line, pool.at)]

    def first(self, candidates: int) -> int:
        """The first of `candidates`, all in line."""
        for _, _, name in self._line:
            jobs = self._pools[name].jobs
            if jobs.all & candidates:
                return jobs.first(candidates)
        raise AssertionError("none of the candidates is in line")

    def before(self, rank: Rank) -> int:
        """All jobs that go before one in line."""
        pool = self._pools[rank.pool]
        ahead = pool.jobs.before(rank.used << rank.priority, rank.bit)
        for at in self._line:
            if at >= pool.at:
                break
            ahead |= self._pools[at[2]].jobs.all
        return ahead


Order = Fifo | Fair


def cost(need: Mapping[str, int], cluster: Mapping[str, int]) -> int:
    """What an attempt counts for, in thousandths of a CPU, at least 1. See the module."""
    cpus, most = cluster.get("cpus", 0), max(1, need.get("cpus", 0))
    for name, amount in need.items():
        if (there := cluster.get(name, 0)) and cpus:
            most = max(most, amount * cpus // there)
    return most
