"""The simulated TaskTrackers of one framework: slots, attempts, heartbeats, and their ends.

While the core's commands are carried out, nothing here gives the core an event. The effects of a
command come by the clock, after the delay of a message.
"""

from __future__ import annotations

from collections.abc import Callable

from mrmesos import conf as c
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.commands import SlotLaunch, WarmTrackerLaunch
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.resources import total
from mrmesos.simulator.attempts import Attempts
from mrmesos.simulator.master import Account, SimulatedAgent
from mrmesos.simulator.metered import MeteredSlot, MeteredTracker, SimJob
from mrmesos.simulator.scene import Scene
from mrmesos.simulator.spec import as_text
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.task import AttemptState


class MeteredTrackers(Attempts):
    """Carries out launches and actions."""

    def __init__(
        self,
        scene: Scene,
        account: Account,
        tell: Callable[[ev.Event], None],
        jobs: dict[str, SimJob],
    ) -> None:
        super().__init__(scene, tell, jobs)
        self._master = scene.master
        self._account = account
        self._delay = scene.spec.mesos.update_delay
        self.on_agent: dict[str, tuple[str, ...]] = {}
        """Living TaskTrackers, as an offer names them."""
        expiry = Conf(as_text(self.spec.conf)).get_as(c.TASKTRACKER_EXPIRY_SECONDS)
        self._longest = min(self.spec.trackers.heartbeat, expiry / 2)
        self.clock.after(self._longest / 4, self._sweep)

    # --- Slots -----------------------------------------------------------------------------------

    def launch(self, launch: SlotLaunch | WarmTrackerLaunch) -> None:
        """Launch a Mesos task, and its executor if it does not run yet."""
        agent = self._master.agents[launch.agent_id]
        tracker = self.trackers.get(launch.tracker_id)
        if tracker is None:
            tracker = self._new_tracker(launch, agent)
        amounts = total(launch.resources)
        now = self.clock.now
        first = launch.first if isinstance(launch, SlotLaunch) else None
        slot = MeteredSlot(launch.slot_id, tracker, amounts, first, now, idle_since=now)
        self._master.use(self._account, agent, amounts)
        self.meter.cpus_held += amounts.get("cpus", 0)
        self.staged(slot, self.spec.mesos.launch_delay)

    def came_to_run(self, slot: MeteredSlot) -> None:
        """See Executors."""
        self.meter.started(slot.amounts, self.clock.now - slot.launched)
        slot.idle_since = self.clock.now

    def released(self, slot: MeteredSlot) -> None:
        """See Executors."""
        now, amounts = self.clock.now, slot.amounts
        if slot.running is not None:
            self.stop(slot.running, AttemptState.KILLED)
        if slot.up:
            self.meter.idled(amounts, now - slot.idle_since)
        else:
            self.meter.started(amounts, now - slot.launched)
        self.idle.pop(slot.id, None)
        self.meter.cpus_held -= amounts.get("cpus", 0)
        self._master.give_back(self._account, slot.tracker.agent, amounts)

    def update(self, slot_id: str, agent_id: str, state: str, reason: str = "") -> None:
        """See Executors. Updates are never lost, so they need no acknowledgement and no uuid."""
        self.tell(slot_updated(slot_id, agent_id, state, reason))

    def answer(self, slot_id: str, agent_id: str, state: str) -> None:
        """See Executors."""
        update = slot_updated(slot_id, agent_id, state, "REASON_RECONCILIATION")
        self.clock.after(self._delay, self.tell, update)

    def soon(self, action: Callable[[MeteredSlot], None], slot: MeteredSlot) -> None:
        """See Executors."""
        self.clock.after(self._delay, action, slot)

    def _finished(self, slot: MeteredSlot) -> None:
        self.end_slot(slot, "TASK_FINISHED")

    # --- Actions ---------------------------------------------------------------------------------

    def answered(self, tracker_id: str, actions: tuple[hb.Numbered, ...]) -> None:
        """The answer to a TaskTracker's heartbeat."""
        tracker = self.trackers.get(tracker_id)
        if tracker is not None:
            self.receive(tracker, actions)

    def act(self, tracker: MeteredTracker, action: hb.Action) -> None:
        """See Executors."""
        match action:
            case hb.RunAttempt():
                slot = tracker.slots.get(action.attempt.slot_id)
                if slot is not None:
                    self.meter.further += 1
                    self.begin(slot, action.attempt)
            case hb.EndSlot():
                slot = tracker.slots.get(action.slot_id)
                if slot is not None:
                    self.meter.slots_ended += 1
                    self.idle.pop(slot.id, None)
                    self.soon(self._finished, slot)
            case hb.MapOutputs():
                pass  # reduces look at the job's own record of map outputs
            case hb.KillAttempt():
                self._kill_attempt(tracker, action.attempt_id)
            case hb.ForgetJob():
                tracker.outputs.pop(action.job_id, None)
            case hb.Leave():
                self.clock.after(self._delay, self.executor_ended, tracker)

    def _kill_attempt(self, tracker: MeteredTracker, attempt_id: str) -> None:
        for slot in tracker.slots.values():
            if slot.running is not None and slot.running.id == attempt_id:
                self.clock.after(self._delay, self.killed, slot.running)

    # --- TaskTrackers ----------------------------------------------------------------------------

    def _new_tracker(
        self, launch: SlotLaunch | WarmTrackerLaunch, agent: SimulatedAgent
    ) -> MeteredTracker:
        own = total(launch.tracker_resources)
        tracker = MeteredTracker(launch.tracker_id, agent, own, self.clock.now)
        self._master.use(self._account, agent, own)
        self.on_agent[agent.id] = (*self.on_agent.get(agent.id, ()), tracker.id)
        self.meter.trackers_started += 1
        self.meter.trackers += 1
        self.new_executor(tracker, self.spec.trackers.startup * self.rng.uniform(0.8, 1.2))
        return tracker

    def comes_up(self) -> bool:
        """See Executors."""
        chance = self.spec.failures.tracker_start
        return not (chance and self.rng.random() < chance)

    def came_up(self, tracker: MeteredTracker) -> None:
        """See Executors. Further heartbeats come with reports, or by `_sweep`."""
        self.beat(tracker)

    def gone(self, tracker: MeteredTracker) -> None:
        """See Executors."""
        del self.trackers[tracker.id]
        self.lose_outputs(tracker)
        agent = tracker.agent
        rest = tuple(name for name in self.on_agent[agent.id] if name != tracker.id)
        if rest:
            self.on_agent[agent.id] = rest
        else:
            del self.on_agent[agent.id]
        self.meter.trackers -= 1
        self.meter.tracked(tracker.own, self.clock.now - tracker.launched)
        self._master.give_back(self._account, agent, tracker.own)

    def tell_lost(self, tracker: MeteredTracker) -> None:
        """See Executors."""
        self.tell(ev.TrackerLost(tracker.id, tracker.agent.id, 0))

    def shut_down(self, tracker_id: str) -> None:
        """A framework message to the executor: end."""
        tracker = self.trackers.get(tracker_id)
        if tracker is not None:
            self.clock.after(self._delay, self.executor_ended, tracker)

    def agent_gone(self, agent: SimulatedAgent) -> None:
        """A machine is lost. The master reports that when it has noticed."""
        for tracker_id in self.on_agent.get(agent.id, ()):
            self.take_down(self.trackers[tracker_id])
        self.clock.after(self.spec.mesos.agent_timeout, self.tell, ev.AgentLost(agent.id))

    def _sweep(self) -> None:
        """Send heartbeats of TaskTrackers that had nothing to report for long."""
        before = self.clock.now - self._longest * 3 / 4
        for tracker in list(self.trackers.values()):
            if tracker.up and tracker.spoke <= before:
                self.beat(tracker)
        self.clock.after(self._longest / 4, self._sweep)
