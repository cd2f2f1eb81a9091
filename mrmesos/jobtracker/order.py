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

from mrmesos.jobtracker.pools import PoolShare


class Levels:
    """Bits by key: the lowest key goes first, and within it the lowest bit (the oldest job)."""

    __slots__ = ("_keys", "_masks", "all")

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._masks: dict[int, int] = {}
        self.all = 0

    def add(self, key: int, bit: int) -> None:
        """A job, not in here, at a key."""
        mask = self._masks.get(key, 0)
        if not mask:
            insort(self._keys, key)
        self._masks[key] = mask | bit
        self.all |= bit

    def discard(self, key: int, bit: int) -> None:
        """A job that was added at this key."""
        mask = self._masks[key] ^ bit
        self.all ^= bit
        if mask:
            self._masks[key] = mask
        else:
            del self._masks[key]
            del self._keys[bisect_left(self._keys, key)]

    def first(self, candidates: int) -> tuple[int, int]:
        """The first of `candidates`, one of which at least is in here, and all that go before."""
        ahead = 0
        for key in self._keys:
            mask = self._masks[key]
            if here := mask & candidates:
                low = here & -here
                return low, ahead | mask & (low - 1)
            ahead |= mask
        raise AssertionError("none of the candidates is in line")


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

    def first(self, candidates: int) -> tuple[int, int]:
        """The first of `candidates`, all in line, and all jobs that go before it."""
        return self._levels.first(candidates)


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
        insort(self._line, pool.key)

    def discard(self, rank: Rank) -> None:
        """A job leaves."""
        pool = self._pools[rank.pool]
        self._leave(pool)
        pool.jobs.discard(rank.used << rank.priority, rank.bit)
        pool.used -= rank.used
        if pool.jobs.all:
            insort(self._line, pool.key)
        else:
            del self._pools[rank.pool]

    def use(self, rank: Rank, used: int) -> None:
        """What a job has changed."""
        if used == rank.used:
            return
        pool = self._pools[rank.pool]
        self._leave(pool)
        pool.jobs.discard(rank.used << rank.priority, rank.bit)
        pool.jobs.add(used << rank.priority, rank.bit)
        pool.used += used - rank.used
        rank.used = used
        insort(self._line, pool.key)

    def pools(self) -> Collection[PoolInLine]:
        """Those that have jobs."""
        return self._pools.values()

    def _leave(self, pool: PoolInLine) -> None:
        del self._line[bisect_left(self._line, pool.key)]

    def first(self, candidates: int) -> tuple[int, int]:
        """The first of `candidates`, all in line, and all jobs that go before it."""
        ahead = 0
        for _, _, name in self._line:
            jobs = self._pools[name].jobs
            if jobs.all & candidates:
                low, before = jobs.first(candidates)
                return low, ahead | before
            ahead |= jobs.all
        raise AssertionError("none of the candidates is in line")


Order = Fifo | Fair


def cost(need: Mapping[str, int], cluster: Mapping[str, int]) -> int:
    """What an attempt counts for, in thousandths of a CPU, at least 1. See the module."""
    cpus, most = cluster.get("cpus", 0), max(1, need.get("cpus", 0))
    for name, amount in need.items():
        if (there := cluster.get(name, 0)) and cpus:
            most = max(most, amount * cpus // there)
    return most
