"""A world whose JobTracker is killed now and then, and comes back from its journal.

It dies between two events or during one: before the journal was written, or before all later
commands were carried out. With `power`, the last writes that were not synced are lost as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.journal_records import (
    KINDS,
    Key,
    Record,
    WriteRecords,
)
from mrmesos.jobtracker.core.model.task import TaskState
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.faults.machines import FaultyTracker
from mrmesos.simulator.faults.world import FaultWorld
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.job import JobReport

LIVES = 12
PLANNERS = (cmd.PlanJob, cmd.CommitJob, cmd.AbortJob, cmd.PrepareChain, cmd.CleanChain)
"""The commands whose answers come from threads of the JobTracker's process. The answers die with
it.
"""


class Killed(Exception):
    """The JobTracker's process has died."""


class CrashingWorld(FaultWorld):
    """`crash` is the chance of death at each event. `removed` is the chance that Mesos' failover
    timeout ends.
    """

    planning = False

    def __init__(
        self,
        seed: int,
        faults: FaultPlan | None = None,
        *,
        crash: float = 0.004,
        power: float = 0.0,
        removed: float = 0.0,
        jobs: int = 0,
    ) -> None:
        super().__init__(seed, faults, jobs=jobs)
        self.core = JobTracker(self.conf, self.core.st.stamp, journal=True)
        self.crash, self.power, self.removed = crash, power, removed
        self.life = 0
        self.down = False
        self.framework = "framework"
        self.journal: dict[Key, Record] = {}
        self.unsynced: list[WriteRecords] = []
        self.dies_in: int | None = None  # after this many commands from now

    # --- Death

    def tell(self, event: ev.Event) -> None:
        if self.down:
            return
        dies = self.life < LIVES and self.chance(self.crash)
        self.dies_in = self.rng.choice([0, 0, 1, 1, 2, 5, 1000]) if dies else None
        try:
            super().tell(event)
        except Killed:
            self.die(whole=False)
        else:
            if dies:
                self.die(whole=True)

    def die(self, *, whole: bool) -> None:
        """`whole`: its last event is in the journal, so its whole state must come back."""
        self.note("=== killed")
        self.down, self.connected = True, False
        for offer_id in list(self.offers):
            self.take_back(offer_id)
        power = self.chance(self.power)
        kept = self.rng.randint(0, len(self.unsynced)) if power else len(self.unsynced)
        if kept < len(self.unsynced):
            self.note(f"=== {len(self.unsynced) - kept} writes are lost")
        for write in self.unsynced[:kept]:
            apply(self.journal, write)
        before = whole and kept == len(self.unsynced)
        self.unsynced.clear()
        known = picture(self.core) if before else None
        self.away.clear()  # Mesos repeats it
        self.at(self.rng.uniform(0.1, 6.0), lambda: self.start_anew(known))

    def start_anew(self, known: list[object] | None) -> None:
        self.life += 1
        self.memory.clear()  # a loss of power may undo the last raise
        self.note(f"=== life {self.life}")
        self.down, self.dies_in = False, None
        self.core = JobTracker(self.conf, f"2026112012{self.life:02d}", journal=True)
        commands = self.core.restore(reread(self.journal), self.now, life=self.life)
        self.core.validate()
        if known is not None:
            for was, now in zip(known, picture(self.core), strict=True):
                assert now == was, f"{now}\n is not\n{was}"
        for command in commands:
            self.note(f"   <- {command}")
            self.carry_out(command)
        for status in queries.job_statuses(self.core.st):
            if status.state.ended and status.job_id not in self.ended:
                self.ended.add(status.job_id)
                self.check_ended(status.job_id)
        self.submit_again()
        if self.chance(self.removed):
            for tracker in list(self.trackers.values()):
                self.executor_ended(tracker)
            self.unacked.clear()
            self.framework = f"framework {self.life}"
            self.tell(ev.FrameworkRemoved())
            assert not self.core.st.cluster.slots
        self.register()

    def submit_again(self) -> None:
        """Clients submit again what the JobTracker never answered."""
        for job_id in [j for j in self.specs if queries.job_status(self.core.st, j) is None]:
            del self.specs[job_id]
            self.at(0.5, self.submit)

    # --- State that dies with it, and state that it finds

    def carry_out(self, command: cmd.Command) -> None:
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in < 0:
                raise Killed
        match command:
            case WriteRecords():
                self.unsynced.append(command)
                if command.sync:
                    for write in self.unsynced:
                        apply(self.journal, write)
                    self.unsynced.clear()
            case _ if isinstance(command, PLANNERS):
                self.planning = True
                super().carry_out(command)
                self.planning = False
            case _:
                super().carry_out(command)

    def at(self, delay: float, action: Callable[[], None]) -> None:
        if self.planning:
            action = partial(self.if_alive, self.life, action)
        super().at(delay, action)

    def if_alive(self, life: int, action: Callable[[], None]) -> None:
        if life == self.life and not self.down:
            action()

    def commit(self, command: cmd.CommitJob) -> None:
        if command.job_id in self.committed:  # but the JobTracker died before it heard that
            self.tell(ev.JobCommitted(command.job_id))
        else:
            super().commit(command)

    def hear(self, tracker: FaultyTracker, beat: hb.Heartbeat) -> None:
        if not self.down:
            super().hear(tracker, beat)

    def act(self, tracker: FaultyTracker, action: hb.Action) -> None:
        if isinstance(action, hb.ForgetJob) and Key(action.job_id, "ended", "") in self.journal:
            # also if the JobTracker died during the end of the job
            tracker.outputs.pop(action.job_id, None)
        else:
            super().act(tracker, action)

    def register(self) -> None:
        if not self.down:
            super().register()

    def tick(self) -> None:
        if self.down:
            self.at(0.5, self.tick)
        else:
            super().tick()

    def submit(self) -> None:
        if self.down:
            self.at(1.0, self.submit)
        else:
            super().submit()

    @property
    def alive(self) -> bool:
        return not self.down

    def move_job(self, job_id: str) -> None:
        if not self.down:
            super().move_job(job_id)

    def spoil(self, name: str) -> None:
        if not self.down:
            super().spoil(name)

    def kill_job(self, job_id: str) -> None:
        if not self.down and job_id in self.specs:
            super().kill_job(job_id)


