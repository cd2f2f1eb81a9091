"""Worlds in which two hosts cease to reach each other, and there are few other faults.

There are two, three or five hosts. Any pair of them is cut, in one direction or both, for 25 s or
for good. In half of the worlds segments are damaged as well. Every job that some placement can
finish must end within END_SECONDS of the cut, and nothing waits without a reason. Each damaged
segment adds the time in which one map output is made again.
"""

from __future__ import annotations

import math

from mrmesos.jobtracker.core.handlers.deadlines import STUCK_SECONDS
from mrmesos.jobtracker.core.handlers.fetch_failures import STANDS_SECONDS
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.faults.machines import FaultyTracker
from mrmesos.simulator.faults.mesos import ALLOCATION_SECONDS
from mrmesos.simulator.faults.trackers import BEAT_SECONDS, FETCH_SECONDS
from mrmesos.simulator.faults.world import TICK_SECONDS, FaultWorld
from mrmesos.wire.job import JobState
from mrmesos.wire.task import Attempt, AttemptState

END_SECONDS = 60.0
ATTEMPT_SECONDS = 1.0
"""The longest time that an attempt takes here."""
AGAIN_SECONDS = (
    (FETCH_SECONDS + BEAT_SECONDS)  # until the JobTracker hears of a damaged segment
    + (STUCK_SECONDS + TICK_SECONDS)  # until a reduce makes room for the map
    + ALLOCATION_SECONDS  # until the room is offered, besides the filter of an earlier offer
    + 2 * ATTEMPT_SECONDS  # the map and the reduce run again
)
"""The longest time that a damaged segment and the filter cost. If one host alone runs all reduces
in one slot, it finds one damaged segment after the other.
"""
UNTOLD_SECONDS = STANDS_SECONDS + TICK_SECONDS
"""The same if TaskTrackers cannot distinguish damage from silence. It is longer, because the
complaint must stand for some time.
"""
REASON_SECONDS = 6.0
"""If a reduce could not fetch for this long, the core must know that it waits."""


