"""The shell around one production core: events in, commands carried out in the simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time

from mrmesos import conf as c
from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.durations import ideal
from mrmesos.simulator.job_spec import simulated_job
from mrmesos.simulator.machines import resources
from mrmesos.simulator.master import Account, SimulatedAgent
from mrmesos.simulator.meter import Ended
from mrmesos.simulator.metered import SimJob
from mrmesos.simulator.metered_trackers import MeteredTrackers
from mrmesos.simulator.scene import Scene
from mrmesos.simulator.spec import MB, as_text
from mrmesos.simulator.workload import Work
from mrmesos.wire.job import JobState

FULL_SECONDS = 10.0
"""If a JobTracker has too many jobs, a client waits this long before it submits again."""

MASTER_SPEAKS_SECONDS = 15.0
"""Mesos' DEFAULT_HEARTBEAT_INTERVAL."""

TIMED_FIRST, TIMED_EVERY = 256, 16
"""We measure the CPU time of the first events of each kind, and then of each TIMED_EVERY-th."""


class Framework:
    """One JobTracker, a Mesos framework."""

    def __init__(self, scene: Scene, number: int) -> None:
        spec = scene.spec
        self.account = Account(number, spec.frameworks.weight, spec.mesos.static_partitions)
        self.jobs: dict[str, SimJob] = {}
        self._scene = scene
        self._clock = scene.clock
        self._master = scene.master
        self._meter = scene.meter
        conf = {c.TASKTRACKER_SILENCE_SECONDS.name: str(2 * spec.trackers.heartbeat)}
        self._core = JobTracker(Conf({**conf, **as_text(spec.conf)}), f"2026112011{number:02d}")
        self._trackers = MeteredTrackers(scene, self.account, self.tell, self.jobs)
        self._woken: list[str] = []
        self._master_spoke = 0.0
        self._ticks_soon = False
        self._clock.after(0.0, self._register)

    @property
    def quiet(self) -> bool:
        """Whether all submitted jobs have ended, and nothing is held."""
        return not self.jobs and not self._trackers.trackers

    def agent_gone(self, agent: SimulatedAgent) -> None:
        """A machine is lost, with everything that runs there."""
        self._trackers.agent_gone(agent)

    # --- The core --------------------------------------------------------------------------------

    def tell(self, event: ev.Event) -> None:
        """Give the core an event, and carry out its commands."""
        for command in self._timed(event):
            self._execute(command)
        if not self._woken:
            return
        woken, self._woken = self._woken, []
        for tracker_id in woken:  # each has a held heartbeat, until it is forgotten
            if (tracker := self._trackers.trackers.get(tracker_id)) is not None:
                self.tell(ev.AnswerAsked(tracker_id, tracker.done))

    def _timed(self, event: ev.Event) -> list[cmd.Command]:
        """Let the core handle an event, and note the CPU time. Reading the clock of CPU time takes
        longer than most events. So if there are many events of a kind, we measure only each
        TIMED_EVERY-th.
        """
        name, meter = type(event).__name__, self._meter
        number = meter.core_events.get(name, 0)
        meter.core_events[name] = number + 1
        stands_for = 1 if number < TIMED_FIRST else TIMED_EVERY
        if number % stands_for:
            return self._core.handle(event, self._clock.now)
        begin = process_time()
        commands = self._core.handle(event, self._clock.now)
        spent = (process_time() - begin) * stands_for
        meter.core_seconds[name] = meter.core_seconds.get(name, 0.0) + spent
        return commands

    def _execute(self, command: cmd.Command) -> None:
        match command:
            case cmd.AnswerHeartbeat():
                self._trackers.answered(command.tracker_id, command.actions or ())
            case cmd.WakeTracker():
                self._woken.append(command.tracker_id)
            case cmd.AcceptOffers():
                self._accept(command)
            case cmd.DeclineOffers():
                self._decline(command)
            case cmd.Revive():
                self._master.revive(self.account)
            case cmd.Suppress():
                self._master.suppress(self.account)
            case cmd.PlanJob():
                self._clock.after(self._scene.spec.times.plan, self._planned, command.job_id)
            case cmd.CommitJob():
                committed = ev.JobCommitted(command.job_id)
                self._clock.after(self._scene.spec.times.commit, self.tell, committed)
            case cmd.AbortJob():
                aborted = ev.JobAborted(command.job_id)
                self._clock.after(self._scene.spec.times.commit, self.tell, aborted)
            case cmd.JobEnded():
                self._job_ended(command.job_id)
            case cmd.KillSlot():
                self._trackers.kill_slot(command.slot_id, command.agent_id)
            case cmd.ShutdownTracker():
                self._trackers.shut_down(command.tracker_id)
            case cmd.Reconcile():
                self._trackers.reconcile(command.slots)
            case cmd.ReadSandbox():
                pass  # there are no files here
            case _:
                raise AssertionError(f"the simulator does not know {command}")

    def _register(self) -> None:
        self.tell(ev.Registered(f"framework-{self.account.number}"))
        self._clock.after(self._scene.spec.frameworks.tick, self._tick)

    def _tick(self) -> None:
        times = self._scene.spec.frameworks
        if not self.quiet:
            if self._clock.now - self._master_spoke >= MASTER_SPEAKS_SECONDS:
                self._master_spoke = self._clock.now
                self.tell(ev.MasterHeard())
            self.tell(ev.Tick())
        self._clock.after(times.tick if self._trackers.idle else times.calm_tick, self._tick)

    # --- Offers ----------------------------------------------------------------------------------

    def offered(self, agents: Sequence[SimulatedAgent]) -> None:
        """The core answers in the same event."""
        self._meter.offers += len(agents)
        number = self.account.number
        offers = [agent.offers[number] or self._offer(agent) for agent in agents]
        self.tell(ev.OffersReceived(tuple(offers)))

    def _offer(self, agent: SimulatedAgent) -> ev.Offer:
        """An offer has its agent's id: the core answers it before there can be another."""
        offer = agent.offers[self.account.number] = ev.Offer(
            offer_id=agent.id,
            agent_id=agent.id,
            hostname=agent.hostname,
            resources=resources(agent.free),
            attributes=agent.attributes,
            rack=agent.attributes["rack"],
            executor_ids=self._trackers.on_agent.get(agent.id, ()),
        )
        return offer

    def _accept(self, command: cmd.AcceptOffers) -> None:
        for launch in command.tasks:
            self._trackers.launch(launch)
        self._meter.launches += len(command.tasks)
        self._master.refuse(self.account, command.offer_ids, command.refuse_seconds)

    def _decline(self, command: cmd.DeclineOffers) -> None:
        self._meter.declined += len(command.offer_ids)
        self._master.refuse(self.account, command.offer_ids, command.refuse_seconds)

    # --- Jobs ------------------------------------------------------------------------------------

    def submit(self, work: Work) -> None:
        """A user submits a job."""
        self._meter.jobs += 1
        self._submit((work, self._clock.elapsed))

    def _submit(self, what: tuple[Work, float]) -> None:
        if self._core.full:
            self._clock.after(FULL_SECONDS, self._submit, what)
            return
        work, since = what
        job_id = self._core.next_job_id()
        self.jobs[job_id] = SimJob(job_id, work, since)
        spec = simulated_job(work.name, job_id, work.reduces, work.conf)
        self.tell(ev.JobSubmitted(job_id, spec, "token"))

    def _planned(self, job_id: str) -> None:
        job = self.jobs[job_id]
        self.tell(ev.JobPlanned(job_id, self._splits(job)))
        if self.account.suppressed:
            # The core did not ask for offers now, because it did so a moment ago. Its tick will
            # ask. One tick asks for all jobs that came meanwhile.
            self._tick_soon()

    def _tick_soon(self) -> None:
        if not self._ticks_soon:
            self._ticks_soon = True
            self._clock.after(self._scene.spec.frameworks.tick, self._tick_once)

    def _tick_once(self) -> None:
        self._ticks_soon = False
        self.tell(ev.Tick())
        if self.account.suppressed and self._core.st.has_work():  # it asked a moment ago
            self._tick_soon()

    def _splits(self, job: SimJob) -> tuple[Split, ...]:
        """All splits of a job share one slice, because nobody reads it here."""
        work, storage = job.work, self._scene.storage
        slices = (FileSlice(f"sim://in/{work.name}", 0, -1),)
        match work.placement:
            case "hdfs":
                return tuple(
                    [
                        Split(slices, int(job.map_mb(i) * MB), storage.block())
                        for i in range(work.maps)
                    ]
                )
            case "one host":
                hosts = storage.one_host()
            case _:
                hosts = ()
        return tuple([Split(slices, int(job.map_mb(i) * MB), hosts) for i in range(work.maps)])

    def _job_ended(self, job_id: str) -> None:
        job = self.jobs.pop(job_id)
        status = queries.job_status(self._core.st, job_id)
        work, times = job.work, self._scene.spec.times
        self._meter.jobs -= 1
        self._meter.ended.append(
            Ended(
                name=work.name,
                framework=self.account.number,
                state=JobState.FAILED if status is None else status.state,
                submitted=job.submitted,
                ended=self._clock.elapsed,
                ideal=ideal(work, times, self._scene.slots),
                maps=work.maps,
                reduces=work.reduces,
                attempts=job.attempts,
                localities=job.localities,
            )
        )
