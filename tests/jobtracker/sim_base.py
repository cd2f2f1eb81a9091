"""The simulation's clock and chance, its machines and processes, and what may go wrong."""

from __future__ import annotations

import heapq
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.task import Attempt, AttemptReport, MapOutput

EXPIRY = 20.0
SILENCE = 4.0
DRAIN = 5.0
CONF = {
    "tasktracker.expiry.seconds": str(EXPIRY),
    "tasktracker.silence.seconds": str(SILENCE),
    "maintenance.drain.seconds": str(DRAIN),
    "jobtracker.tasktracker.maxblacklists": "1",
    "jobtracker.tasktracker.forgive.seconds": "15",
}

Amounts = dict[str, float]


def amounts(*lists: tuple[Mapping[str, Any], ...]) -> Amounts:
    """Resource JSON summed by name."""
    sums: Amounts = {}
    for resources in lists:
        for resource in resources:
            name = resource["name"]
            sums[name] = round(sums.get(name, 0) + resource["scalar"]["value"], 3)
    return sums


def minus(left: Amounts, right: Amounts) -> Amounts:
    """What is left, by name."""
    return {name: round(value - right.get(name, 0), 3) for name, value in left.items()}


def as_json(values: Amounts) -> tuple[dict[str, Any], ...]:
    """Resource JSON."""
    return tuple(
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}
        for name, value in values.items()
        if value > 0
    )


@dataclass(slots=True)
class Faults:
    """How often things go wrong; all zero is a peaceful world. `until` they stop."""

    attempt_fails: float = 0.0
    heartbeat_lost: float = 0.0
    heartbeat_doubled: float = 0.0
    launch_fails: float = 0.0
    executor_dies: float = 0.0
    agent_dies: float = 0.0
    silence: float = 0.0
    disconnect: float = 0.0
    rescind: float = 0.0
    kill_job: float = 0.0
    plan_fails: float = 0.0
    commit_fails: float = 0.0
    fetch_fails: float = 0.0
    damage: float = 0.0
    """Of each segment, one partition of one map output."""
    cut: float = 0.0
    """Two hosts cease to reach each other, or one of them the other."""
    unheard: float = 0.0
    """The JobTracker and an agent's TaskTracker cease to reach each other."""
    partition: float = 0.0
    maintenance: float = 0.0
    straggles: float = 0.0
    bad_hosts: float = 0.0
    event_lost: float = 0.0
    event_doubled: float = 0.0
    event_late: float = 0.0
    until: float = 120.0


@dataclass(slots=True)
class SimAgent:
    """A machine."""

    id: str
    hostname: str
    resources: Amounts
    free: Amounts
    rack: str = ""
    disk: str = "ssd"
    slowness: float = 1.0
    bad: bool = False
    """Most attempts fail here while there are faults."""
    away: ev.Unavailability | None = None
    alive: bool = True
    cut_off: bool = False
    """The master does not reach it; what runs there runs on."""
    unheard_until: float = 0.0
    """Nothing passes between its TaskTrackers and the JobTracker."""
    filtered_until: float = 0.0
    filtered: Amounts = field(default_factory=dict)


@dataclass(slots=True)
class SimSlot:
    """A Mesos task."""

    id: str
    agent: SimAgent
    tracker_id: str
    resources: Amounts
    first: Attempt | None
    state: str = "TASK_STAGING"
    attempt: str = ""


@dataclass(slots=True)
class SimTracker:
    """An executor process."""

    id: str
    agent: SimAgent
    resources: Amounts
    up: bool = False
    gone: bool = False
    slots: dict[str, SimSlot] = field(default_factory=dict)
    sequence: int = 0
    done: int = 0
    reports: dict[str, AttemptReport] = field(default_factory=dict)
    running: dict[str, tuple[Attempt, float]] = field(default_factory=dict)
    lasts: dict[str, float] = field(default_factory=dict)
    """Seconds that an attempt takes, if nothing is missing."""
    fetched: set[str] = field(default_factory=set)
    """Reduce attempts that said to have all their input."""
    have: dict[str, set[int]] = field(default_factory=dict)
    """By reduce attempt: the maps whose output it has."""
    failing: dict[str, dict[str, float]] = field(default_factory=dict)
    """By reduce attempt: the map attempts whose output it cannot fetch, and since when."""
    outputs: dict[str, dict[int, MapOutput]] = field(default_factory=dict)
    silent_until: float = 0.0
    answered: float = 0.0


