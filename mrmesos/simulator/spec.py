"""The specification of a simulation as data: the shape of a SPEC.toml. docs/simulator.md describes
each entry.

Sizes are in MB (2**20 bytes), rates in MB/s, times in seconds unless a name says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

MB = 1 << 20

S = TypeVar("S", bound=msgspec.Struct)

Count: TypeAlias = Annotated[int, Meta(ge=1)]
NotNegative: TypeAlias = Annotated[float, Meta(ge=0)]
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class SpecError(ValueError):
    """A specification that cannot be simulated. The message names the entry."""


class ClusterSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Agents, all alike, dealt over racks. `further` are scalars such as `db_connections`.

    A `slow_share` of them takes `slow_factor` times as long for everything.
    """

    agents: Count = 100
    racks: Count = 5
    cpus: Positive = 8.0
    memory_mb: Positive = 16384.0
    further: dict[str, NotNegative] = {}
    slow_share: Share = 0.0
    slow_factor: Positive = 5.0


class MesosSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The master. `static_partitions` gives each framework agents of its own.

    `agent_timeout` is the time until the master sees that an agent is gone (Mesos: 5 pings, 15 s
    each). `update_delay` is the time of a status update from executor to scheduler.
    """

    allocation_interval: Positive = 1.0
    static_partitions: bool = False
    launch_delay: NotNegative = 0.05
    update_delay: NotNegative = 0.02
    agent_timeout: NotNegative = 75.0


class FrameworksSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """JobTrackers, each a Mesos framework of its own. They get jobs in turn.

    A core gets its tick every `tick` seconds while any of its slots has no attempt, as in
    production, and every `calm_tick` otherwise, when a tick has little to find.
    """

    count: Count = 1
    weight: Positive = 1.0
    tick: Positive = 0.5
    calm_tick: Positive = 2.0


class TrackerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TaskTrackers. `heartbeat` is the longest time between two heartbeats, but at most half of
    `tasktracker.expiry.seconds`. Ends of attempts are reported at once.
    """

    startup: NotNegative = 1.5
    heartbeat: Positive = 60.0


class TimesSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The duration of work. `noise` is the sigma of a lognormal factor whose mean is 1.

    A map reads at the rate of its locality; a reduce fetches at `shuffle_mb_s`, then goes over the
    fetched data and writes at `reduce_mb_s`. A straggler takes `straggler_factor` times as long.
    """

    attempt_overhead: NotNegative = 0.3
    local_mb_s: Positive = 20.0
    rack_mb_s: Positive = 18.0
    remote_mb_s: Positive = 15.0
    shuffle_mb_s: Positive = 30.0
    reduce_mb_s: Positive = 20.0
    noise: NotNegative = 0.2
    straggler_share: Share = 0.0
    straggler_factor: Positive = 5.0
    plan: NotNegative = 0.2
    commit: NotNegative = 0.2


class FailuresSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The faults. The share `attempt` of all attempts fails. On the share `bad_share` of the hosts,
    the share `bad_attempt` fails. An agent is lost every `agent_mtbf_hours` of its own on average
    (0: never).

    It comes back, empty and with a new id, after `agent_down`.
    """

    attempt: Share = 0.0
    bad_share: Share = 0.0
    bad_attempt: Share = 1.0
    tracker_start: Share = 0.0
    agent_mtbf_hours: NotNegative = 0.0
    agent_down: NotNegative = 600.0


class SwimSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Jobs of a SWIM file: the first `share` of its lines, submitted `speed` times as fast.

    Those files have no numbers of reduces. There is one for each `reduce_mb` of shuffle,
    `reduces_max` at most, and none without a shuffle.
    """

    file: str
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    speed: Positive = 1.0
    split_mb: Positive = 256.0
    reduce_mb: Positive = 1024.0
    reduces_max: Count = 1000


class JobClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`count` equal jobs. They come every `interval` seconds from `start` on, or at random with
    that mean (`poisson`). Map times come from `map_mb` and the rates, or are `map_seconds`.
    """

    name: str
    count: Count = 1
    start: NotNegative = 0.0
    interval: NotNegative = 0.0
    arrival: Literal["regular", "poisson"] = "regular"
    maps: Count = 1
    map_mb: NotNegative = 128.0
    map_seconds: NotNegative | None = None
    reduces: Annotated[int, Meta(ge=0)] = 0
    shuffle_mb: NotNegative = 0.0
    output_mb: NotNegative = 0.0
    reduce_seconds: NotNegative | None = None
    placement: Literal["hdfs", "one host", "none"] = "hdfs"
    conf: dict[str, str | int | float | bool] = {}


class Competitor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A plain framework that wants `tasks` running at any time from `start` to `stop`."""

    name: str
    tasks: Count
    cpus: NotNegative = 1.0
    memory_mb: NotNegative = 1024.0
    seconds: Positive = 60.0
    start: NotNegative = 0.0
    stop: NotNegative = math.inf
    weight: Positive = 1.0


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole specification. `conf` has mrmesos' own settings, for JobTrackers and for jobs."""

    seed: int = 0
    cluster: ClusterSpec = ClusterSpec()
    mesos: MesosSpec = MesosSpec()
    frameworks: FrameworksSpec = FrameworksSpec()
    trackers: TrackerSpec = TrackerSpec()
    times: TimesSpec = TimesSpec()
    failures: FailuresSpec = FailuresSpec()
    conf: dict[str, str | int | float | bool] = {}
    swim: SwimSpec | None = None
    jobs: tuple[JobClass, ...] = ()
    competitors: tuple[Competitor, ...] = ()
    limit_hours: Positive = 240.0
    """After this virtual time, a simulation that is not over is given up."""


def load(path: Path) -> Spec:
    """Read a SPEC.toml; `swim.file` is relative to it. Raises SpecError."""
    try:
        spec = msgspec.toml.decode(path.read_bytes(), type=Spec)
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: {error}") from None
    if spec.swim is not None:
        swim = change(spec.swim, file=str(path.parent / spec.swim.file))
        spec = change(spec, swim=swim)
    return spec


def change(struct: S, **fields: Any) -> S:
    """A copy with other values, checked as a file's are. Raises SpecError."""
    try:
        return msgspec.convert({**msgspec.structs.asdict(struct), **fields}, type(struct))
    except msgspec.ValidationError as error:
        raise SpecError(str(error)) from None


def as_text(conf: Mapping[str, str | int | float | bool]) -> dict[str, str]:
    """Settings as `mrmesos.conf` has them; TOML's true is `true`."""
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in conf.items()}
