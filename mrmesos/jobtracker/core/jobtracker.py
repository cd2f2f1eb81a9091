"""The JobTracker's core: events in, commands out. No threads, sockets, clocks or files.

The modules in handlers/ change one State (state/state.py), each for one subject: jobs, attempts,
slots, trackers, offers, deadlines and others. The rules that they share stand in policies/.
scheduling/find_task.py chooses the next task. One thread owns a JobTracker. Queries run on this
thread, too, between two events.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.handlers import (
    chains,
    deadlines,
    jobs,
    maintenance,
    offers,
    slots,
    trackers,
)
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.commands import (
    AnswerHeartbeat,
    Command,
    Revive,
    Suppress,
)
from mrmesos.jobtracker.core.messages.journal_records import Record
from mrmesos.jobtracker.core.model.settings import JobSettings, Settings
from mrmesos.jobtracker.core.model.slot import SlotState
from mrmesos.jobtracker.core.policies import leases, reconciliation, warm_trackers
from mrmesos.jobtracker.core.policies.dispatch import tell_outputs
from mrmesos.jobtracker.core.restore import restore
from mrmesos.jobtracker.core.scheduling import index_check
from mrmesos.jobtracker.core.state import chain_reports
from mrmesos.jobtracker.core.state.journal_changes import Changes
from mrmesos.jobtracker.core.state.reports import AttemptLogs, report_of, status_of
from mrmesos.jobtracker.core.state.state import State
from mrmesos.jobtracker.core.state.state_parts import Recovery
from mrmesos.wire import ids
from mrmesos.wire.chain import ChainStatus
from mrmesos.wire.ids import AgentId, TrackerId
from mrmesos.wire.job import JobFacts, JobReport, JobSpec, JobStatus

REVIVE_SECONDS = 1.0
"""Least time between two REVIVE calls if there is no new work."""
REVIVE_NEW_WORK_SECONDS = 0.1


def _named(some: frozenset[str], roles: frozenset[str]) -> tuple[str, ...]:
    """An empty role list means all roles, as in Mesos' SUPPRESS and REVIVE calls."""
    return () if some == roles else tuple(sorted(some))


