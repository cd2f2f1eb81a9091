"""The job order: by priority and age, or by fair shares of pools and of jobs within a pool.

A set of jobs is one integer (job_set.py). So a choice is a few integer operations,
however many jobs there are. (Fair shares also look at each pool before the chosen one.)

A job's use is counted in thousandths of a CPU. An attempt's dominant resource is the resource of
which it takes the largest part of the cluster. The attempt counts as the same part of the cluster's
CPUs: on a cluster with 4 GiB for each CPU, an attempt of 1 CPU and 8 GiB counts as two CPUs. This
is dominant resource fairness (Ghodsi et al., NSDI 2011) among pools, in a unit that is easy to use
for minimum shares.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from mrmesos.jobtracker.core.model.pools import PoolShare
from mrmesos.jobtracker.core.scheduling.job_set import NO_JOBS, JobSet


class Levels:
    """Bits by key. The lowest key goes first, and within a key the lowest bit (the oldest job).

    There are few keys at a time. A search in two parallel lists is then faster than dict look-ups.
    """

    __slots__ = ("_keys", "_masks", "all")

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._masks: list[JobSet] = []
        self.all = NO_JOBS

    def add(self, key: int, bit: JobSet) -> None:
        """Add a job, which must not be in here, at a key."""
        self.all |= bit
        self._enter(key, bit)

    def discard(self, key: int, bit: JobSet) -> None:
        """Remove a job that was added at this key."""
        self.all ^= bit
        self._leave(key, bit)

    def move(self, old: int, new: int, bit: JobSet) -> None:
        """Move a job from the old key, where it was added, to the new one."""
        self._leave(old, bit)
        self._enter(new, bit)

    def _enter(self, key: int, bit: JobSet) -> None:
        place = bisect_left(self._keys, key)
        if place < len(self._keys) and self._keys[place] == key:
            self._masks[place] |= bit
        else:
            self._keys.insert(place, key)
            self._masks.insert(place, bit)

    def _leave(self, key: int, bit: JobSet) -> None:
        place = bisect_left(self._keys, key)
        self._masks[place] ^= bit
        if not self._masks[place]:
            del self._masks[place]
            del self._keys[place]

    def has(self, key: int, bit: JobSet) -> bool:
        """Whether a job is in here at this key."""
        place = bisect_left(self._keys, key)
        return self._keys[place : place + 1] == [key] and bool(self._masks[place] & bit)

    def first(self, candidates: JobSet) -> JobSet:
        """The first of `candidates`. At least one of them must be in here."""
        for mask in self._masks:
            if here := mask & candidates:
                return here & -here
        raise AssertionError("none of the candidates is in line")

    def before(self, key: int, bit: JobSet) -> JobSet:
        """The set of jobs that go before a job at a key."""
        place = bisect_left(self._keys, key)
        ahead = self._masks[place] & (bit - 1)
        for mask in islice(self._masks, place):
            ahead |= mask
        return ahead


@dataclass(slots=True, eq=False)
class Rank:
    """The facts that decide a job's turn. Priority 0 goes first. `used` is in thousandths of a
    CPU.
    """

    bit: JobSet
    priority: int
    pool: str
    used: int = 0


class Fifo:
    """The order by priority, then by submission."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels = Levels()

    def add(self, rank: Rank) -> None:
        """Add a job to the order."""
        self._levels.add(rank.priority, rank.bit)

    def discard(self, rank: Rank) -> None:
        """Remove a job from the order."""
        self._levels.discard(rank.priority, rank.bit)

    def use(self, rank: Rank, used: int) -> None:
        """Set what a job uses."""
        rank.used = used

    def first(self, candidates: JobSet) -> JobSet:
        """The first of `candidates`, which are all in the order."""
        return self._levels.first(candidates)

    def before(self, rank: Rank) -> JobSet:
        """The set of jobs that go before this one."""
        return self._levels.before(rank.priority, rank.bit)

    def validate(self, ranks: Sequence[Rank]) -> None:
        """Raise AssertionError unless exactly these jobs are in the order, each in its place."""
        assert self._levels.all == union(ranks)
        assert all(self._levels.has(rank.priority, rank.bit) for rank in ranks), ranks


HALF_A_TASK = 500
"""Half a task of one CPU, added to what a pool uses before pools are compared. Hadoop compares only
the use. That rounds up pools of small weight, at the cost of a large pool, which can then stay more
than a task below its share. With the half task, shares are rounded to the nearest, as in Webster's
method of apportionment.
"""


