"""The settings of the JobTracker and of each job, parsed once from a `Conf`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from mrmesos import conf as c
from mrmesos.conf import Conf, ConfError, Setting
from mrmesos.jobtracker.core.model.demand import GPUS, Demand, parse_constraints
from mrmesos.jobtracker.core.model.pools import PRIORITIES, PoolShare, parse_pools
from mrmesos.resources import Amounts, milli, parse_scalars
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import JobSpec
from mrmesos.wire.profile import check_profile

N = TypeVar("N", int, float)

WHOLE = frozenset({GPUS, "ports"})
"""Resources that Mesos does not divide: their amounts are whole numbers."""


class Wait(msgspec.Struct, frozen=True):
    """How long a job waits for locality: a time, or a number of chances that it may pass over."""

    seconds: float = 0.0
    offers: int = 0

    def __bool__(self) -> bool:
        return self.seconds > 0 or self.offers > 0

    @classmethod
    def parse(cls, text: str) -> Wait:
        """`"1.5"` means seconds, and `"20 offers"` means chances. Raises ValueError otherwise."""
        number, _, unit = text.strip().partition(" ")
        if unit.strip() in ("offer", "offers"):
            wait = cls(offers=int(number))
        elif unit:
            raise ValueError(text)
        else:
            wait = cls(seconds=float(number))
        if not (0.0 <= wait.seconds < 1e9 and 0 <= wait.offers < 10**9):
            raise ValueError(text)
        return wait


NO_WAIT = Wait()


class CoreSettings(msgspec.Struct, frozen=True):
    """The JobTracker's own settings. Times are in seconds, and resources are in thousandths."""

    tracker: Amounts
    tracker_idle: float
    tracker_expiry: float
    tracker_silence: float
    slot_lease: float
    refuse_idle: float
    refuse_busy: float
    retired_max: int
    jobs_max: int
    faults_max: int
    """After this many jobs avoided a host and succeeded, all jobs avoid it."""
    forgive: float
    """One such fault is forgiven after this many seconds."""
    fair: bool
    """Whether the job order is by fair shares, instead of first in, first out."""
    preempt_after: float
    """A pool waits this many seconds for its minimum share before it preempts. 0: no preemption."""
    pools: Mapping[str, PoolShare]
    roles: frozenset[str]
    """The Mesos roles that the framework has."""
    cap: Amounts
    """The most that the framework may hold. Resources that are not named have no limit."""
    drain: float
    """An agent gets no new attempts in this time before its maintenance."""
    trackers_minimum: int
    logs_in_sandbox: bool
    """Whether TaskTrackers write attempts' logs into their sandboxes."""
    shared: Amounts
    """The global resources: how much of each all attempts together may hold."""
    queue_lease: float
    """A queue ends if its client is silent for this long."""

    @classmethod
    def of(cls, conf: Conf) -> CoreSettings:
        """Raises ConfError where a value cannot be used."""
        return cls(
            tracker={
                "cpus": _milli(conf, c.TASKTRACKER_CPUS),
                "mem": _milli(conf, c.TASKTRACKER_MEMORY_MB),
            },
            tracker_idle=conf.get_as(c.TASKTRACKER_IDLE_SECONDS),
            tracker_expiry=conf.get_as(c.TASKTRACKER_EXPIRY_SECONDS),
            tracker_silence=min(
                conf.get_as(c.TASKTRACKER_SILENCE_SECONDS),
                conf.get_as(c.TASKTRACKER_EXPIRY_SECONDS),
            ),
            slot_lease=conf.get_as(c.SLOT_LEASE_SECONDS),
            refuse_idle=conf.get_as(c.REFUSE_SECONDS_IDLE),
            refuse_busy=conf.get_as(c.REFUSE_SECONDS_BUSY),
            retired_max=conf.get_as(c.JOBTRACKER_RETIRED_MAX),
            faults_max=conf.get_as(c.BLACKLIST_MAX),
            forgive=conf.get_as(c.BLACKLIST_FORGIVE),
            jobs_max=conf.get_as(c.JOBTRACKER_JOBS_MAX),
            fair=_one_of(conf, c.SCHEDULER, ("fifo", "fair")) == 1,
            preempt_after=conf.get_as(c.PREEMPTION_TIMEOUT),
            pools=_pools(conf),
            roles=frozenset(roles_of(conf)),
            cap=_cap(conf),
            drain=conf.get_as(c.MAINTENANCE_DRAIN_SECONDS),
            trackers_minimum=conf.get_as(c.TRACKERS_MINIMUM),
            logs_in_sandbox=not conf.get_as(c.TASKTRACKER_USERLOG_DIR),
            shared=_scalars(conf, c.RESOURCES_GLOBAL),
            queue_lease=conf.get_as(c.QUEUE_LEASE_SECONDS),
        )