def random_faults(rng: random.Random) -> Faults:
    """Each kind of fault in about half of the worlds."""

    def some(most: float) -> float:
        return rng.uniform(0, most) if rng.random() < 0.5 else 0.0

    return Faults(
        attempt_fails=some(0.3),
        heartbeat_lost=some(0.4),
        heartbeat_doubled=some(0.4),
        launch_fails=some(0.4),
        executor_dies=some(0.05),
        agent_dies=some(0.02),
        silence=some(0.03),
        disconnect=some(0.03),
        rescind=some(0.3),
        kill_job=some(0.6),
        plan_fails=some(0.2),
        commit_fails=some(0.2),
        fetch_fails=some(0.02),
        damage=some(0.05),
        cut=some(0.02),
        unheard=some(0.01),
        partition=some(0.02),
        maintenance=some(0.02),
        straggles=some(0.2),
        bad_hosts=some(0.5),
        event_lost=some(0.3),
        event_doubled=some(0.3),
        event_late=some(0.3),
    )


class Base(ABC):
    """All that the world holds. `history` keeps the last events, for when something fails."""

    def __init__(self, seed: int, faults: Faults | None) -> None:
        self.rng = random.Random(seed)
        self.faults = faults if faults is not None else random_faults(self.rng)
        self.racks = self.rng.random() < 0.5
        self.now = 1_000_000.0
        self.start = self.now
        self.heap: list[tuple[float, int, Callable[[], None]]] = []
        self.counter = 0
        self.history: list[str] = []
        self.told = 0  # events
        fair = {"scheduler": "fair", "pools": "a:weight=2;b:min=1"} if seed % 2 else {}
        if seed % 4 == 1:
            fair["fairscheduler.preemption.timeout"] = "3"
        self.spares = 2 if seed % 7 == 3 else 0
        self.roles = ("etl", "adhoc") if seed % 4 == 2 else ("*",)
        self.role_of: dict[str, str] = {}  # of offers and slots
        self.job_roles: dict[str, str] = {}  # that jobs ask for
        more = {"trackers.minimum": str(self.spares), "mesos.role": ",".join(self.roles)}
        cap = {"mesos.cpus.max": "3", "mesos.mem.max.mb": "3000"} if seed % 5 == 4 else {}
        self.conf = Conf({**CONF, **fair, **more, **cap})
        self.core = JobTracker(self.conf, "202611201130")
        self.disks: dict[str, str] = {}  # that jobs ask for
        self.away: dict[str, ev.Unavailability | None] = {}  # what the core was told, by agent
        self.posted: dict[str, tuple[int, int]] = {}
        """By TaskTracker: the last action seen, and how many outputs that told of."""
        self.to_mesos = self.from_mesos = 0.0
        self.connected = False
        self.epoch = 0
        self.suppressed: set[str] = set()
        self.agents: dict[str, SimAgent] = {}
        self.offers: dict[str, tuple[SimAgent, Amounts]] = {}
        self.slots: dict[str, SimSlot] = {}
        self.trackers: dict[str, SimTracker] = {}
        self.cuts: dict[tuple[str, str], float] = {}  # (who reads, from whom): until when
        self.damaged: set[tuple[str, int]] = set()  # (map attempt, partition)
        self.tells_damage = self.rng.random() < 0.5
        self.unacked: dict[str, ev.SlotUpdated] = {}
        self.launched: set[str] = set()
        self.succeeded: set[str] = set()
        self.specs: dict[str, tuple[int, int]] = {}
        self.ended: set[str] = set()
        self.committed: set[str] = set()
        self.killed: set[str] = set()
        self.aborting: set[str] = set()
        self.void: set[str] = set()
        self.placed: list[tuple[str, str]] = []

    @abstractmethod
    def tell(self, event: ev.Event) -> None:
        """Hand the core an event, and carry out what it commands."""

    def new_actions(self) -> list[tuple[str, hb.Action]]:
        """What the event that was just handled has to say, and to which TaskTrackers."""
        new: list[tuple[str, hb.Action]] = []
        for tracker_id in (mailboxes := self.core.st.mailboxes):
            last, told = self.posted.get(tracker_id, (0, 0))
            for each in mailboxes[tracker_id]:
                number, action = each.number, each.action
                outputs = action.outputs if isinstance(action, hb.MapOutputs) else []
                if number > last:
                    new.append((tracker_id, action))
                elif isinstance(action, hb.MapOutputs) and number == last and len(outputs) > told:
                    new.append((tracker_id, hb.MapOutputs(action.job_id, outputs[told:])))
                if number >= last:
                    last, told = number, len(outputs)
            self.posted[tracker_id] = last, told
        return new

    def at(self, delay: float, action: Callable[[], None]) -> None:
        self.counter += 1
        heapq.heappush(self.heap, (self.now + delay, self.counter, action))

    def chance(self, probability: float) -> bool:
        return self.faulty and self.rng.random() < probability

    @property
    def faulty(self) -> bool:
        return self.now - self.start < self.faults.until

    def note(self, text: str) -> None:
        self.history.append(f"{self.now - self.start:8.3f} {text}")
        del self.history[:-400]

    def latency(self) -> float:
        return self.rng.uniform(0.001, 0.02)
