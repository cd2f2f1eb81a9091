"""The state of a world with faults: its clock, its generator, its machines, and its core."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.simulator.clock import Clock
from mrmesos.simulator.executors import Executors
from mrmesos.simulator.faults.fault_plan import FaultPlan, random_plan
from mrmesos.simulator.faults.machines import FaultyAgent, FaultySlot, FaultyTracker
from mrmesos.simulator.machines import Amounts
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import TaskKind

Place = tuple[str, str]
"""A job's priority and its pool."""

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


class FaultWorldState(Executors[FaultyTracker, FaultySlot]):
    """The state of the world. `history` keeps the last events. They are shown if something
    fails.
    """

    more_conf: ClassVar[Mapping[str, str]] = {}
    """Further settings of a kind of world."""

    def __init__(self, seed: int, faults: FaultPlan | None) -> None:
        super().__init__(Clock())
        self.rng = random.Random(seed)
        self.users = random.Random(f"users of {seed}")
        """Decides the requests of users about running jobs."""
        self.limits = random.Random(f"limits of {seed}")
        """Decides about memory, and about jobs that no agent can run."""
        if faults is None:
            faults = random_plan(self.rng, self.users, self.limits)
        self.faults = faults
        self.session = "session" if seed % 3 == 1 else ""  # of all jobs
        self.racks = self.rng.random() < 0.5
        self.history: list[str] = []
        self.told = 0  # events
        fair = {"scheduler": "fair", "pools": "a:weight=2;b:min=1"} if seed % 2 else {}
        if seed % 4 == 1:
            fair["fairscheduler.preemption.timeout"] = "3"
        self.warm_trackers = 2 if seed % 7 == 3 else 0
        self.roles = ("etl", "adhoc") if seed % 4 == 2 else ("*",)
        self.role_of: dict[str, str] = {}  # of offers and slots
        self.job_roles: dict[str, str] = {}  # that jobs ask for
        more = {"trackers.minimum": str(self.warm_trackers), "mesos.role": ",".join(self.roles)}
        cap = {"mesos.cpus.max": "3", "mesos.mem.max.mb": "3000"} if seed % 5 == 4 else {}
        self.conf = Conf({**CONF, **fair, **more, **cap, **self.more_conf})
        self.core = JobTracker(self.conf, "202611201130")
        self.disks: dict[str, str] = {}  # that jobs ask for
        self.impossible: dict[str, str] = {}
        """Jobs that no agent can run, each with words that must be in its error."""
        self.memory: dict[tuple[str, TaskKind], int] = {}
        """By job and kind: the memory of the last attempt in MiB."""
        self.away: dict[
            str, ev.Unavailability | None
        ] = {}  # by agent: the unavailability that the core knows
        self.posted: dict[str, tuple[int, int]] = {}
        """By TaskTracker: the last action seen, and how many outputs its actions announced."""
        self.to_mesos = self.from_mesos = 0.0
        self.connected = False
        self.epoch = 0
        self.suppressed: set[str] = set()
        self.agents: dict[str, FaultyAgent] = {}
        self.offers: dict[str, tuple[FaultyAgent, Amounts]] = {}
        self.cuts: dict[tuple[str, str], float] = {}  # (reading host, source host): until when
        self.damaged: set[tuple[str, int]] = set()  # (map attempt, partition)
        self.tells_damage = self.rng.random() < 0.5
        self.unacked: dict[str, ev.SlotUpdated] = {}
        self.launched: set[str] = set()
        self.succeeded: set[str] = set()
        self.specs: dict[str, tuple[int, int]] = {}
        self.places: dict[str, set[Place]] = {}
        """By job: the priority and the pool that its users gave it. There are several if the
        JobTracker died during their requests.
        """
        self.ended: set[str] = set()
        self.committed: set[str] = set()
        self.killed: set[str] = set()
        self.aborting: set[str] = set()
        self.unkept: set[str] = set()
        """Jobs, chains and queues of which a record could not be encoded."""
        self.void: set[str] = set()
        self.placed: list[tuple[str, str]] = []

    @property
    def now(self) -> float:
        return self.clock.now

    @abstractmethod
    def tell(self, event: ev.Event) -> None:
        """Give the core an event, and carry out its commands."""

    def new_actions(self) -> list[tuple[str, hb.Action]]:
        """The new actions of the event that was just handled, each with its TaskTracker."""
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
        self.clock.after(delay, action)

    def chance(self, probability: float) -> bool:
        return self.faulty and self.rng.random() < probability

    @property
    def faulty(self) -> bool:
        return self.clock.elapsed < self.faults.until

    def note(self, text: str) -> None:
        self.history.append(f"{self.clock.elapsed:8.3f} {text}")
        del self.history[:-400]

    def latency(self) -> float:
        return self.rng.uniform(0.001, 0.02)