class JobSettings(msgspec.Struct, frozen=True):
    """The part of a job's settings that the JobTracker uses. Needs are in thousandths."""

    map_need: Amounts
    reduce_need: Amounts
    map_maxattempts: int
    reduce_maxattempts: int
    failures_per_host: int
    """After this many failed attempts on one host, the job starts none there."""
    map_speculative: bool
    reduce_speculative: bool
    speculative_share: float
    """Most backup attempts at once, as a share of running ones; at least `speculative_least`."""
    speculative_least: int
    speculative_lag: float
    slow_threshold: float
    """In standard deviations of the rates of progress."""
    slowstart: float
    ratio: float
    wait_node: Wait
    wait_rack: Wait
    priority: int
    """0 goes first."""
    pool: str
    demand: Demand
    """Its demand on agents, apart from free resources."""
    strict: bool
    """The job fails if no agent could run it. Otherwise it waits for one."""
    map_shared: Amounts
    """The global resources that each map or free task holds."""
    reduce_shared: Amounts
    memory_max_mb: int
    """If an attempt died of too little memory, later ones get more, up to this much."""

    @classmethod
    def of(cls, spec: JobSpec) -> JobSettings:
        """Raises ConfError where a value cannot be used."""
        conf = Conf(spec.conf)
        check_profile(spec.conf)
        map_need = _need(conf, c.MAP_CPUS, c.MAP_MEMORY_MB, c.MAP_RESOURCES)
        reduce_need = _need(conf, c.REDUCE_CPUS, c.REDUCE_MEMORY_MB, c.REDUCE_RESOURCES)
        return cls(
            map_need=map_need,
            reduce_need=reduce_need,
            map_maxattempts=conf.get_as(c.MAP_MAXATTEMPTS),
            reduce_maxattempts=conf.get_as(c.REDUCE_MAXATTEMPTS),
            failures_per_host=conf.get_as(c.JOB_MAXTASKFAILURES),
            map_speculative=conf.get_as(c.MAP_SPECULATIVE),
            reduce_speculative=conf.get_as(c.REDUCE_SPECULATIVE),
            speculative_share=conf.get_as(c.SPECULATIVE_CAP),
            speculative_least=conf.get_as(c.SPECULATIVE_MINIMUM),
            speculative_lag=conf.get_as(c.SPECULATIVE_LAG),
            slow_threshold=conf.get_as(c.SLOWTASK_THRESHOLD),
            slowstart=min(1.0, conf.get_as(c.SLOWSTART)),
            ratio=conf.get_as(c.MAP_REDUCE_RATIO),
            wait_node=_wait(conf, c.LOCALITY_WAIT_NODE),
            wait_rack=_wait(conf, c.LOCALITY_WAIT_RACK),
            priority=_one_of(conf, c.JOB_PRIORITY, PRIORITIES),
            pool=conf.get_as(c.JOB_POOL).strip() or spec.user,
            demand=_demand(conf, gpus=GPUS in map_need or GPUS in reduce_need),
            strict=conf.get_as(c.JOB_FAIL_IF_IMPOSSIBLE),
            map_shared=_scalars(conf, c.MAP_RESOURCES_GLOBAL),
            reduce_shared=_scalars(conf, c.REDUCE_RESOURCES_GLOBAL),
            memory_max_mb=conf.get_as(c.TASK_MEMORY_MAX_MB),
        )

    def need(self, kind: TaskKind) -> Amounts:
        """The resources that one attempt of this kind takes."""
        return self.reduce_need if kind is TaskKind.REDUCE else self.map_need

    def shared(self, kind: TaskKind) -> Amounts:
        """The global resources that one attempt of this kind holds."""
        return self.reduce_shared if kind is TaskKind.REDUCE else self.map_shared

    def speculative(self, kind: TaskKind) -> bool:
        """Whether slow attempts of this kind get backups."""
        return self.reduce_speculative if kind is TaskKind.REDUCE else self.map_speculative

    def maxattempts(self, kind: TaskKind) -> int:
        """How many failed attempts of one task fail the job."""
        return self.reduce_maxattempts if kind is TaskKind.REDUCE else self.map_maxattempts


