"""Attempts on simulated TaskTrackers: how long they take, how they end, and their reports."""

from __future__ import annotations

from collections.abc import Callable

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.simulator.executors import Executors
from mrmesos.simulator.metered import MeteredSlot, MeteredTracker, Running, SimJob
from mrmesos.simulator.scene import Scene
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptReport,
    AttemptState,
    ErrorKind,
    Locality,
    MapTask,
    ReduceTask,
)

LAST_OF_FETCH = 0.1
"""The part of a reduce's fetching that must wait for the end of the last map."""

_BOOM = AttemptError(kind=ErrorKind.USER_CODE, message="a simulated failure")


class Attempts(Executors[MeteredTracker, MeteredSlot]):
    """Begins and ends attempts, and sends the heartbeats that report this."""

    def __init__(
        self, scene: Scene, tell: Callable[[ev.Event], None], jobs: dict[str, SimJob]
    ) -> None:
        super().__init__(scene.clock)
        self.spec = scene.spec
        self.meter = scene.meter
        self.rng = scene.rng
        self.tell = tell
        self.jobs = jobs
        self.idle: dict[str, MeteredSlot] = {}
        """Slots that have no attempt and were not told to end: the core holds them."""
        self._durations = scene.durations
        self._rack_of = scene.storage.rack_of

    def begin(self, slot: MeteredSlot, attempt: Attempt) -> None:
        """Start an attempt in a slot that has none."""
        if slot.running is not None:
            raise AssertionError(f"{slot.id} runs {slot.running.id} already")
        now, job, task = self.clock.now, self.jobs[attempt.job_id], attempt.task
        agent = slot.tracker.agent
        meter = self.meter
        meter.idled(slot.amounts, now - slot.idle_since)
        meter.attempts += 1
        meter.cpus_used += slot.amounts.get("cpus", 0)
        self.idle.pop(slot.id, None)
        job.attempts += 1
        if isinstance(task, MapTask):
            number = int(attempt.attempt_id.split("_")[4])
            running = Running(attempt.attempt_id, slot, job, TaskKind.MAP, number, now)
            locality = self._locality(task.split.hosts, slot)
            if task.split.hosts:
                job.localities[locality] += 1
            seconds = self._durations.map(job.work, job.map_mb(number), locality)
        else:
            assert isinstance(task, ReduceTask), "the simulator has no free tasks"
            running = Running(attempt.attempt_id, slot, job, TaskKind.REDUCE, task.partition, now)
            seconds = self._durations.fetch(job.work)
            running.rest = self._durations.reduce(job.work)
        seconds *= agent.slowness
        running.rest *= agent.slowness
        slot.running = running
        running.expected = seconds + running.rest
        if agent.failing and self.rng.random() < agent.failing:
            running.fails = True
            self.clock.after(running.expected * self.rng.random(), self._ended, running)
        elif running.kind is TaskKind.MAP:
            self.clock.after(seconds, self._ended, running)
        elif job.maps_done:
            self.clock.after(seconds, self._fetched, running)
        else:
            job.waiting.append(running)
            running.stalled_since = now

    def _locality(self, hosts: tuple[str, ...], slot: MeteredSlot) -> Locality:
        agent = slot.tracker.agent
        if agent.hostname in hosts:
            return Locality.NODE_LOCAL
        for host in hosts:
            if self._rack_of[host] == agent.rack:
                return Locality.RACK_LOCAL
        return Locality.ANY

    # --- Reduces ---------------------------------------------------------------------------------

    def _fetched(self, running: Running) -> None:
        if running.over:
            return
        if running.job.maps_done:
            self.clock.after(running.rest, self._ended, running)
        else:  # an output was lost in the meantime
            running.stalled_since = self.clock.now
            running.job.waiting.append(running)

    def _maps_done(self, job: SimJob) -> None:
        """Reduces that waited for the last map can fetch the rest."""
        waiting, job.waiting = job.waiting, []
        for running in waiting:
            if running.over:
                continue
            waited = self.clock.now - running.stalled_since
            self.meter.stalled(running.slot.amounts, waited)
            fetch = self._durations.fetch(job.work) * running.slot.tracker.agent.slowness
            self.clock.after(max(fetch - waited, fetch * LAST_OF_FETCH), self._fetched, running)

    def lose_outputs(self, tracker: MeteredTracker) -> None:
        """Map outputs went with their TaskTracker."""
        for job_id, indexes in tracker.outputs.items():
            job = self.jobs.get(job_id)
            if job is not None:
                job.available.difference_update(indexes)
        tracker.outputs.clear()

    # --- Ends ------------------------------------------------------------------------------------

    def killed(self, running: Running) -> None:
        """The core wants this attempt ended."""
        self._end(running, AttemptState.KILLED)

    def _ended(self, running: Running) -> None:
        self._end(running, AttemptState.FAILED if running.fails else AttemptState.SUCCEEDED)

    def _end(self, running: Running, state: AttemptState) -> None:
        if running.over:
            return
        slot, job = running.slot, running.job
        tracker = slot.tracker
        self.stop(running, state)
        self.idle[slot.id] = slot
        if state is AttemptState.SUCCEEDED and running.kind is TaskKind.MAP and job.work.reduces:
            if running.index not in job.available:
                job.available.add(running.index)
                tracker.outputs.setdefault(job.id, []).append(running.index)
            if job.waiting and job.maps_done:
                self._maps_done(job)
        report = AttemptReport(
            attempt_id=running.id,
            slot_id=slot.id,
            state=state,
            started=running.began,
            ended=self.clock.now,
            error=_BOOM if state is AttemptState.FAILED else None,
        )
        self.beat(tracker, [report])

    def stop(self, running: Running, state: AttemptState) -> None:
        """An attempt no longer runs."""
        running.over = True
        slot, now = running.slot, self.clock.now
        slot.running, slot.idle_since = None, now
        meter = self.meter
        meter.attempts -= 1
        meter.cpus_used -= slot.amounts.get("cpus", 0)
        meter.attempts_ended[state] = meter.attempts_ended.get(state, 0) + 1
        succeeded = state is AttemptState.SUCCEEDED
        meter.busy(slot.amounts, now - running.began, wasted=not succeeded)

    # --- Heartbeats ------------------------------------------------------------------------------

    def beat(self, tracker: MeteredTracker, reports: list[AttemptReport] | None = None) -> None:
        """Send a heartbeat. It has progress only if it reports nothing else."""
        tracker.sequence += 1
        tracker.spoke = self.clock.now
        self.tell(
            ev.HeartbeatReceived(
                hb.Heartbeat(
                    tracker_id=tracker.id,
                    agent_id=tracker.agent.id,
                    hostname=tracker.agent.hostname,
                    url=tracker.url,
                    sequence=tracker.sequence,
                    acknowledged=tracker.done,
                    slots=list(tracker.slots),
                    reports=reports or [],
                    progress=[] if reports else self._progress(tracker),
                )
            )
        )

    def _progress(self, tracker: MeteredTracker) -> list[AttemptProgress]:
        now = self.clock.now
        return [
            AttemptProgress(
                attempt_id=running.id,
                progress=min(0.99, (now - running.began) / max(running.expected, 0.001)),
            )
            for slot in tracker.slots.values()
            if (running := slot.running) is not None
        ]
