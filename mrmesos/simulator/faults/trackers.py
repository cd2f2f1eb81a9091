"""TaskTrackers with faults: heartbeats that get lost, attempts that take time and may fail."""

from __future__ import annotations

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.simulator.faults.base import EXPIRY
from mrmesos.simulator.faults.machines import FaultySlot, FaultyTracker
from mrmesos.simulator.faults.mesos import FaultyMesos
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptReport,
    AttemptState,
    ErrorKind,
    FreeResult,
    FreeTask,
    MapOutput,
    MapTask,
    ReduceTask,
)

BEAT_SECONDS = 1.0
"""Time between two heartbeats of a TaskTracker."""
FETCH_SECONDS = 2.0
"""A reduce retries to fetch an output for this long before it complains."""


class FaultyTrackers(FaultyMesos):
    """Carries out actions in the order of their numbers, as a TaskTracker does."""

    ended: set[str]
    heard: hb.Heartbeat | None = None
    """The heartbeat that the core handles now."""

    def beat(self, tracker: FaultyTracker) -> None:
        if tracker.gone:
            return
        if self.now - tracker.answered > EXPIRY:
            self.executor_ended(tracker)
            return
        self.heartbeat(tracker)
        self.at(BEAT_SECONDS, lambda: self.beat(tracker))

    def heartbeat(self, tracker: FaultyTracker) -> None:
        if tracker.gone or not tracker.up:
            return
        tracker.sequence += 1
        progress = [
            self.progress(tracker, attempt, since) for attempt, since in tracker.running.values()
        ]
        beat = hb.Heartbeat(
            tracker_id=tracker.id,
            agent_id=tracker.agent.id,
            hostname=tracker.agent.hostname,
            url=f"http://{tracker.id}",
            sequence=tracker.sequence,
            acknowledged=tracker.done,
            slots=list(tracker.slots),
            reports=list(tracker.reports.values()),
            progress=progress,
            attempts={attempt.slot_id: name for name, (attempt, _) in tracker.running.items()},
        )
        if self.silent(tracker):
            return
        self.at(self.rng.uniform(0.001, 0.05), lambda: self.hear(tracker, beat))
        if self.chance(self.faults.heartbeat_doubled):
            self.at(self.rng.uniform(0.001, 3.0), lambda: self.hear(tracker, beat))

    def silent(self, tracker: FaultyTracker) -> bool:
        """Whether a message to or from a TaskTracker is lost."""
        until = max(tracker.silent_until, tracker.agent.unheard_until)
        return self.now < until or self.chance(self.faults.heartbeat_lost)

    def hear(self, _tracker: FaultyTracker, beat: hb.Heartbeat) -> None:
        self.heard = beat
        self.tell(ev.HeartbeatReceived(beat))
        self.heard = None

    def ask(self, tracker_id: str) -> None:
        """The JobTracker wakes the held heartbeat of a TaskTracker. Each TaskTracker that runs has
        one.
        """
        tracker = self.trackers.get(tracker_id)
        if tracker is not None and tracker.up and not tracker.gone:
            self.tell(ev.AnswerAsked(tracker_id))

    def send_answer(self, command: cmd.AnswerHeartbeat) -> None:
        tracker = self.trackers.get(command.tracker_id)
        if tracker is None or self.silent(tracker):
            return
        actions = command.actions
        if actions is None:
            self.at(self.latency(), lambda: self.executor_ended(tracker))
            return
        told = [report.attempt_id for report in self.heard.reports] if self.heard else []
        self.at(self.rng.uniform(0.001, 0.05), lambda: self.hear_answer(tracker, actions, told))

    def hear_answer(
        self, tracker: FaultyTracker, actions: tuple[hb.Numbered, ...], told: list[str]
    ) -> None:
        if tracker.gone or not tracker.up:
            return
        tracker.answered = self.now
        for attempt_id in told:
            tracker.reports.pop(attempt_id, None)
        self.receive(tracker, actions)

    def act(self, tracker: FaultyTracker, action: hb.Action) -> None:
        match action:
            case hb.RunAttempt():
                slot = tracker.slots.get(action.attempt.slot_id)
                if slot is not None:
                    self.begin(slot, action.attempt)
            case hb.KillAttempt():
                if action.attempt_id in tracker.running:
                    self.finish(tracker, action.attempt_id, AttemptState.KILLED)
            case hb.EndSlot():
                slot = tracker.slots.get(action.slot_id)
                if slot is not None:
                    assert not slot.attempt, "a slot ends under its attempt"
                    self.end_slot(slot, "TASK_FINISHED")
            case hb.MapOutputs():
                table = tracker.outputs.setdefault(action.job_id, {})
                for output in action.outputs:
                    table[output.map_index] = output
            case hb.ForgetJob():
                assert action.job_id in self.ended
                tracker.outputs.pop(action.job_id, None)
            case hb.Announce():
                self.heartbeat(tracker)
            case hb.Leave():
                # Slots that Mesos had declared lost, but that went on, end with it.
                assert not tracker.slots.keys() & self.core.st.cluster.slots.keys()
                self.executor_ended(tracker)

    def begin(self, slot: FaultySlot, attempt: Attempt) -> None:
        tracker = slot.tracker
        assert not slot.attempt, "a slot runs two attempts"
        assert attempt.attempt_id not in self.launched, "an attempt is launched twice"
        assert attempt.slot_id == slot.id
        self.launched.add(attempt.attempt_id)
        slot.attempt = attempt.attempt_id
        tracker.running[attempt.attempt_id] = (attempt, self.now)
        lasts = tracker.lasts[attempt.attempt_id] = self.seconds(tracker, attempt)
        self.at(lasts, lambda: self.work(tracker, attempt))

    def seconds(self, tracker: FaultyTracker, _attempt: Attempt) -> float:
        """How long an attempt takes."""
        lasts = self.rng.uniform(0.05, 5.0) * tracker.agent.slowness
        return lasts * 8 if self.chance(self.faults.straggles) else lasts

    def progress(self, tracker: FaultyTracker, attempt: Attempt, since: float) -> AttemptProgress:
        """The progress of an attempt. A reduce keeps the segments that it has fetched."""
        name, bad = attempt.attempt_id, list[str]()
        if name not in tracker.fetched and isinstance(attempt.task, ReduceTask):
            waits, bad = self.missing(tracker, attempt)
            if not waits and self.rng.random() < 0.5:
                tracker.fetched.add(name)
        return AttemptProgress(
            attempt_id=name,
            progress=min(0.99, (self.now - since) / tracker.lasts[name]),
            fetch_failed=bad,
            fetch_answered=[name for name in bad if self.answers(tracker, attempt, name)],
            fetched=name in tracker.fetched,
        )

    def missing(self, tracker: FaultyTracker, attempt: Attempt) -> tuple[bool, list[str]]:
        """A reduce fetches the outputs that it can reach. Returns whether it still waits for map
        outputs, and the outputs that it could not fetch for some time.
        """
        if not isinstance(attempt.task, ReduceTask):
            return False, []
        name, table = attempt.attempt_id, tracker.outputs.get(attempt.job_id, {})
        have = tracker.have.setdefault(name, set())
        before = tracker.failing.get(name, {})
        failing = tracker.failing[name] = {}
        maps = self.specs[attempt.job_id][0]
        for index in range(maps):
            output = table.get(index)
            if index in have or output is None or not output.attempt_id:
                continue
            if self.fetches(tracker, output, attempt.task.partition):
                have.add(index)
            else:
                failing[output.attempt_id] = before.get(output.attempt_id, self.now)
        bad = [bad for bad, since in failing.items() if self.now - since >= FETCH_SECONDS]
        return len(have) < maps, bad

    def answers(self, tracker: FaultyTracker, attempt: Attempt, output: str) -> bool:
        """Whether a complaint says that the output is damaged. In half of the worlds, TaskTrackers
        do not say so.
        """
        if not isinstance(attempt.task, ReduceTask) or not self.tells_damage:
            return False
        table = tracker.outputs[attempt.job_id]
        index = parse_attempt(output).index
        reached = self.reaches(tracker, table[index])
        return reached and (output, attempt.task.partition) in self.damaged

    def reaches(self, tracker: FaultyTracker, output: MapOutput) -> bool:
        """Whether the TaskTracker of an output runs and can be reached."""
        source = self.trackers[output.url.removeprefix("http://")]
        hosts = tracker.agent.hostname, source.agent.hostname
        cut = hosts[0] != hosts[1] and self.cuts.get(hosts, 0.0) > self.now
        return not source.gone and not cut

    def fetches(self, tracker: FaultyTracker, output: MapOutput, partition: int) -> bool:
        """Whether a segment can be fetched now."""
        damaged = (output.attempt_id, partition) in self.damaged
        good = self.reaches(tracker, output) and not damaged
        return good and not self.chance(self.faults.fetch_fails)

    def work(self, tracker: FaultyTracker, attempt: Attempt) -> None:
        if tracker.gone or attempt.attempt_id not in tracker.running:
            return
        bad_luck = 0.8 if tracker.agent.bad else self.faults.attempt_fails
        if self.chance(bad_luck):
            self.finish(tracker, attempt.attempt_id, AttemptState.FAILED)
        elif attempt.attempt_id not in tracker.fetched and self.missing(tracker, attempt)[0]:
            self.at(0.5, lambda: self.work(tracker, attempt))
        else:
            self.finish(tracker, attempt.attempt_id, AttemptState.SUCCEEDED)

    def finish(self, tracker: FaultyTracker, attempt_id: str, state: AttemptState) -> None:
        attempt, started = tracker.running.pop(attempt_id)
        slot = tracker.slots[attempt.slot_id]
        slot.attempt = ""
        if state is AttemptState.SUCCEEDED:
            self.succeeded.add(attempt_id)
            if isinstance(attempt.task, MapTask):
                for partition in range(self.specs[attempt.job_id][1]):
                    if self.chance(self.faults.damage):
                        self.damaged.add((attempt_id, partition))
        failed, free = state is AttemptState.FAILED, isinstance(attempt.task, FreeTask)
        memory = failed and self.limits.random() < self.faults.out_of_memory
        kind = ErrorKind.MEMORY if memory else ErrorKind.USER_CODE
        tracker.reports[attempt_id] = AttemptReport(
            attempt_id=attempt_id,
            slot_id=slot.id,
            state=state,
            started=started,
            ended=self.now,
            counters={"task": {"RECORDS": 1}},
            error=AttemptError(kind=kind, message="boom") if failed else None,
            result=FreeResult(value=attempt_id.encode()) if free else None,
        )
        self.heartbeat(tracker)