@dataclass(slots=True, eq=False)
class PoolInLine:
    """A pool that has jobs. `used` is what they use, in thousandths of a CPU."""

    name: str
    share: PoolShare
    used: int = 0
    jobs: Levels = field(default_factory=Levels)
    at: tuple[int, int, str] = (0, 0, "")
    """The key under which it stands in `Fair`'s line."""

    @property
    def key(self) -> tuple[int, int, str]:
        """Pools below their minimum share go first, by how much of it they have. The others follow,
        by their use relative to their weight.
        """
        if self.used < self.share.least:
            return 0, self.used * 1_000_000 // self.share.least, self.name
        return 1, (self.used + HALF_A_TASK) * 1_000_000 // self.share.weight, self.name


class Fair:
    """The order by fair shares: first the pool with the least of its share, then its job that uses
    least. On a tie, the oldest job goes first.

    The order of pools is that of Hadoop's fair scheduler (Zaharia et al., EuroSys 2010). Each step
    in priority doubles a job's share within its pool.
    """

    __slots__ = ("_line", "_pools", "_shares")

    def __init__(self, shares: Mapping[str, PoolShare]) -> None:
        self._shares = shares
        self._pools: dict[str, PoolInLine] = {}  # the pools that have jobs
        self._line: list[tuple[int, int, str]] = []  # their keys

    def add(self, rank: Rank) -> None:
        """Add a job to the order."""
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
        """Remove a job from the order."""
        pool = self._pools[rank.pool]
        self._leave(pool)
        pool.jobs.discard(rank.used << rank.priority, rank.bit)
        pool.used -= rank.used
        if pool.jobs.all:
            self._enter(pool)
        else:
            del self._pools[rank.pool]

    def use(self, rank: Rank, used: int) -> None:
        """Set what a job uses."""
        if used == rank.used:
            return
        pool = self._pools[rank.pool]
        self._leave(pool)
        pool.jobs.move(rank.used << rank.priority, used << rank.priority, rank.bit)
        pool.used += used - rank.used
        rank.used = used
        self._enter(pool)

    def pools(self) -> Collection[PoolInLine]:
        """The pools that have jobs."""
        return self._pools.values()

    def _enter(self, pool: PoolInLine) -> None:
        pool.at = pool.key
        insort(self._line, pool.at)

    def _leave(self, pool: PoolInLine) -> None:
        del self._line[bisect_left(self._line, pool.at)]

    def first(self, candidates: JobSet) -> JobSet:
        """The first of `candidates`, which are all in the order."""
        for _, _, name in self._line:
            jobs = self._pools[name].jobs
            if jobs.all & candidates:
                return jobs.first(candidates)
        raise AssertionError("none of the candidates is in line")

    def before(self, rank: Rank) -> JobSet:
        """The set of jobs that go before this one."""
        pool = self._pools[rank.pool]
        ahead = pool.jobs.before(rank.used << rank.priority, rank.bit)
        for at in self._line:
            if at >= pool.at:
                break
            ahead |= self._pools[at[2]].jobs.all
        return ahead

    def validate(self, ranks: Sequence[Rank]) -> None:
        """Raise AssertionError unless exactly these jobs are in the order, each in its pool, and
        each pool stands where its use belongs.
        """
        assert self._pools.keys() == {rank.pool for rank in ranks}
        for name, pool in self._pools.items():
            mine = [rank for rank in ranks if rank.pool == name]
            assert pool.jobs.all == union(mine), name
            assert all(pool.jobs.has(rank.used << rank.priority, rank.bit) for rank in mine), mine
            assert pool.used == sum(rank.used for rank in mine), (name, pool.used)
            assert pool.at == pool.key, (name, pool.at)
        assert self._line == sorted(pool.at for pool in self._pools.values())


Order = Fifo | Fair


def union(ranks: Iterable[Rank]) -> JobSet:
    """The set of these jobs."""
    jobs = NO_JOBS
    for rank in ranks:
        jobs |= rank.bit
    return jobs


def rerank(order: Order, rank: Rank, priority: int, pool: str) -> None:
    """Give a job in the order another priority and pool."""
    order.discard(rank)
    rank.priority, rank.pool = priority, pool
    order.add(rank)


def cost(need: Mapping[str, int], cluster: Mapping[str, int]) -> int:
    """The cost of an attempt in thousandths of a CPU, at least 1. The module's head defines it."""
    cpus, most = cluster.get("cpus", 0), max(1, need.get("cpus", 0))
    for name, amount in need.items():
        if (there := cluster.get(name, 0)) and cpus:
            most = max(most, amount * cpus // there)
    return most
