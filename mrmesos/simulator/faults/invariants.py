"""The promises of the core, checked while a world with faults goes on.

A check raises AssertionError. It compares the core's state with the events of the world. The core's
`validate` checks that the core itself is consistent.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.handlers.slots import HOLD_SECONDS
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.pools import PRIORITIES
from mrmesos.jobtracker.core.policies import silence
from mrmesos.jobtracker.core.policies.explanation import sizes_known
from mrmesos.jobtracker.core.scheduling.eligibility import TRIAL_SILENCES
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults.base import DRAIN
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.faults.trackers import FaultyTrackers
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import SETS, AgentId, HostName, SlotId, TaskKind, TrackerId, parse_attempt
from mrmesos.wire.job import JobState, memory_setting
from mrmesos.wire.task import Attempt, AttemptError, ErrorKind

BACKUPS_MAX = 2
STORE_WORDS = "the store does not answer"
NOTHING_TO_DO = "nothing to do"
"""Why an idle TaskTracker is told to leave (deadlines.py)."""
STRAYS_END = 30.0
"""When faults have stopped, slots that the JobTracker does not know end within this time (s)."""


class CheckedWorld(FaultyTrackers):
    """The promises that must hold under all faults."""

    def __init__(self, seed: int, faults: FaultPlan | None) -> None:
        super().__init__(seed, faults)
        self.strays: dict[str, float] = {}
        # attempts that began because the previous attempt was unheard
        self.more_memory: set[str] = set()  # jobs whose attempts got more than was set
        self.less_memory: set[str] = set()  # jobs that got less again, as large agents were lost
        self.found_impossible: set[str] = set()
        self.urgent: set[str] = set()

    def check_all_given_back(self) -> None:
        """At the end, nothing is held."""
        assert not self.slots, "slots are left"
        assert not self.unacked, "updates are not acknowledged"
        left = [t for t in self.trackers.values() if not t.gone]
        assert len(left) <= self.warm_trackers, "trackers are left"
        assert self.suppressed == set(self.roles) or self.warm_trackers, "offers still flow"
        assert self.core.idle or left
        assert not self.core.st.attempts

    def check_answered(self, event: ev.Event, answered: list[str]) -> None:
        """Each offer is answered at once, and only once."""
        if isinstance(event, ev.OffersReceived):
            assert sorted(answered) == sorted(o.offer_id for o in event.offers), "offers unanswered"
        else:
            assert not answered, "answered offers that were not there"

    def check_held(self) -> None:
        """No free slot is kept for long, and no job avoids too many hosts."""
        for slot in self.core.st.slots.held.values():
            assert self.now - (slot.free_since or 0.0) < HOLD_SECONDS, "a slot is hoarded"
        for job in self.core.st.jobs.values():
            if job.state is JobState.RUNNING and job.hosts.shunned:
                usable = self.hosts_for(job)
                avoided = usable & set(job.hosts.shunned)
                assert 3 * len(avoided) <= len(usable), "too many hosts are avoided"

    def check_backups(self) -> None:
        """Slow tasks have few backups. Second attempts of silent tasks are not counted."""
        state = self.core.st
        for job in state.jobs.values():
            backups = [attempt for attempt in job.running.values() if attempt.backup]
            new = [attempt for attempt in backups if attempt.start == self.now]
            for attempt in new:
                others = (other for other in attempt.task.running if other is not attempt)
                if any(silence.unheard(state, other) for other in others):
                    self.urgent.add(attempt.id)
            counted = [attempt.id for attempt in backups if attempt.id not in self.urgent]
            many = len(counted) > BACKUPS_MAX and any(attempt.id in counted for attempt in new)
            assert not many, "more backups than allowed"

    def check_places(self) -> None:
        """Each job has the priority and the pool that its users gave it last."""
        for job in self.core.st.jobs.values():
            silent = job.state is JobState.RUNNING and job.waits.words == STORE_WORDS
            assert not silent, f"{job.id} runs, and waits for its store"
            if not job.spec.queue:
                place = PRIORITIES[job.settings.priority], job.settings.pool
                wanted = self.places[job.id]
                assert place in wanted, f"{job.id} is at {place}, and users want {wanted}"

    def check_outputs(self, actions: list[tuple[str, hb.Action]]) -> None:
        """Lost map outputs are made again if a reduce still has to fetch them, and only then."""
        jobs = self.core.st.jobs
        for job in jobs.values():
            # After a restart, the core does not know at first how far running reduces are.
            wanting = len(job.reduces.pending) > 0 or any(
                reduce.told is not None and not reduce.fetched and reduce in reduce.task.running
                for reduce in job.running_reduces.values()
            )
            waits = job.needs_map_outputs and wanting and job.outputs.absent
            assert not waits, "a reduce waits for map outputs that nobody makes"
        for _, action in actions:
            if isinstance(action, hb.MapOutputs) and not all(
                output.attempt_id for output in action.outputs
            ):
                told = jobs.get(action.job_id)
                if told is not None and told.needs_map_outputs:
                    assert told.fetching, "a map runs again that nobody needs"

    def check_given_back(
        self, asked: ev.InverseOffersReceived, commands: list[cmd.Command]
    ) -> None:
        """No agent is given back if it has map output that a reduce must still fetch."""
        # Without a planned maintenance, or after it, nothing is given back.
        agents = {
            offer.offer_id: AgentId(offer.agent_id)
            for offer in asked.offers
            if offer.unavailability is not None and offer.unavailability.end > self.now
        }
        state = self.core.st
        for command in commands:
            accepted = command.offer_ids if isinstance(command, cmd.AcceptInverseOffers) else ()
            for offer_id in (offer_id for offer_id in accepted if offer_id in agents):
                for tracker in state.cluster.trackers_on(agents[offer_id]):
                    wanted = {job_id for job_id, maps in tracker.outputs.items() if maps}
                    jobs = (state.jobs[job_id] for job_id in wanted & state.jobs.keys())
                    waits = any(job.needs_map_outputs and job.fetching for job in jobs)
                    assert not waits, "given back with map output that a reduce needs"

    def check_placed(self, command: cmd.Command) -> None:
        if isinstance(command, cmd.AcceptOffers):
            attempts = [(launch.first, launch.agent_id) for launch in command.launches]
            roles = {self.role_of[offer_id] for offer_id in command.offer_ids}
            assert len(roles) == 1, "roles are mixed"
            self.role_of |= dict.fromkeys([task.slot_id for task in command.tasks], *roles)
            self.check_attempts(attempts)

    def check_action(self, tracker_id: str, action: hb.Action) -> None:
        """See check_attempts."""
        if isinstance(action, hb.RunAttempt):
            tracker = self.core.st.cluster.trackers[TrackerId(tracker_id)]
            self.check_attempts([(action.attempt, tracker.agent_id)])

        elif isinstance(action, hb.Leave) and action.reason == NOTHING_TO_DO:
            self.check_warm(TrackerId(tracker_id))

    def check_warm(self, left: TrackerId) -> None:
        """An idle TaskTracker that sends heartbeats leaves only if enough others on usable agents
        stay.
        """
        cluster, tracker = self.core.st.cluster, self.core.st.cluster.trackers[left]
        usable = {agent.id for agent in cluster.agents.values() if agent.takes(self.now)}
        if not tracker.silent and tracker.agent_id in usable:
            others = cluster.trackers.values()
            stay = [t for t in others if t.leaving_since is None and t.agent_id in usable]
            assert len(stay) >= min(self.warm_trackers, len(usable)), (
                "too few warm TaskTrackers stay"
            )

    def check_attempts(self, attempts: list[tuple[Attempt, AgentId]]) -> None:
        """No attempt starts on an agent that its job's constraints forbid, or whose maintenance is
        near.
        """
        for attempt, agent_id in attempts:
            self.check_memory(attempt)
            self.check_attempt(attempt.attempt_id, self.agents[agent_id].hostname)
            asked = self.job_roles.get(attempt.job_id)
            assert asked in (None, self.role_of[attempt.slot_id]), "resources of another role"
            wanted = self.disks.get(attempt.job_id)
            assert wanted in (None, self.agents[agent_id].disk), "forbidden by constraints"
            away = self.away.get(agent_id)
            free = away is None or self.now < away.start - DRAIN or self.now >= away.end
            assert free, "started on an agent that is soon to be away"
        if attempts and (cap := self.core.st.settings.cap):
            held = dict.fromkeys(cap, 0)
            for slot in self.core.st.cluster.slots.values():
                held = {name: held[name] + slot.taken.get(name, 0) for name in cap}
            assert all(held[name] <= cap[name] for name in cap), "more held than the cap"

    def check_memory(self, attempt: Attempt) -> None:
        """An attempt has no more memory than its slot. It has no less than the last one of its
        kind, unless no agent has so much any more. It gets more than its users set only up to the
        cap of its job.
        """
        name = parse_attempt(attempt.attempt_id)
        job, kind = self.core.st.jobs[name.job_id], TaskKind(name.kind)
        setting, mb = memory_setting(kind).name, job.settings.need(kind)["mem"] // 1000
        assert attempt.memory_mb in (0, mb), "not the memory of its job"
        raised = {each.setting: each.before_mb for each in job.spec.raised}
        most = max(raised.get(setting, mb), job.settings.memory_max_mb)
        assert mb <= most, f"{mb} MiB, and at most {most} MiB are allowed"
        had = self.memory.get((job.id, kind), 0)
        fell = any(each.setting == setting and each.lost_mb for each in job.spec.raised)
        assert mb >= had or fell, "less memory than the last attempt"
        capacity = self.core.st.cluster.slots[SlotId(attempt.slot_id)].capacity
        assert mb * 1000 <= capacity["mem"], "more memory than its slot has"
        self.memory[job.id, kind] = mb
        self.more_memory.update([job.id] if setting in raised else [])
        self.less_memory.update([job.id] if fell else [])

    def check_attempt(self, attempt_id: str, host: str) -> None:
        """No attempt starts beside another attempt of its task. There is no backup too many. No
        attempt starts on a host that its job or all jobs avoid.
        """
        job = self.core.st.jobs[parse_attempt(attempt_id).job_id]
        # Before that, a slot that came free may take one of its tasks. After a restart, so may an
        # offer, while an agent that the journal knows has not been offered.
        judged = sizes_known(self.core.st, job)
        assert job.id not in self.impossible or not judged, "no agent can run this job"
        attempt = job.running[attempt_id]
        most = job.settings.maxattempts(attempt.task.kind)
        assert attempt.task.failures < most, "it failed too often to be tried again"
        same = [other for other in attempt.task.running if other.hostname == host]
        assert same == [attempt], "two attempts of a task on one host"
        assert len(attempt.task.running) <= 2
        assert attempt.backup == (len(attempt.task.running) == 2)
        blind = attempt.backup and attempt.task.kind is TaskKind.REDUCE and job.outputs.absent
        assert not blind, "a backup begins without map output that is gone"
        state = self.core.st
        tracker = state.cluster.trackers[attempt.tracker_id]
        assert not tracker.silent, "started where nobody is heard"
        ran = [slot.attempt for slot in tracker.slots.values() if slot.attempt is not None]
        alone = any(a.task.silences >= TRIAL_SILENCES for a in ran if a.start < self.now)
        assert not alone, "started beside a task that is to run alone"
        assert host not in job.hosts.shunned, "started on a host that the job came to avoid"
        faults = self.core.st.faults.by_host.get(HostName(host))
        assert faults is None or faults.until <= self.now, "started on a host that all avoid"

    def look_for_strays(self) -> None:
        """When faults have stopped, slots that the JobTracker does not know end soon."""
        known = self.core.st.cluster.slots
        strays = {
            slot_id
            for tracker in self.trackers.values()
            if tracker.up and not tracker.gone and not tracker.agent.cut_off
            for slot_id in tracker.slots
            if slot_id not in known and not self.faulty
        }
        self.strays = {slot_id: self.strays.get(slot_id, self.now) for slot_id in strays}
        for slot_id, since in self.strays.items():
            assert self.now - since < STRAYS_END, f"{slot_id}, which nobody knows, lives on"

    def hosts_for(self, job: JobInProgress) -> set[str]:
        """The hosts that could run all tasks of a job."""
        return {
            agent.hostname
            for agent in self.core.st.cluster.agents.values()
            if job.settings.demand.suits(agent)
            and all(job.fits(kind, agent) for kind in SETS if job.of(kind).tasks)
        }

    def check_winners(self, command: cmd.CommitJob) -> None:
        maps, reduces = self.specs[command.job_id]
        kind = "reduce" if reduces else "map"
        names = [parse_attempt(attempt_id) for attempt_id in command.winners]
        assert [n.index for n in names] == list(range(reduces or maps)), "not one winner a task"
        assert all(n.kind == kind and n.job_id == command.job_id for n in names)
        assert set(command.winners) <= self.succeeded
        assert not self.core.st.jobs[command.job_id].writers, "committed beside who still writes"

    def check_ended(self, job_id: str) -> None:
        if job_id not in self.specs:
            return  # it holds free tasks (free_tasks.py)
        status = queries.job_status(self.core.st, job_id)
        assert status is not None
        assert (status.state is JobState.SUCCEEDED) == (job_id in self.committed), status
        assert (status.state is JobState.KILLED) <= (job_id in self.killed), status
        if status.state is JobState.FAILED:
            assert status.error is not None
            self.note(f"{job_id} failed: {status.error}")
            f = self.faults
            may = f.attempt_fails or f.bad_hosts or f.plan_fails or f.commit_fails or f.launch_fails
            silent = f.silence or f.heartbeat_lost or f.unheard
            if (words := self.impossible.get(job_id)) is not None:
                self.check_impossible(job_id, status.error, words)
                return
            may = may or job_id in self.unkept
            assert may or status.error.kind is ErrorKind.LOST or silent, status.error

    def check_impossible(self, job_id: str, error: AttemptError, words: str) -> None:
        """A job that no agent can run fails with this reason, unless another error came first."""
        if error.kind is ErrorKind.SETTINGS:
            assert words in error.message, error
            self.found_impossible.add(job_id)
            return
        f = self.faults
        earlier = f.plan_fails or f.launch_fails or job_id in self.unkept
        assert earlier or error.kind is ErrorKind.LOST, error