def apply(journal: dict[Key, Record], write: WriteRecords) -> None:
    """Change a dict as a journal changes its file."""
    for job_id in write.drop_jobs:
        for key in [key for key in journal if key.job == job_id]:
            del journal[key]
    for key in write.drop:
        journal.pop(key, None)
    for record in write.put:
        journal[record.filed_as] = record


def reread(journal: dict[Key, Record]) -> list[Record]:
    """The records, encoded to bytes and decoded again."""
    return [
        msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=KINDS[key.kind])
        for key, record in journal.items()
    ]


def picture(core: JobTracker) -> list[object]:
    """The state that a restored core must share with the core before it."""
    jobs: list[object] = []
    st = core.st
    for job in st.jobs.values():
        if job.spec.queue and job.maps.done + job.maps.dropped == len(job.maps.tasks):
            continue  # it takes no task after a restart, so it ends
        tasks = [
            (task.id, task.state, task.winner and task.winner.id, [a.id for a in task.running])
            for task in (*job.maps.tasks, *job.reduces.tasks)
            if task.state is not TaskState.DROPPED
        ]
        reports: JobReport | None = queries.job_report(core.st, job.id)
        assert reports is not None
        ended = [(a.id, a.state, a.start, a.end) for a in reports.attempts]
        failures = [
            (t.failures, t.losses)
            for t in (*job.maps.tasks, *job.reduces.tasks)
            if t.state is not TaskState.DROPPED
        ]
        if job.needs_map_outputs:
            jobs.append(
                {i: o for i, o in job.outputs.by_map.items() if i not in job.outputs.absent}
            )
            jobs.append(job.outputs.absent)
        won = sorted(
            (g, n, v) for g, names in job.counters.won.items() for n, v in names.items() if v
        )
        jobs.append((job.id, job.state, tasks, ended, failures, won))
        jobs.append((job.settings.priority, job.settings.pool, job.spec.raised))
        jobs.append(
            (
                job.counters.own,
                set(job.running),
                job.ending.error,
                job.ending.killed_by,
                job.started,
            )
        )
    trackers = {t.id: (t.url, t.agent_id, set(t.slots)) for t in st.cluster.trackers.values()}
    outputs = {
        (t.id, job_id): held
        for t in st.cluster.trackers.values()
        for job_id, held in t.outputs.items()
        if held and job_id in st.jobs
    }
    # A job of a queue that has no task to run ends with the JobTracker.
    over = [status for status in st.ended.statuses() if not status.queue]
    ended_jobs = [queries.job_report(core.st, s.job_id) for s in over]
    queues = [
        (
            q.id,
            q.state,
            q.highest,
            list(q.ends.values()),
            {k: t.dropped for k, t in q.tasks.items()},
        )
        for q in st.queues.live.values()
    ]
    chains = [
        (chain.id, chain.state, [(s.job_id, s.state) for s in chain.steps], chain.error)
        for chain in st.chains.live.values()
    ]
    return [
        jobs,
        chains,
        queues,
        {name: held for name, held in st.index.shared.held.items() if held},
        trackers,
        outputs,
        set(st.cluster.slots),
        ended_jobs,
        st.subscription.framework_id,
    ]
