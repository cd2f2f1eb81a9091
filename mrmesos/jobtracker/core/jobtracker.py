"""The JobTracker's core: events in, commands out. No threads, sockets, clocks or files.

The modules in handlers/ change one State (state/state.py), each for one subject: jobs, attempts,
slots, trackers, offers, deadlines and others. The rules that they share stand in policies/.
scheduling/find_task.py chooses the next task. state/queries.py answers questions about jobs. One
thread owns a JobTracker. Queries run on this thread, too, between two events.
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
    queues,
    slots,
    subscription,
    trackers,
)
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.commands import AnswerHeartbeat, Command
from mrmesos.jobtracker.core.messages.journal_records import Record
from mrmesos.jobtracker.core.model.settings import CoreSettings, JobSettings
from mrmesos.jobtracker.core.model.slot import SlotState
from mrmesos.jobtracker.core.policies import leases
from mrmesos.jobtracker.core.policies.output_news import send_news
from mrmesos.jobtracker.core.restore import restore
from mrmesos.jobtracker.core.scheduling import index_check
from mrmesos.jobtracker.core.state.journal_changes import Changes
from mrmesos.jobtracker.core.state.state import State
from mrmesos.jobtracker.core.state.state_parts import Recovery
from mrmesos.wire import ids
from mrmesos.wire.ids import AgentId, TrackerId
from mrmesos.wire.job import JobSpec


class JobTracker:
    """Decides for all jobs of one framework.

    `stamp` is part of all names, and tells runs apart (wire.ids.cluster_stamp). Times are Unix
    seconds. If the time of an event is earlier than that of the last one, the last one's counts.
    """

    def __init__(self, conf: Conf, stamp: str, *, journal: bool = False) -> None:
        """With `journal`, the first command of an event says what the journal must write."""
        self.st = State(CoreSettings.of(conf), stamp=stamp, changes=Changes(journal))
        self._last_chain = self._last_queue = 0

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
        """Handle an event. Returns the commands that the shell must carry out, in order."""
        st = self.st
        if isinstance(event, ev.AnswerAsked):  # frequent, and changes nothing else
            st.mailboxes.acknowledge(event.tracker_id, event.acknowledged)
            self._answer(TrackerId(event.tracker_id))
            return st.take_commands()
        st.now = max(now, st.now)
        st.index.advance(st.now)
        beat = event.heartbeat if isinstance(event, ev.HeartbeatReceived) else None
        if beat is None:
            leases.hear(st, event)
        else:
            st.mailboxes.acknowledge(beat.tracker_id, beat.acknowledged)
        if st.out.deaf:  # now, because it ends attempts, and the event may begin others
            trackers.give_up_deaf(st)
        if beat is None:
            self._dispatch(event)
        else:
            trackers.heartbeat(st, beat)
        if st.chains.ended_jobs:
            chains.follow(st)
        if st.queues.ended_jobs or st.queues.news:
            queues.follow(st)
        self._apply_effects()
        if beat is not None:
            tracker_id = TrackerId(beat.tracker_id)
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
            case ev.SlotUpdated():
                slots.updated(st, event)
            case ev.OffersReceived():
                offers.receive(st, event.offers)
            case ev.HeartbeatReceived() | ev.AnswerAsked():
                raise AssertionError("`handle` answers it")
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
            case ev.QueueSubmitted():
                queues.submit(st, event)
            case ev.QueueRequested():
                queues.requested(st, event.queue_id, event.request)
            case ev.EndsTaken():
                queues.taken(st, event.queue_id, event.number)
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
            case ev.JobUnkept() if event.job_id in st.queues.live:
                queues.unkept(st, event.job_id, event.problem)
            case ev.KillAsked() if event.job_id in st.queues.live:
                queues.kill(st, event.job_id, event.by)
            case ev.StoreSilent():
                jobs.waits(st, event.job_id, event.words)
            case ev.JobUnkept():
                jobs.unkept(st, event.job_id, event.problem)
            case ev.KillAsked():
                jobs.kill(st, event.job_id, event.by)
            case ev.MoveAsked():
                jobs.move(st, event)
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
                subscription.registered(st, event.framework_id)
            case ev.FrameworkRemoved():
                trackers.all_gone(st, "Mesos had removed the framework")
                subscription.take_id(st, "")
            case ev.MasterHeard():
                pass  # only its time counts (leases.py)
            case ev.Closing():
                trackers.send_all_away(st)
            case ev.Disconnected():
                st.subscription.connected = False

    def _apply_effects(self) -> None:
        """Act on the changes: serve free slots, send news to reduces, suppress or revive offers."""
        st = self.st
        if st.slots.free:
            slots.serve_free(st)
        if st.changes.reduces_began or st.changes.news:
            send_news(st)
        if st.subscription.connected:
            subscription.want_offers(st)

    # --- For the shell ---------------------------------------------------------------------------

    def next_job_id(self) -> str:
        """A new job's id."""
        return self.st.next_job_id()

    def next_chain_id(self) -> str:
        """A new chain's id."""
        self._last_chain += 1
        return ids.chain_id(self.st.stamp, self._last_chain)

    def next_queue_id(self) -> str:
        """A new queue's id."""
        self._last_queue += 1
        return ids.queue_id(self.st.stamp, self._last_queue)

    @staticmethod
    def check_spec(spec: JobSpec) -> None:
        """Raise ConfError if a setting of the job cannot be used."""
        JobSettings.of(spec)

    @property
    def full(self) -> bool:
        """Whether new jobs and queues must be refused (jobtracker.jobs.max)."""
        return len(self.st.jobs) + len(self.st.queues.live) >= self.st.settings.jobs_max

    @property
    def idle(self) -> bool:
        """No job is in progress, no slot is known, and all TaskTrackers were told to leave."""
        cluster = self.st.cluster
        live = any(t.leaving_since is None for t in cluster.trackers.values())
        work = self.st.jobs or self.st.chains.live or self.st.queues.live
        return not work and not cluster.slots and not live

    def live(self) -> list[str]:
        """The ids of all jobs, chains and queues that have not ended."""
        return [*self.st.jobs, *self.st.chains.live, *self.st.queues.live]

    @property
    def untold(self) -> int:
        """The number of TaskTrackers with actions that were never sent."""
        return self.st.mailboxes.unsent

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
        for queue in st.queues.live.values():
            queue.validate(st.jobs)
        held: dict[str, int] = {}
        for attempt in st.attempts.values():
            settings = st.jobs[attempt.task.job_id].settings
            for name, amount in settings.shared(attempt.task.kind).items():
                held[name] = held.get(name, 0) + amount
        shared = st.index.shared
        assert held == {name: amount for name, amount in shared.held.items() if amount}, held
        assert all(amount <= shared.total.get(name, 0) for name, amount in held.items()), held
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
