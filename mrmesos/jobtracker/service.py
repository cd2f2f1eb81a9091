"""The shell around the JobTracker's core: it starts and stops all threads and carries out commands.

Comes in: events and questions, through one queue. Goes out: the core's commands. The class of a
command says whether it must wait until the journal has the records of its event.
Threads: the core's own thread (core_thread.py) reads the queue and carries out commands. The HTTP
server has a thread with an event loop. The thread of Mesos' driver only posts events; another one
makes the calls to Mesos. A few threads plan and commit. Only the queue leads to the core.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable

from mrmesos import conf as settings
from mrmesos import garbage
from mrmesos.access.identity import credentials_of
from mrmesos.access.pickle_keys import key_of_token
from mrmesos.conf import Conf
from mrmesos.jobtracker.aftermath import Aftermath
from mrmesos.jobtracker.backend import CoreBackend, LiveJobs
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.commands import (
    AbortJob,
    AnswerHeartbeat,
    ChainEnded,
    CleanChain,
    Command,
    CommitJob,
    JobEnded,
    PlanJob,
    PrepareChain,
    QueueEnded,
    QueueNews,
    WakeTracker,
)
from mrmesos.jobtracker.core.messages.journal_records import WriteRecords
from mrmesos.jobtracker.core_thread import CoreThread
from mrmesos.jobtracker.front import Front
from mrmesos.jobtracker.http.errors import SetAside, Unavailable
from mrmesos.jobtracker.mesos.agent_files import AgentFiles
from mrmesos.jobtracker.mesos.link import MakeDriver, MesosLink, make_mesos_driver
from mrmesos.jobtracker.mesos.task_info import TrackerCommand, tracker_command
from mrmesos.jobtracker.quarantine import Quarantine, answers
from mrmesos.jobtracker.storage.code_store import CodeStore
from mrmesos.jobtracker.storage.journal_session import JournalSession
from mrmesos.jobtracker.storage.planner import Planner
from mrmesos.jobtracker.storage.planners_answer import PlannersWork, encodable_event
from mrmesos.jobtracker.storage.pools_file import with_pools_file
from mrmesos.wire.tracker_command import own_source_tree

logger = logging.getLogger(__name__)

LEAVE_SECONDS = 2.0
"""Deadline for telling all TaskTrackers to leave. Usually it takes milliseconds, because the
JobTracker holds a heartbeat of each one and can answer it at once.
"""
ASK_AGAIN_SECONDS = 0.01


class JobTrackerService:
    """A JobTracker for the Mesos master `master`. After `stop()`, it cannot start again."""

    def __init__(
        self,
        conf: Conf,
        master: str,
        *,
        host: str = "",
        port: int = 0,
        token: str = "",
        pickle_key: str = "",
        election: str = "",
        accept_journal_loss: bool = False,
        make_driver: MakeDriver = make_mesos_driver,
    ) -> None:
        """Open the journal, if `jobtracker.state.dir` names one, and continue where it ends.

        The service listens at `jobtracker.http.address`. Without that setting, it listens at
        `host` and `port`; without `host`, at this machine's address on the route to the master.
        Clients authenticate with `token`; if it is empty, the service makes one. `pickle_key` signs
        pickled values of jobs' outputs; if it is empty, it follows from the token. `election`
        (zk://…) is set if several JobTrackers share the journal and this one was elected;
        TaskTrackers find the leader there. With `accept_journal_loss`, a damaged journal does not
        prevent the start.

        Raises JournalError if the journal cannot be used, ConfError for bad settings or a bad
        certificate.
        """
        conf = with_pools_file(conf)
        self._conf, self._master = conf, master
        self._host, self._port, self._election = host, port, election
        self._make_driver = make_driver
        self.token = token or secrets.token_urlsafe(32)
        pickle_key = pickle_key or key_of_token(self.token)
        self._session = JournalSession(
            conf.get_as(settings.JOBTRACKER_STATE_DIR),
            shared=bool(election),
            accept_loss=accept_journal_loss,
        )
        self.codes = CodeStore(
            self._session.code_directory,
            max_code_bytes=conf.get_as(settings.JOB_CACHE_SINGLE_MAX_MB) << 20,
            max_store_bytes=conf.get_as(settings.JOBTRACKER_CACHE_MB) << 20,
        )
        self._session.pin_codes(self.codes)
        # Deadlines and times of jobs come from one clock: Unix time without jumps. It also never
        # goes back behind the journal, even if the host's clock was set back before this start.
        self._clock_offset = max(time.time(), self._session.latest()) - time.monotonic()
        life = self._session.life
        self._core = JobTracker(conf, life.stamp, journal=True)
        self._thread = CoreThread(
            self._handle, self._end_batch, on_end=lambda: self._front.release_all()
        )
        self._later: list[Command] = []  # commands that wait for the journal
        self._live = LiveJobs()
        self._quarantine = Quarantine()
        self._aftermath = Aftermath(conf)
        self._session.told = self._aftermath.notifier.told
        self.backend = CoreBackend(
            conf,
            self._core,
            self._thread,
            self.codes,
            self._live,
            self._session.keys(),
            self._quarantine.counts,
            pickle_key,
            self._aftermath.tracer,
        )
        tracer = self._aftermath.tracer
        self._at_work = PlannersWork(None if tracer is None else tracer.worked)
        self._planner = Planner(
            lambda event: self._thread.post(encodable_event(event)), conf, pickle_key
        )
        self._front = Front(
            conf,
            self.backend,
            self.token,
            life.secret,
            self._aftermath.history,
            AgentFiles(credentials_of(conf)).read_log,
        )
        self._link: MesosLink | None = None
        self._leftovers = True
        self._deaf = 0  # TaskTrackers that were not told to leave in time
        self.url = ""

    # Life.

    def start(self) -> str:
        """Listen and subscribe. Returns the service's URL, for clients and TaskTrackers.

        Raises AddressError if it cannot listen, JournalError if TaskTrackers of an earlier life
        would not find it at this address, and ValueError if `master` is no valid address.
        """
        garbage.set_apart()  # what is imported stays
        try:
            return self._start()
        except BaseException:
            self._session.close()
            self.codes.close()
            raise

    def _start(self) -> str:
        address = self._front.start(
            self._session, self._master, self._host, self._port, elected=bool(self._election)
        )
        self.url = self._front.url
        try:
            command = tracker_command(
                self._conf,
                self._election or self.url,
                python_path=own_source_tree(),
                inherited=os.environ,
                secret=self._session.life.secret,
            )
            self._link = MesosLink(
                self._conf,
                self._master,
                self._make_driver,
                url=self.url,
                command=command,
                framework_id=self._session.framework_id,
                journal=self._session.on,
                post=self._thread.post,
                fail=self._thread.fail,
            )
            self._restore(address, command)
        except BaseException:
            self._front.stop(1.0)
            raise
        self._thread.start()
        self._link.start()
        self._planner.warm_up()
        logger.info("JobTracker at %s for Mesos master %s", self.url, self._master)
        return self.url

    def _restore(self, address: str, command: TrackerCommand) -> None:
        """Restore the core from the journal, and write a record of this life to it."""
        environment = sorted(command.environment.items())
        same = self._session.begin(
            address, f"{command.shell} {environment} {command.package} {command.image}"
        )
        self._begin_with(same_command=same)

    def _begin_with(self, *, same_command: bool) -> None:
        """Restore the core from the records read, and execute the commands that follow."""
        life = self._session.life.number
        ended, notices = self._session.ended_reports(), self._session.notices()
        commands = self._session.restore(self._core, self._now(), same_command=same_command)
        if not life:
            return
        self._aftermath.catch_up(ended, notices)
        self._live.add(self._core.live())
        jobs, trackers = len(self._live), len(self._core.trackers)
        logger.info("start %d on this journal: %d jobs, %d trackers", life + 1, jobs, trackers)
        self._take(commands)

    def stop(
        self,
        *,
        teardown: bool = True,
        timeout: float = 10.0,
        master_wait: float = 0.0,
        tell: Callable[[str], None] = logger.info,
    ) -> bool:
        """Kill all jobs, clean up, and end the framework. Returns False after `timeout` seconds.

        Without `teardown`, jobs, tasks and the framework stay, until Mesos' failover timeout ends
        them. If no Mesos master answers, this waits `master_wait` seconds for one; `tell` gets a
        text about that. `left_behind` says what then still remains at Mesos.
        """
        deadline = time.monotonic() + timeout
        clean = self.failure is None
        if teardown and self._thread.running:
            clean = self.kill_all("the JobTracker is stopping", timeout)
            self._deaf = self._send_away(min(deadline, time.monotonic() + LEAVE_SECONDS))
        self._thread.stop()

        def left() -> float:
            return max(0.5, deadline - time.monotonic())

        if self._link is not None:
            clean &= self._link.stop(
                teardown=teardown, deadline=deadline, master_wait=master_wait, tell=tell
            )
        clean &= self._planner.stop(left())
        clean &= self._front.stop(left())
        clean &= self._thread.join(left())
        self._leftovers &= teardown
        clean &= self._aftermath.stop(left())
        self._session.end()
        self.codes.close()
        return clean

    def _send_away(self, deadline: float) -> int:
        """Answer all heartbeats with the order to leave. Returns how many were not told in time.

        TEARDOWN also ends TaskTrackers, but the master may get it much later.
        """
        self._thread.post(ev.Closing())

        def untold() -> int:
            return self._core.untold

        number = 0
        with contextlib.suppress(Unavailable, TimeoutError):  # the core has failed, or hangs
            while number := self._thread.ask(untold).result(max(0.1, deadline - time.monotonic())):
                if time.monotonic() >= deadline:
                    break
                time.sleep(ASK_AGAIN_SECONDS)
        return number

    def remove_leftovers(self) -> None:
        """Remove what killed jobs wrote. Call it after `stop()`, when no task runs any more.

        Does nothing after a stop without `teardown`, because such a stop kills no job.
        """
        if self._leftovers:
            self._planner.remove_leftovers()

    def kill_all(self, by: str, timeout: float) -> bool:
        """Kill all jobs. Returns False if some have not ended after `timeout` seconds."""
        self.backend.take_no_more()
        for job_id in self._live.ids():
            self._thread.post(ev.KillAsked(job_id, by))
        deadline = time.monotonic() + timeout
        while not self._live.wait_none(min(0.25, max(0.0, deadline - time.monotonic()))):
            if self.failure is not None or time.monotonic() >= deadline:
                return False
        return True

    @property
    def failure(self) -> BaseException | None:
        """The error that stopped the service. None if it runs, or if `stop()` ended it."""
        return self._thread.failure

    @property
    def left_behind(self) -> str:
        """A text: the things that `stop()` left at Mesos so far. Empty if nothing remains."""
        left = "" if self._link is None else self._link.left
        if left and self._deaf:
            left += f"; {self._deaf} TaskTrackers were not told to leave"
        return left

    def wait_failed(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a failure. Returns whether the service has failed."""
        return self._thread.wait_failed(timeout)

    # In the core's thread.

    def _now(self) -> float:
        return self._clock_offset + time.monotonic()

    def _handle(self, event: ev.Event) -> None:
        self._at_work.ended(event)
        try:
            if self._quarantine.knows(event):
                commands = answers(event)
            else:
                commands = self._core.handle(event, self._now())
        except Exception as problem:  # one bad message must not end the service
            self._set_aside(event, problem)
            raise SetAside from problem
        self._take(commands)
        if isinstance(event, ev.JobPlanned):
            garbage.set_apart()

    def _set_aside(self, event: ev.Event, problem: Exception) -> None:
        """Drop an event that made the core raise, and continue with a new core.

        The old core may be half changed, so the new one is restored from the journal. Raises if
        that fails too.
        """
        self._quarantine.take(event, problem)
        self._end_batch()  # write what earlier events of this batch changed
        before, self._later = self._core.st, []
        life = self._session.again()
        self._core = JobTracker(self._conf, life.stamp, journal=True)
        self.backend.use(self._core)
        self._begin_with(same_command=True)
        if before.subscription.connected:
            registered = ev.Registered(before.subscription.framework_id)
            self._take(self._core.handle(registered, self._now()))
        self._take(answers(event))

    def _end_batch(self) -> None:
        """Write all noted records to the journal, then execute the commands that waited."""
        while unkept := self._session.write_noted():
            for job_id, why in unkept.items():
                self._handle(ev.JobUnkept(job_id, why))
        later, self._later = self._later, []
        for command in later:
            self._execute(command)

    def _take(self, commands: Iterable[Command]) -> None:
        """Execute the commands that may act at once. The others wait for the journal."""
        for command in commands:
            if command.after_journal:
                self._later.append(command)
            else:
                self._execute(command)

    def _execute(self, command: Command) -> None:
        match command:
            case WriteRecords():
                self._session.note(command)
            case AnswerHeartbeat():
                self.backend.answer(command)
            case WakeTracker(tracker_id):
                self._front.wake_tracker(tracker_id)
            case PlanJob() | CommitJob() | AbortJob() | PrepareChain() | CleanChain():
                if self._at_work.begin(command):
                    self._planner.submit(command)
            case JobEnded(job_id, run):
                self._aftermath.job_ended(run)
                self._ended(job_id)
            case ChainEnded(name) | QueueEnded(name):
                self._ended(name)
            case QueueNews():
                self._front.job_ended(command.queue_id)  # its client asks for ends of tasks
            case _:
                if self._link is not None:
                    self._link.submit(command)

    def _ended(self, name: str) -> None:
        """A job or a chain has ended."""
        garbage.take_back()
        self.codes.unpin(name)
        self._live.ended(name)
        self._front.job_ended(name)