class JobTracker:
    """Decides for all jobs of one framework.

    `stamp` is part of all names, and tells runs apart (wire.ids.cluster_stamp). Times are Unix
    seconds. If the time of an event is earlier than that of the last one, the last one's counts.
    """

    def __init__(self, conf: Conf, stamp: str, *, journal: bool = False) -> None:
        """With `journal`, the first command of an event says what the journal must write."""
        self.st = State(Settings.of(conf), stamp=stamp, changes=Changes(journal))
        self._last_job = self._last_chain = 0

    def restore(
        self,
        records: Sequence[Record],
        now: float,
        *,
        life: int,
        same_command: bool = True,
        damaged: Mapping[str, str] | None = None,
        lost: Collection[str] = (),
    ) -> list[Command]:
        """Take over from `life` earlier JobTrackers, by their records. Call it before any event.

        Jobs in `damaged` (id: cause) fail, and so do jobs whose restore raises. TaskTrackers in
        `lost` are given up.
        """
        blank, bad = self.st, dict(damaged or {})
        while True:
            # A restore that raised leaves half a job behind. So the next one begins with nothing.
            st = State(
                blank.settings,
                blank.stamp,
                Changes(blank.changes.on),
                recovery=Recovery(life),
            )
            st.now = now
            more = restore(st, records, same_command=same_command, damaged=bad, lost=lost)
            if not more:
                break
            bad |= more
        self.st = st
        return st.take_commands()

    @property
    def trackers(self) -> list[str]:
        """The ids of all known TaskTrackers."""
        return list(self.st.cluster.trackers)

    # --- Events ----------------------------------------------------------------------------------

    def handle(self, event: ev.Event, now: float) -> list[Command]:
        """Handle an event. Returns what the shell must do, in order."""
        st = self.st
        if isinstance(event, ev.AnswerAsked):  # frequent, and changes nothing else
            st.mailboxes.acknowledge(event.tracker_id, event.acknowledged)
            self._answer(TrackerId(event.tracker_id))
            return st.take_commands()
        st.now = max(now, st.now)
        st.index.advance(st.now)
        leases.hear(st, event)
        self._dispatch(event)
        if st.chains.ended_jobs:
            chains.follow(st)
        self._settle()
        if isinstance(event, ev.HeartbeatReceived):
            beat, tracker_id = event.heartbeat, TrackerId(event.heartbeat.tracker_id)
            tracker = st.cluster.trackers.get(tracker_id)
            late = tracker is not None and beat.sequence < tracker.sequence
            self._answer(tracker_id, late=late)
        return st.take_commands()

    def _answer(self, tracker_id: TrackerId, *, late: bool = False) -> None:
        """Answer a heartbeat, also with the actions of this event. The TaskTracker may not read the
        answer to a `late` heartbeat, so a newer held heartbeat is answered as well.
        """
        st = self.st
        actions = st.mailboxes.to_send(tracker_id)
        st.emit(AnswerHeartbeat(tracker_id, None if actions is None else tuple(actions)))
        if not late:
            st.out.woken.pop(tracker_id, None)

    def _dispatch(self, event: ev.Event) -> None:
        st = self.st
        match event:
            case ev.HeartbeatReceived(beat):
                st.mailboxes.acknowledge(beat.tracker_id, beat.acknowledged)
                trackers.heartbeat(st, beat)
            case ev.AnswerAsked():
                raise AssertionError("`handle` answers it")
            case ev.OffersReceived():
                offers.receive(st, event.offers)
            case ev.SlotUpdated():
                slots.updated(st, event)
            case ev.Tick():
                deadlines.tick(st)
            case ev.JobSubmitted():
                jobs.submit(st, event)
            case ev.ChainSubmitted():
                chains.submit(st, event)
            case ev.ChainPrepared():
                chains.prepared(st, event.chain_id, event.kept)
            case ev.ChainPrepareFailed():
                chains.prepare_failed(st, event.chain_id, event.error)
            case ev.ChainCleaned():
                chains.cleaned(st, event.chain_id)
            case ev.JobPlanned():
                jobs.planned(st, event.job_id, event.splits, event.tables)
            case ev.JobPlanFailed():
                jobs.plan_failed(st, event.job_id, event.error)
            case ev.JobCommitted():
                jobs.committed(st, event.job_id)
            case ev.JobCommitFailed():
                jobs.commit_failed(st, event.job_id, event.error)
            case ev.JobAborted():
                jobs.aborted(st, event.job_id)
            case ev.StoreSilent() if event.job_id in st.chains.live:
                chains.waits(st, event.job_id, event.words)
            case ev.JobUnkept() if event.job_id in st.chains.live:
                chains.unkept(st, event.job_id, event.problem)
            case ev.KillAsked() if event.job_id in st.chains.live:
                chains.kill(st, event.job_id, event.by)
            case ev.StoreSilent():
                jobs.waits(st, event.job_id, event.words)
            case ev.JobUnkept():
                jobs.unkept(st, event.job_id, event.problem)
            case ev.KillAsked():
                jobs.kill(st, event.job_id, event.by)
            case ev.TrackerLost():
                trackers.lost(st, TrackerId(event.tracker_id), event.status)
            case ev.SandboxRead():
                st.tracker_ends.last_stderr = (
                    f"stderr of a TaskTracker on {event.hostname}:\n{event.text}"
                )
            case ev.AgentLost():
                trackers.agent_lost(st, AgentId(event.agent_id))
            case ev.InverseOffersReceived():
                maintenance.asked_back(st, event.offers)
            case ev.InverseOfferRescinded():
                pass  # we have answered it; the next offers say whether the plan changed
            case ev.OfferRescinded():
                pass  # offers are answered at once; Mesos reports what became of the answer
            case ev.Registered():
                self._registered(event.framework_id)
            case ev.FrameworkRemoved():
                trackers.all_gone(st, "Mesos had removed the framework")
                self._take_id("")
            case ev.MasterHeard():
                pass  # only its time counts (leases.py)
            case ev.Closing():
                trackers.send_all_away(st)
            case ev.Disconnected():
                st.subscription.connected = False

    def _registered(self, framework_id: str) -> None:
        """In a new subscription no role is suppressed, and our earlier calls are forgotten."""
        st = self.st
        self._take_id(framework_id)
        st.subscription.connected, st.subscription.since = True, st.now
        st.offers.suppressed = frozenset()
        st.offers.new_work = st.hungry()  # drop filters of the old subscription
        reconciliation.begin(st)

    def _take_id(self, framework_id: str) -> None:
        if framework_id != self.st.subscription.framework_id:
            self.st.subscription.framework_id = framework_id
            self.st.changes.framework(framework_id)

    def _settle(self) -> None:
        """Act on the changes: serve free slots, send news to reduces, suppress or revive offers."""
        st = self.st
        while True:
            slots.serve_free(st)
            for job in st.changes.news.values():
                tell_outputs(st, job)
            st.changes.news.clear()
            if not st.out.deaf:
                break
            trackers.give_up_deaf(st)
        if not st.subscription.connected:
            return
        self._want_offers()

    def _want_offers(self) -> None:
        """Suppress the roles that no task waits for, and revive the others."""
        st = self.st
        flow, roles = st.offers, st.settings.roles
        wanted = warm_trackers.wanted_roles(st)
        unwanted = roles - wanted - flow.suppressed
        if unwanted:
            flow.suppressed |= unwanted
            st.emit(Suppress(_named(unwanted, roles)))
        if not wanted:
            flow.new_work = False
            return
        wait = REVIVE_NEW_WORK_SECONDS if flow.new_work else REVIVE_SECONDS
        revived = wanted if flow.new_work else wanted & flow.suppressed
        if revived and st.now - flow.revived >= wait:
            flow.suppressed, flow.new_work, flow.revived = flow.suppressed - revived, False, st.now
            st.emit(Revive(_named(revived, roles)))

    # --- Queries ---------------------------------------------------------------------------------

    def next_job_id(self) -> str:
        """A new job's id."""
        self._last_job += 1
        return ids.job_id(self.st.stamp, self._last_job)

    def next_chain_id(self) -> str:
        """A new chain's id."""
        self._last_chain += 1
        return ids.chain_id(self.st.stamp, self._last_chain)

    @staticmethod
    def check_spec(spec: JobSpec) -> None:
        """Raise ConfError if a setting of the job cannot be used."""
        JobSettings.of(spec)

    @property
    def full(self) -> bool:
        """Whether new jobs must be refused (jobtracker.jobs.max)."""
        return len(self.st.jobs) >= self.st.settings.jobs_max

    @property
    def idle(self) -> bool:
        """No job is in progress, no slot is known, and all TaskTrackers were told to leave."""
        cluster = self.st.cluster
        live = any(t.leaving_since is None for t in cluster.trackers.values())
        work = self.st.jobs or self.st.chains.live
        return not work and not cluster.slots and not live

    @property
    def untold(self) -> int:
        """The number of TaskTrackers with actions that were never sent."""
        return self.st.mailboxes.unsent

    def job_status(self, job_id: str) -> JobStatus | None:
        """A job's status. None if the job is unknown or forgotten."""
        job = self.st.jobs.get(job_id)
        if job is not None:
            return status_of(job)
        ended = self.st.ended.get(job_id)
        return None if ended is None else ended.status

    def job_statuses(self) -> list[JobStatus]:
        """The ended jobs that we remember, then the jobs in progress, each in order."""
        return self.st.ended.statuses() + [status_of(job) for job in self.st.jobs.values()]

    def job_report(self, job_id: str) -> JobReport | None:
        """A job's status and attempts. None if the job is unknown or forgotten."""
        job = self.st.jobs.get(job_id)
        if job is not None:
            return report_of(job, self.st.cluster.trackers)
        return self.st.ended.get(job_id)

    def chain_status(self, chain_id: str) -> ChainStatus | None:
        """A chain's status. None if the chain is unknown or forgotten."""
        chain = self.st.chains.live.get(chain_id)
        if chain is not None:
            return chain_reports.status_of(self.st, chain)
        return self.st.chains.ended.get(chain_id)

    def chain_statuses(self) -> list[ChainStatus]:
        """The ended chains that we remember, then the live ones, each in order."""
        live = self.st.chains.live.values()
        return [
            *self.st.chains.ended.values(),
            *(chain_reports.status_of(self.st, chain) for chain in live),
        ]

    def job_facts(self, job_id: str) -> JobFacts | None:
        """What TaskTrackers fetch about a job. None if it is not in progress."""
        job = self.st.jobs.get(job_id)
        if job is None:
            return None
        return JobFacts(
            job_id=job.id,
            spec=job.spec,
            token=job.token,
            num_maps=len(job.maps.tasks),
            tables=job.tables,
        )

    def works_for(self, tracker_id: TrackerId, job_id: str) -> bool:
        """Whether a TaskTracker runs an attempt of a job, or holds output that it needs."""
        tracker = self.st.cluster.trackers.get(tracker_id)
        if tracker is None:
            return False
        attempts = (slot.attempt for slot in tracker.slots.values() if slot.attempt is not None)
        return job_id in tracker.outputs or any(one.task.job_id == job_id for one in attempts)

    def attempt_logs(self, attempt_id: str) -> AttemptLogs | None:
        """Where an attempt's logs are. None if the attempt is unknown."""
        try:
            name = ids.parse_attempt(attempt_id)
        except ValueError:
            return None
        st = self.st
        job = st.jobs.get(name.job_id)
        if job is not None:
            tasks = job.of(name.kind).tasks
            known = tasks[name.index].attempts if name.index < len(tasks) else ()
            tracker_id = next((a.tracker_id for a in known if a.id == attempt_id), None)
            if tracker_id is None:
                return None
            tracker = st.cluster.trackers.get(tracker_id)
            url = tracker.url if tracker is not None else ""
            agent = st.cluster.agents.get(tracker.agent_id) if tracker is not None else None
            hosts = agent.hosts if agent is not None else ()
            kept = st.tails.get(attempt_id)
            return AttemptLogs(url, kept, job.id, job.token, tracker_id, hosts)
        report = st.ended.get(name.job_id)
        row = next((r for r in report.attempts if r.id == attempt_id), None) if report else None
        if row is None:
            return None
        # Its TaskTrackers have forgotten it.
        return AttemptLogs("", st.tails.get(attempt_id), hosts=(row.hostname,))

    # --- For tests -------------------------------------------------------------------------------

    def validate(self) -> None:
        """Check the invariants. Raises AssertionError."""
        st = self.st
        st.cluster.validate()
        index_check.validate(st.index)
        for job in st.jobs.values():
            job.validate()
        for chain in st.chains.live.values():
            chain.validate(st.jobs)
        running = {a for job in st.jobs.values() for a in job.running}
        assert running == set(st.attempts), running ^ set(st.attempts)
        for attempt in st.attempts.values():
            slot = st.cluster.slots.get(attempt.slot_id)
            assert slot is not None, (attempt.id, attempt.task.story)
            assert slot.attempt is attempt, (attempt.id, attempt.task.story)
            ending = attempt.kill_asked or attempt.tracker_id in st.recovery.unheard
            assert ending or attempt in attempt.task.running, (attempt.id, attempt.task.story)
        for slot in st.cluster.slots.values():
            if slot.state is SlotState.RUNNING and slot.attempt is None:
                waits = slot.id in st.slots.held or slot.tracker_id in st.recovery.unheard
                assert waits, f"{slot.id} is free, and nothing serves it"
        assert not st.slots.free
        assert set(st.mailboxes) == st.cluster.trackers.keys()
        assert st.recovery.unheard.keys() <= st.cluster.trackers.keys()
