"""A world with one agent whose heartbeats do not reach the JobTracker, although Mesos sees it."""

from __future__ import annotations

import math
from functools import partial

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.faults.machines import FaultyAgent, FaultyTracker
from mrmesos.simulator.faults.world import FaultWorld
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import JobState

MOST_LOST = 30.0
EXPIRY = 120.0


class UnheardWorld(FaultWorld):
    """A world without faults, except that the JobTracker does not hear one agent any more, for a
    while or for good.

    Every agent is large enough for every task. So every task can run on another agent, too.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed, FaultPlan(), agents=2 + seed % 3, jobs=1 + seed % 2)
        conf = {"scheduler": self.rng.choice(["fifo", "fair"])}
        self.core = JobTracker(Conf(conf), self.core.st.stamp)  # silence and expiry by default
        self.roles, self.warm_trackers = ("*",), 0
        self.lost: FaultyAgent | None = None
        # tasks that run only on the unheard agent, and since when
        self.waits: dict[str, float] = {}
        for agent in self.agents.values():
            agent.free, agent.disk = {"cpus": 2000, "mem": 4096_000}, "ssd"
        self.at(self.rng.uniform(1, 40), self.cut_one)

    def cut_one(self) -> None:
        self.lost = self.rng.choice([agent for agent in self.agents.values() if agent.alive])
        self.lost.unheard_until = math.inf
        self.note(f"=== {self.lost.id} is not heard any more")
        if self.rng.random() < 0.3:
            self.at(self.rng.uniform(2, 200), partial(self.heal, self.lost))

    def heal(self, agent: FaultyAgent) -> None:
        self.note("=== all is well")
        self.lost, agent.unheard_until = None, 0.0

    def beat(self, tracker: FaultyTracker) -> None:
        if not tracker.gone and self.now - tracker.answered <= EXPIRY:
            self.heartbeat(tracker)
            self.at(1.0, partial(self.beat, tracker))
        elif not tracker.gone:
            self.executor_ended(tracker)

    def tick(self) -> None:
        super().tick()
        waits = dict[str, float]()
        heard = [a.start for a in self.core.st.attempts.values() if not self.unheard(a)]
        turn = max(heard, default=0.0)  # while other tasks progress, it may be their turn
        for job in self.core.st.jobs.values():
            for task in (
                (*job.maps.tasks, *job.reduces.tasks) if job.state is JobState.RUNNING else ()
            ):
                mapped = task.kind is TaskKind.MAP or job.maps.over is not None
                if task.running and mapped and all(map(self.unheard, task.running)):
                    waits[task.id] = max(turn, self.waits.get(task.id, self.now))
        self.waits = waits
        for name, since in waits.items():
            assert self.now - since <= MOST_LOST, f"{name} waits for one that nobody hears"

    def unheard(self, attempt: TaskAttempt) -> bool:
        return self.lost is not None and attempt.agent_id == self.lost.id

    def run(self) -> None:
        super().run()
        assert len(self.committed) == self.jobs_wanted
