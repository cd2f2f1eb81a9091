"""The simulated TaskTrackers of one framework: slots, attempts, heartbeats, and their ends.

Nothing here tells the core anything while the core's commands are carried out: what follows from a
command comes by the clock, after the delay a message takes.
"""

from __future__ import annotations

from collections.abc import Callable

from mrmesos import conf as c
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.commands import SlotLaunch, SpareLaunch
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.resources import total
from mrmesos.simulator.attempts import Attempts
from mrmesos.simulator.machines import MeteredSlot, MeteredTracker, SimJob
from mrmesos.simulator.master import Account, SimulatedAgent
from mrmesos.simulator.scene import Scene
from mrmesos.simulator.spec import as_text
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.task import AttemptState


class Executors(Attempts):
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
        self.trackers: dict[str, MeteredTracker] = {}
        self.slots: dict[str, MeteredSlot] = {}
        self.on_agent: dict[str, tuple[str, ...]] = {}
        """Living TaskTrackers, as an offer names them."""
        expiry = Conf(as_text(self.spec.conf)).get_as(c.TASKTRACKER_EXPIRY_SECONDS)
        self._longest = min(self.spec.trackers.heartbeat, expiry / 2)
        self.clock.after(self._longest / 4, self._sweep)

    # --- Slots -----------------------------------------------------------------------------------

    def launch(self, launch: SlotLaunch | SpareLaunch) -> None:
        """A Mesos task, with its executor where that does not run yet."""
        agent = self._master.agents[launch.agent_id]
        tracker = self.trackers.get(launch.tracker_id)
        if tracker is None:
            tracker = self._new_tracker(launch, agent)
        amounts = total(launch.resources)
        now = self.clock.now
        first = launch.first if isinstance(launch, SlotLaunch) else None
        slot = MeteredSlot(launch.slot_id, tracker, amounts, first, now, idle_since=now)
        self._master.use(self._account, agent, amounts)
        self.slots[slot.id] = tracker.slots[slot.id] = slot
        self.meter.cpus_held += amounts.get("cpus", 0)
        if tracker.up:
            self.clock.after(self.spec.mesos.launch_delay, self._slot_up, slot)

    def _new_tracker(
        self, launch: SlotLaunch | SpareLaunch, agent: SimulatedAgent
    ) -> MeteredTracker:
        own = total(launch.tracker_resources)
        tracker = MeteredTracker(
            launch.tracker_id, agent, own, f"http://{launch.tracker_id}", self.clock.now
        )
        self._master.use(self._account, agent, own)
        self.trackers[tracker.id] = tracker
        self.on_agent[agent.id] = (*self.on_agent.get(agent.id, ()), tracker.id)
        self.meter.trackers_started += 1
        self.meter.trackers += 1
        startup = self.spec.trackers.startup * self.rng.uniform(0.8, 1.2)
        self.clock.after(startup, self._tracker_up, tracker)
        return tracker

    def _tracker_up(self, tracker: MeteredTracker) -> None:
        if tracker.gone:
            return
        chance = self.spec.failures.tracker_start
        if chance and self.rng.random() < chance:
            self._tracker_ended(tracker)
            return
        tracker.up = True
        self.beat(tracker)
        for slot in list(tracker.slots.values()):
            self._slot_up(slot)

    def _slot_up(self, slot: MeteredSlot) -> None:
        if slot.over or slot.tracker.gone:
            return
        self.meter.started(slot.amounts, self.clock.now - slot.launched)
        slot.idle_since = self.clock.now
        slot.up = True
        if slot.first is not None:
            self.begin(slot, slot.first)
        self.tell(slot_updated(slot.id, slot.tracker.agent.id, "TASK_RUNNING", uuid="u"))

    def _slot_over(self, slot: MeteredSlot) -> None:
        """Its resources are free again; what ran in it is void."""
        slot.over = True
        now, amounts = self.clock.now, slot.amounts
        if slot.running is not None:
            self.stop(slot.running, AttemptState.KILLED)
        if slot.up:
            self.meter.idled(amounts, now - slot.idle_since)
        else:
            self.meter.started(amounts, now - slot.launched)
        self.idle.pop(slot.id, None)
        del self.slots[slot.id]
        slot.tracker.slots.pop(slot.id, None)
        self.meter.cpus_held -= amounts.get("cpus", 0)
        self._master.give_back(self._account, slot.tracker.agent, amounts)

    def _finished(self, slot: MeteredSlot) -> None:
        self._end_slot(slot, "TASK_FINISHED")

    def _killed(self, slot: MeteredSlot) -> None:
        self._end_slot(slot, "TASK_KILLED")
        if not slot.tracker.up and not slot.tracker.slots:
            self._tracker_ended(slot.tracker)  # as Mesos ends an executor that lost its only task

    def _end_slot(self, slot: MeteredSlot, state: str) -> None:
        if not slot.over:
            self._slot_over(slot)
            self.tell(slot_updated(slot.id, slot.tracker.agent.id, state, uuid="u"))

    def kill_slot(self, slot_id: str, agent_id: str) -> None:
        """KILL: what runs there is ended."""
        slot = self.slots.get(slot_id)
        if slot is not None:
            self.clock.after(self._delay, self._killed, slot)
        else:
            self._say(slot_id, agent_id, "TASK_LOST")

    def reconcile(self, asked: tuple[tuple[str, str], ...]) -> None:
        """Say how these slots are, or all."""
        known = tuple((slot.id, slot.tracker.agent.id) for slot in self.slots.values())
        for slot_id, agent_id in asked or known:
            slot = self.slots.get(slot_id)
            if slot is None:
                self._say(slot_id, agent_id, "TASK_LOST")
            else:
                self._say(slot_id, agent_id, "TASK_RUNNING" if slot.up else "TASK_STAGING")

    def _say(self, slot_id: str, agent_id: str, state: str) -> None:
        update = slot_updated(slot_id, agent_id, state, "REASON_RECONCILIATION")
        self.clock.after(self._delay, self.tell, update)

    # --- Actions ---------------------------------------------------------------------------------

    def act(self, tracker_id: str, actions: tuple[hb.Numbered, ...]) -> None:
        """Carry out what a heartbeat's answer brings."""
        tracker = self.trackers.get(tracker_id)
        if tracker is None or tracker.gone:
            return
        for numbered in actions:
            if numbered.number <= tracker.done:
                continue
            tracker.done = numbered.number
            match action := numbered.action:
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
                        self.clock.after(self._delay, self._finished, slot)
                case hb.MapOutputs():
                    pass  # reduces look at the job's own record of map outputs
                case hb.KillAttempt():
                    self._kill_attempt(tracker, action.attempt_id)
                case hb.ForgetJob():
                    tracker.outputs.pop(action.job_id, None)
                case hb.Leave():
                    self.clock.after(self._delay, self._tracker_ended, tracker)

    def _kill_attempt(self, tracker: MeteredTracker, attempt_id: str) -> None:
        for slot in tracker.slots.values():
            if slot.running is not None and slot.running.id == attempt_id:
                self.clock.after(self._delay, self.killed, slot.running)

    # --- TaskTrackers ----------------------------------------------------------------------------

    def shut_down(self, tracker_id: str) -> None:
        """A framework message to the executor: end."""
        tracker = self.trackers.get(tracker_id)
        if tracker is not None:
            self.clock.after(self._delay, self._tracker_ended, tracker)

    def _tracker_ended(self, tracker: MeteredTracker) -> None:
        if tracker.gone:
            return
        agent_id, slots = tracker.agent.id, list(tracker.slots)
        self._tracker_gone(tracker)
        for slot_id in slots:
            self.tell(
                slot_updated(
                    slot_id, agent_id, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED", uuid="u"
                )
            )
        self.tell(ev.TrackerLost(tracker.id, agent_id, 0))

    def _tracker_gone(self, tracker: MeteredTracker) -> None:
        tracker.gone, tracker.up = True, False
        del self.trackers[tracker.id]
        for slot in list(tracker.slots.values()):
            self._slot_over(slot)
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

    def agent_gone(self, agent: SimulatedAgent) -> None:
        """A machine is lost; the master says so once it has noticed."""
        for tracker_id in self.on_agent.get(agent.id, ()):
            self._tracker_gone(self.trackers[tracker_id])
        self.clock.after(self.spec.mesos.agent_timeout, self.tell, ev.AgentLost(agent.id))

    def _sweep(self) -> None:
        """Heartbeats of those that had nothing to report for long."""
        before = self.clock.now - self._longest * 3 / 4
        for tracker in list(self.trackers.values()):
            if tracker.up and tracker.spoke <= before:
                self.beat(tracker)
        self.clock.after(self._longest / 4, self._sweep)
