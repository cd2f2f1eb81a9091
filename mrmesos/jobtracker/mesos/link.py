"""The service's link to Mesos: the driver, its callbacks, and the calls through it.

Comes in: commands, from the core thread. Goes out: events, from the driver's thread.

The link takes over the framework of an earlier life of this JobTracker. If nobody came back within
the failover timeout, Mesos has removed that framework. Then the link registers a new one: the old
tasks are gone, but the jobs go on. The same happens if this life was cut off from its master for
longer than the failover timeout.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from mrmesos import conf as settings
from mrmesos.access.identity import credentials_of, secret_of
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages.commands import ReadSandbox
from mrmesos.jobtracker.core.messages.events import (
    Disconnected,
    Event,
    FrameworkRemoved,
    Registered,
)
from mrmesos.jobtracker.mesos.agent_files import AgentFiles
from mrmesos.jobtracker.mesos.calls_out import DriverCalls, DriverCommand
from mrmesos.jobtracker.mesos.driver import MesosDriver
from mrmesos.jobtracker.mesos.framework import FrameworkCallbacks, framework_info
from mrmesos.jobtracker.mesos.sandboxes import SandboxReader
from mrmesos.jobtracker.mesos.task_info import TrackerCommand
from mrmesos.jobtracker.mesos.topology import Topology
from mrmesos.mesos.errors import MesosCallError, MesosUnreachable

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 15.0
"""Longest pause between attempts to subscribe. It is also at most a quarter of the failover
timeout.
"""
ASK_AGAIN_SECONDS = 0.2
TELL_SECONDS = 1.0
"""If we wait longer than this for the master, the log says so."""
TEARDOWN_SECONDS = 2.0
"""How long a master that has just answered may take for TEARDOWN."""

MakeDriver = Callable[[FrameworkCallbacks, dict[str, Any], Conf, str], MesosDriver]


def make_mesos_driver(
    callbacks: FrameworkCallbacks,
    info: dict[str, Any],
    conf: Conf,
    master: str,
    *,
    credentials: tuple[str, str] | None = None,
) -> MesosDriver:
    """The driver for a real master. Raises ValueError if `master` is no valid address.

    `credentials` are a principal and its secret. They replace those in the settings.
    """
    from mrmesos.mesos.event_loop import Backoff
    from mrmesos.mesos.scheduler_driver import SchedulerDriver

    principal, secret = conf.get_as(settings.MESOS_PRINCIPAL) or None, secret_of(conf)
    if credentials is not None:
        principal, secret = credentials
        info = {**info, "principal": principal}
    longest = min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, info["failover_timeout"] / 4))
    return SchedulerDriver(
        callbacks,
        info,
        master,
        principal=principal,
        secret=secret,
        on_fatal=callbacks.fatal,
        backoff=Backoff(FIRST_PAUSE_SECONDS, longest),
    )


class MesosLink:
    """Call `start()` when the core is ready to take events."""

    def __init__(
        self,
        conf: Conf,
        master: str,
        make_driver: MakeDriver,
        *,
        url: str,
        command: TrackerCommand,
        framework_id: str,
        journal: bool,
        post: Callable[[Event], None],
        fail: Callable[[str | BaseException], None],
    ) -> None:
        """`url` is ours. `command` starts TaskTrackers. A `framework_id` that is not empty is taken
        over. `post` takes events. `fail` is called if the framework cannot go on.
        """
        self._conf, self._master, self._make_driver = conf, master, make_driver
        self._url, self._journal = url, journal
        self._taking_over = framework_id
        self._post, self._fail = post, fail
        self._lock = threading.Lock()
        self._stopped = False
        self._framework_id = framework_id
        self._timeout = 0.0
        self._away_since: float | None = None
        self.left = ""
        """The things that `stop()` has left at Mesos so far, as a text."""
        self._sandboxes = SandboxReader(AgentFiles(credentials_of(conf)), post)
        self._callbacks = FrameworkCallbacks(self._hear, self._failed, Topology.of(conf))
        self._driver = self._new_driver(framework_id)
        self._calls = DriverCalls(self._driver, command, post)

    def _new_driver(self, framework_id: str) -> MesosDriver:
        info = framework_info(self._conf, self._url, framework_id, journal=self._journal)
        self._timeout = float(info["failover_timeout"])
        return self._make_driver(self._callbacks, info, self._conf, self._master)

    def start(self) -> None:
        """Subscribe."""
        self._calls.start()
        self._sandboxes.start()
        self._driver.start()

    def submit(self, command: DriverCommand | ReadSandbox) -> None:
        """Queue a call, or a read of a sandbox file, which does not wait for the calls."""
        if isinstance(command, ReadSandbox):
            self._sandboxes.submit(command)
        else:
            self._calls.submit(command)

    def stop(
        self,
        *,
        teardown: bool,
        deadline: float,
        master_wait: float = 0.0,
        tell: Callable[[str], None] = logger.info,
    ) -> bool:
        """End the framework, or leave it to Mesos' failover timeout. Returns False if `deadline`
        (of time.monotonic) came before all queued calls were made.

        TEARDOWN needs a leading master that answers. We wait `master_wait` seconds for one, and
        `tell` gets a text about that. Until a master has accepted it, `left` says what remains at
        Mesos. A caller that cannot wait for this method's end can read `left`, too.
        """
        with self._lock:
            self._stopped = True
        if teardown and self._framework_id:
            self.left = (
                f"no Mesos master took the end of framework {self._framework_id}: one that has "
                f"lost us ends it after {self._timeout:g} s, one that comes to lead only now may "
                "list it until POST /master/teardown names it as frameworkId"
            )
        self._sandboxes.stop()
        until = time.monotonic() + master_wait
        words = f"no Mesos master takes our end; waiting for one for {master_wait:.0f} s at most"
        waiting = threading.Timer(TELL_SECONDS, tell, (words,))
        waiting.daemon = True
        if teardown and master_wait:
            waiting.start()
        clean = self._calls.stop(max(0.5, deadline - time.monotonic()))
        if teardown and master_wait:
            self._wait_for_master(until)
        waiting.cancel()
        self._driver.stop(failover=not teardown)
        least = TEARDOWN_SECONDS if master_wait else 0.5
        self._driver.join(max(least, deadline - time.monotonic()))
        if self._driver.torn_down:
            self.left = ""
        return clean

    def _wait_for_master(self, until: float) -> None:
        """Wait until a master answers a call."""
        while not self._answered() and (left := until - time.monotonic()) > 0:
            time.sleep(min(ASK_AGAIN_SECONDS, left))

    def _answered(self) -> bool:
        try:
            return self._driver.suppressOffers()  # we want no more offers, either
        except MesosUnreachable:
            return False
        except MesosCallError as refusal:
            logger.warning("Mesos refused Suppress: %s", refusal)
            return True

    # In the driver's thread.

    def _hear(self, event: Event) -> None:
        if isinstance(event, Registered):
            self._taking_over, self._away_since = "", None
            self._framework_id = event.framework_id
        elif isinstance(event, Disconnected):
            self._away_since = time.monotonic()
        self._post(event)

    def _failed(self, problem: str) -> None:
        away = 0.0 if self._away_since is None else time.monotonic() - self._away_since
        outlived = bool(self._taking_over) or 0.0 < self._timeout <= away
        if not outlived or "removed" not in problem:
            if "HTTP 401" in problem:
                names = f"{settings.MESOS_PRINCIPAL.name} and {settings.MESOS_SECRET_FILE.name}"
                problem = f"{problem}; the master asks who we are: set {names}"
            self._fail(problem)
            return
        logger.warning("%s; its jobs go on in a new one", problem)
        self._taking_over, self._away_since = "", None
        threading.Thread(target=self._begin_again, name="mesos-again", daemon=True).start()

    def _begin_again(self) -> None:
        """Register a new framework. Runs in its own thread, because the driver's thread cannot join
        itself.
        """
        self._post(FrameworkRemoved())
        with self._lock:
            if self._stopped:
                return
            self._driver.stop(failover=True)
            try:
                self._driver = self._new_driver("")
                self._calls.use(self._driver)
                self._driver.start()
            except Exception as problem:  # nobody waits for this thread, so it reports the failure
                logger.exception("no new framework")
                self._fail(problem)
