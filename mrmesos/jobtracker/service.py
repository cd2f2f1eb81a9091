"""The JobTracker running: one thread that owns the core, and what it speaks through.

The thread reads one queue of events and questions. Around it: the HTTP server (event loop in a
thread), Mesos' driver (its IO thread only posts events; calls go out from another thread), and a
few threads that plan and commit. Nothing but the queue leads to the core, and nothing but commands
comes from it: each says whether it may act before the journal has what led to it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sysconfig
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import mrmesos
from mrmesos import conf as settings
from mrmesos.access.names import known_as
from mrmesos.access.tls import client_context, server_context
from mrmesos.conf import Conf
from mrmesos.jobtracker.backend import CoreBackend, LiveJobs
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages.commands import (
    AbortJob,
    AnswerHeartbeat,
    Command,
    CommitJob,
    JobEnded,
    PlanJob,
    WakeTracker,
)
from mrmesos.jobtracker.core.messages.events import Closing, Event, JobUnkept, KillAsked, Registered
from mrmesos.jobtracker.core.messages.journal_records import WriteRecords
from mrmesos.jobtracker.core_thread import CoreThread
from mrmesos.jobtracker.http.api import HttpApi
from mrmesos.jobtracker.http.authentication import Authenticator
from mrmesos.jobtracker.http.errors import SetAside, Unavailable
from mrmesos.jobtracker.http.server import HttpServer, listening_address, split_address
from mrmesos.jobtracker.mesos.link import MakeDriver, MesosLink, make_mesos_driver
from mrmesos.jobtracker.mesos.task_info import TrackerCommand, source_tree, tracker_command
from mrmesos.jobtracker.quarantine import Quarantine, answers
from mrmesos.jobtracker.storage.code_store import CodeStore
from mrmesos.jobtracker.storage.journal_session import JournalSession
from mrmesos.jobtracker.storage.planner import Planner
from mrmesos.jobtracker.storage.planners_answer import PlannersWork, to_be_kept
from mrmesos.jobtracker.storage.pools_file import with_pools_file

logger = logging.getLogger(__name__)


LEAVE_SECONDS = 2.0
"""How long TaskTrackers have to hear that they are to leave. Their heartbeats wait here for an
answer, so it takes milliseconds, unless one hangs.
"""
ASK_AGAIN_SECONDS = 0.01


class JobTrackerService:
    """A JobTracker for the Mesos master `master`; `start()` it, and `stop()` it for good."""

    def __init__(
        self,
        conf: Conf,
        master: str,
        *,
        host: str = "",
        port: int = 0,
        token: str = "",
        election: str = "",
        accept_journal_loss: bool = False,
        make_driver: MakeDriver = make_mesos_driver,
    ) -> None:
        """`host` and `port` are where it listens unless `jobtracker.http.address` says more.

        Without either it is the address that reaches the master: loopback for one here. Clients
        show `token`; without one it makes its own. With `jobtracker.state.dir` it goes on where
        the last one with that directory ended; of those that share it the caller was elected, at
        `election` (zk://…), where TaskTrackers look for the one that leads. With
        `accept_journal_loss` a damaged journal is no obstacle. Raises JournalError where what is
        there cannot be used, ConfError where the certificate cannot.
        """
        conf = with_pools_file(conf)
        self._conf, self._master = conf, master
        self._host, self._port, self._election = host, port, election
        self._make_driver = make_driver
        self._hold_seconds = conf.get_as(settings.HEARTBEAT_SECONDS)
        self.token = token or secrets.token_urlsafe(32)
        self._tls = server_context(conf)
        tls_of_trackers = client_context(conf) if self._tls is not None else None
        self._ledger = JournalSession(
            conf.get_as(settings.JOBTRACKER_STATE_DIR),
            shared=bool(election),
            accept_loss=accept_journal_loss,
        )
        self.codes = CodeStore(
            self._ledger.code_directory,
            max_code_bytes=conf.get_as(settings.JOB_CACHE_SINGLE_MAX_MB) << 20,
            max_store_bytes=conf.get_as(settings.JOBTRACKER_CACHE_MB) << 20,
        )
        self._ledger.pin_codes(self.codes)
        # Unix seconds that never jump: deadlines and times of jobs come from the same clock. Nor
        # do they go back from one JobTracker to the next, where a host's clock was set back.
        self._clock_offset = max(time.time(), self._ledger.latest()) - time.monotonic()
        life = self._ledger.life
        self._core = JobTracker(conf, life.stamp, journal=True)
        self._thread = CoreThread(self._handle, self._settle, self._thread_ended)
        self._later: list[Command] = []  # once what led to them is in the journal
        self._at_work = PlannersWork()
        self._live = LiveJobs()
        self._quarantine = Quarantine()
        self.backend = CoreBackend(
            conf,
            self._core,
            self._thread,
            self.codes,
            self._live,
            self._ledger.keys(),
            self._quarantine.counts,
        )
        self._planner = Planner(lambda event: self._thread.post(to_be_kept(event)), conf)
        door = Authenticator(self.token, life.secret, bearer=conf.get_as(settings.BEARER_TOKENS))
        self._api = HttpApi(self.backend, self._hold_seconds, door, tls_of_trackers)
        self._server: HttpServer | None = None
        self._link: MesosLink | None = None
        self._leftovers = True
        self._deaf = 0  # how many TaskTrackers did not hear the end
        self.url = ""

    # Life.

    def start(self) -> str:
        """Listen and subscribe; the URL at which clients and TaskTrackers reach this service.

        Raises AddressError where it cannot listen, JournalError where it must not, and ValueError
        for a wrong master.
        """
        try:
            return self._start()
        except BaseException:
            self._ledger.close()
            self.codes.close()
            raise

    def _start(self) -> str:
        host, port = self._host, self._port
        if address := self._conf.get_as(settings.JOBTRACKER_ADDRESS):
            host, port = split_address(address)
        bind, reachable = listening_address(host, self._master)
        scheme = "https://" if self._tls is not None else ""
        if not port and self._ledger.life.address and not self._election:
            port = split_address(self._ledger.life.address)[1]
        self._ledger.check_address(f"{scheme}{reachable}:{port}")
        guard = known_as(self._conf, reachable, bind)
        self._server = HttpServer(self._api.application, bind, port, self._tls, guard)
        address = f"{scheme}{reachable}:{self._server.start()}"
        self.url = address if scheme else f"http://{address}"
        try:
            purelib = Path(sysconfig.get_path("purelib"))
            package = Path(mrmesos.__file__).resolve().parent
            command = tracker_command(
                self._conf,
                self._election or self.url,
                python_path=source_tree(purelib, package),
                inherited=os.environ,
                secret=self._ledger.life.secret,
            )
            self._link = MesosLink(
                self._conf,
                self._master,
                self._make_driver,
                url=self.url,
                command=command,
                framework_id=self._ledger.framework_id,
                journal=self._ledger.on,
                post=self._thread.post,
                fail=self._thread.fail,
            )
            self._restore(address, command)
        except BaseException:
            self._server.stop(1.0)
            raise
        self._thread.start()
        self._link.start()
        self._planner.warm_up()
        logger.info("JobTracker at %s for Mesos master %s", self.url, self._master)
        return self.url

    def _restore(self, address: str, command: TrackerCommand) -> None:
        """Go on from the journal, and write there who does."""
        environment = sorted(command.environment.items())
        same = self._ledger.begin(
            address, f"{command.shell} {environment} {command.package} {command.image}"
        )
        self._begin_with(same_command=same)

    def _begin_with(self, *, same_command: bool) -> None:
        """Go on with what was read."""
        life = self._ledger.life.number
        commands = self._ledger.restore(self._core, self._now(), same_command=same_command)
        if not life:
            return
        self._live.add(self._core.st.jobs)
        jobs, trackers = len(self._live), len(self._core.trackers)
        logger.info("start %d on this journal: %d jobs, %d trackers", life + 1, jobs, trackers)
        self._take(commands)

    def stop(
        self,
        *,
        teardown: bool = True,
        timeout: float = 10.0,
        patience: float = 0.0,
        tell: Callable[[str], None] = logger.info,
    ) -> bool:
        """Kill the jobs, clean up after them, end the framework; whether all was done in time.

        Without `teardown` jobs, their tasks and the framework are left to Mesos' failover timeout.
        Where no Mesos master can be told of the end, one is waited for `patience` seconds, which
        `tell` is told; what has to be left then is in `left_behind`.
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
                teardown=teardown, deadline=deadline, patience=patience, tell=tell
            )
        clean &= self._planner.stop(left())
        if self._server is not None:
            self._server.call_soon(self._api.release_all)
            clean &= self._server.stop(left())
        clean &= self._thread.join(left())
        self._leftovers &= teardown
        self._ledger.close()
        self.codes.close()
        return clean

    def _send_away(self, deadline: float) -> int:
        """Tell all TaskTrackers to leave, in the answers to their heartbeats; how many did not
        hear it in time. A TEARDOWN ends them, too, but a master may come to know of it much later.
        """
        self._thread.post(Closing())

        def untold() -> int:
            return self._core.untold

        number = 0
        with contextlib.suppress(Unavailable, TimeoutError):  # it has failed, or is stuck
            while number := self._thread.ask(untold).result(max(0.1, deadline - time.monotonic())):
                if time.monotonic() >= deadline:
                    break
                time.sleep(ASK_AGAIN_SECONDS)
        return number

    def remove_leftovers(self) -> None:
        """After `stop()`, once no task runs any more: what jobs wrote that it cut short.

        Without `teardown` there was nothing cut short.
        """
        if self._leftovers:
            self._planner.remove_leftovers()

    def kill_all(self, by: str, timeout: float) -> bool:
        """Kill all jobs and wait for their ends at most `timeout` seconds; whether they came."""
        self.backend.take_no_more()
        for job_id in self._live.ids():
            self._thread.post(KillAsked(job_id, by))
        deadline = time.monotonic() + timeout
        while not self._live.wait_none(min(0.25, max(0.0, deadline - time.monotonic()))):
            if self.failure is not None or time.monotonic() >= deadline:
                return False
        return True

    @property
    def failure(self) -> BaseException | None:
        """What made the service stop by itself, if anything has."""
        return self._thread.failure

    @property
    def left_behind(self) -> str:
        """A text: what `stop()` has not ended at Mesos so far, or nothing."""
        left = "" if self._link is None else self._link.left
        if left and self._deaf:
            left += f"; {self._deaf} TaskTrackers did not hear that they are to leave"
        return left

    def wait_failed(self, timeout: float) -> bool:
        """Whether the service fails within `timeout` seconds."""
        return self._thread.wait_failed(timeout)

    # In the core's thread.

    def _now(self) -> float:
        return self._clock_offset + time.monotonic()

    def _handle(self, event: Event) -> None:
        self._at_work.ended(event)
        try:
            if self._quarantine.knows(event):
                commands = answers(event)
            else:
                commands = self._core.handle(event, self._now())
        except Exception as problem:  # whoever sent it must not end the service for all
            self._set_aside(event, problem)
            raise SetAside from problem
        self._take(commands)

    def _set_aside(self, event: Event, problem: Exception) -> None:
        """Go on as if the event had never come: with a core built anew from what is written, as
        the one that raised may be half changed. Raises where that is in vain.
        """
        self._quarantine.take(event, problem)
        self._settle()  # what came before it
        before, self._later = self._core.st, []
        life = self._ledger.again()
        self._core = JobTracker(self._conf, life.stamp, journal=True)
        self.backend.use(self._core)
        self._begin_with(same_command=True)
        if before.subscription.connected:
            self._take(self._core.handle(Registered(before.subscription.framework_id), self._now()))
        self._take(answers(event))

    def _settle(self) -> None:
        """Have it all in the journal, then do what others see."""
        while unkept := self._ledger.settle():
            for job_id, why in unkept.items():
                self._handle(JobUnkept(job_id, why))
        later, self._later = self._later, []
        for command in later:
            self._carry_out(command)

    def _thread_ended(self) -> None:
        if self._server is not None:
            self._server.call_soon(self._api.release_all)

    def _take(self, commands: Iterable[Command]) -> None:
        """Carry out what may act at once; the rest waits for the journal."""
        for command in commands:
            if command.after_journal:
                self._later.append(command)
            else:
                self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case WriteRecords():
                self._ledger.note(command)
            case AnswerHeartbeat():
                self.backend.answer(command)
            case WakeTracker(tracker_id):
                if self._server is not None:
                    self._server.call_soon(self._api.wake_tracker, tracker_id)
            case PlanJob() | CommitJob() | AbortJob():
                if self._at_work.begin(command):
                    self._planner.submit(command)
            case JobEnded(job_id):
                self._job_ended(job_id)
            case _:
                if self._link is not None:
                    self._link.submit(command)

    def _job_ended(self, job_id: str) -> None:
        self.codes.unpin(job_id)
        self._live.ended(job_id)
        if self._server is not None:
            self._server.call_soon(self._api.job_ended, job_id)