class ReachWorld(FaultWorld):
    """One seed's history; the first seeds go through the kinds in turn."""

    def __init__(
        self, seed: int, hosts: int = 0, jobs: int = 2, faults: FaultPlan | None = None
    ) -> None:
        damage = 0.02 if seed // 6 % 2 else 0.0
        super().__init__(
            seed, faults or FaultPlan(until=25.0, damage=damage), hosts or (2, 3, 5)[seed % 3], jobs
        )
        self.cut_at = math.inf
        self.cut_seconds = (25.0, math.inf)[seed // 3 % 2]
        self.end_seconds = END_SECONDS
        """Within this time of the cut every job ends, if no segment is damaged."""
        self.submitted: dict[str, float] = {}
        self.took: list[float] = []

    @property
    def limit(self) -> float:
        """Within this time of the cut every job ends."""
        again = AGAIN_SECONDS + self.core.st.settings.refuse_busy
        if not self.tells_damage:
            again += UNTOLD_SECONDS
        return self.end_seconds + len(self.damaged) * again

    def cut_now(self) -> None:
        self.cut_at = self.now
        self.cut(self.cut_seconds)

    def seconds(self, _tracker: FaultyTracker, _attempt: Attempt) -> float:
        return self.rng.uniform(0.05, ATTEMPT_SECONDS)

    def submit(self) -> None:
        before = set(self.specs)
        super().submit()
        if not before:
            self.at(self.rng.uniform(0.0, 8.0), self.cut_now)
        for job_id in self.specs.keys() - before:
            self.submitted[job_id] = self.now

    def check_ended(self, job_id: str) -> None:
        super().check_ended(job_id)
        status = queries.job_status(self.core.st, job_id)
        assert status is not None
        assert status.state is JobState.SUCCEEDED, status.error
        if self.cut_at < math.inf:
            self.took.append(self.now - max(self.cut_at, self.submitted[job_id]))

    def tick(self) -> None:
        super().tick()
        for job in self.core.st.jobs.values():
            if job.state is JobState.RUNNING and self.cut_at < self.now:
                since = max(self.cut_at, self.submitted[job.id])
                assert self.now - since < self.limit, f"{job.id} is not over: {job.waits.words}"
        self.look_for_reasons()

    def look_for_reasons(self) -> None:
        """If a reduce cannot fetch an announced output, the core knows it, and the job says so."""
        for reduce in self.core.st.attempts.values():
            job = self.core.st.jobs[reduce.task.job_id]
            tracker = self.trackers.get(reduce.tracker_id)
            if tracker is None or tracker.gone or reduce.kill_asked or not job.needs_map_outputs:
                continue
            announced = {output.attempt_id for output in job.outputs.by_map.values()}
            for name, since in tracker.failing.get(reduce.id, {}).items():
                long = self.now - since > REASON_SECONDS and name in announced
                assert job.waits.words or not long, f"{reduce.id} waits for {name} without a reason"


class SilentWorld(ReachWorld):
    """Here the JobTracker and one agent's TaskTrackers do not reach each other, while Mesos sees
    the agent. The rest is as above.
    """

    def random_job(self) -> tuple[int, int, dict[str, str]]:
        maps, reduces, conf = super().random_job()
        # otherwise it may have no host to go to
        return maps, reduces, {**conf, "job.constraints": ""}

    def cut(self, seconds: float) -> None:
        agent = self.rng.choice(list(self.agents.values()))
        agent.unheard_until = self.now + seconds
        self.note(f"=== {agent.hostname} is not heard for {seconds} s")

    def look_for_reasons(self) -> None:
        pass  # the JobTracker cannot know which outputs reduces there cannot fetch


class SmallWorld(ReachWorld):
    """One job on hosts of one slot each. The cut comes once a reduce runs and some maps are done.
    `pairs`: the first host cannot fetch from the second (both are numbers). `damaged`: segments of
    the first attempts, (map, partition).
    """

    def __init__(
        self,
        seed: int,
        hosts: int,
        *,
        pairs: tuple[tuple[int, int], ...] = (),
        lasts: float = math.inf,
        damaged: tuple[tuple[int, int], ...] = (),
        maps: int = 4,
        reduces: int = 2,
    ) -> None:
        self.size = maps, reduces
        self.pairs, self.segments = pairs, damaged
        super().__init__(seed, hosts, 1, FaultPlan(until=0.0))
        self.cut_seconds = lasts
        self.slow = ""

    def add_agent(self, disk: str = "ssd", hostname: str = "") -> None:
        super().add_agent(disk, hostname)
        agent = list(self.agents.values())[-1]
        agent.free.update(cpus=1000, mem=2048_000)

    def random_job(self) -> tuple[int, int, dict[str, str]]:
        maps, reduces, conf = super().random_job()
        maps, reduces = self.size
        more = {"map.cpus": "1", "reduce.cpus": "1", "job.reduce.slowstart.completedmaps": "0.5"}
        return maps, reduces, {**conf, **more, "job.constraints": "", "map.speculative": "false"}

    def seconds(self, tracker: FaultyTracker, attempt: Attempt) -> float:
        """One map is slow, and while it runs the other hosts have begun with the reduces."""
        if not self.slow or attempt.attempt_id == self.slow:
            self.slow = attempt.attempt_id
            return 6.0
        return super().seconds(tracker, attempt)

    def cut(self, seconds: float) -> None:
        hosts = [agent.hostname for agent in self.agents.values()]
        for reader, source in self.pairs:
            self.cuts[hosts[reader], hosts[source]] = self.now + seconds

    def finish(self, tracker: FaultyTracker, attempt_id: str, state: AttemptState) -> None:
        super().finish(tracker, attempt_id, state)
        for index, partition in self.segments:
            if attempt_id.endswith(f"_m_{index:06d}_0"):
                self.damaged.add((attempt_id, partition))