def roles_of(conf: Conf) -> tuple[str, ...]:
    """The roles of `mesos.role`. Raises ConfError if Mesos does not allow such a name."""
    text = conf.get_as(c.MESOS_ROLE)
    roles = tuple(dict.fromkeys(role.strip() for role in text.split(",") if role.strip()))
    for role in roles:
        parts = role.split("/")
        if any(not part or part in (".", "..") or part[0] == "-" for part in parts) or (
            role != "*" and ("*" in parts or set(role) & set(" \t\n\v\f\r\\"))
        ):
            raise ConfError(f"{c.MESOS_ROLE.name}={text!r}: {role!r} cannot be a role's name")
    if not roles:
        raise ConfError(f"{c.MESOS_ROLE.name} names no role; `*` is Mesos' default")
    return roles


def _cap(conf: Conf) -> dict[str, int]:
    limits = {
        "cpus": _milli(conf, c.MESOS_CPUS_MAX),
        "mem": _milli(conf, c.MESOS_MEM_MAX_MB),
        GPUS: _milli(conf, c.MESOS_GPUS_MAX),
    }
    return {name: limit for name, limit in limits.items() if limit}


def _milli(conf: Conf, setting: Setting[N]) -> int:
    """An amount of a resource, in thousandths."""
    amount = conf.get_as(setting)
    try:
        return milli(amount)
    except ValueError:
        raise ConfError(
            f"{setting.name}={amount:g}: no agent has so much ({setting.unit})"
        ) from None


def _demand(conf: Conf, *, gpus: bool) -> Demand:
    try:
        constraints = parse_constraints(conf.get_as(c.JOB_CONSTRAINTS))
    except ValueError as problem:
        raise ConfError(f"{c.JOB_CONSTRAINTS.name}: {problem}") from None
    return Demand(constraints, conf.get_as(c.JOB_ROLE).strip(), gpus)


def _one_of(conf: Conf, setting: Setting[str], words: tuple[str, ...]) -> int:
    """The position of the setting's value in `words`."""
    text = conf.get_as(setting).strip()
    known = [word.lower() for word in words]
    if text.lower() not in known:
        raise ConfError(f"{setting.name}={text!r}: expected one of {', '.join(words)}")
    return known.index(text.lower())


def _pools(conf: Conf) -> dict[str, PoolShare]:
    try:
        return parse_pools(conf.get_as(c.POOLS))
    except ValueError as problem:
        raise ConfError(f"{c.POOLS.name}: {problem}") from None


def _wait(conf: Conf, setting: Setting[str]) -> Wait:
    text = conf.get_as(setting)
    try:
        return Wait.parse(text)
    except ValueError:
        raise ConfError(
            f"{setting.name}={text!r}: expected seconds, as in 2.5, or chances, as in 20 offers"
        ) from None


def _scalars(conf: Conf, setting: Setting[str]) -> dict[str, int]:
    try:
        return parse_scalars(conf.get_as(setting))
    except ValueError as problem:
        raise ConfError(f"{setting.name}: {problem}") from None


def _need(
    conf: Conf, cpus: Setting[float], memory_mb: Setting[int], further: Setting[str]
) -> Amounts:
    more = _scalars(conf, further)
    if twice := {"cpus", "mem"} & set(more):
        raise ConfError(f"{further.name}: {min(twice)} has its own setting")
    if broken := sorted(name for name in WHOLE & set(more) if more[name] % 1000):
        raise ConfError(f"{further.name}: {broken[0]} come whole")
    return {"cpus": _milli(conf, cpus), "mem": _milli(conf, memory_mb), **more}
