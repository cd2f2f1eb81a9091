"""The service's link to Mesos: a driver, what it hears, and the calls that go out through it.

A framework of an earlier life is taken over. Where Mesos has removed that, as nobody came back
within its failover timeout, a new one takes its place: its tasks are gone, its jobs are not.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mrmesos import conf as settings
from mrmesos.access.tokens import private_text
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages.events import Event, FrameworkRemoved, Registered
from mrmesos.jobtracker.mesos.calls_out import DriverCalls, DriverCommand
from mrmesos.jobtracker.mesos.driver import MesosDriver
from mrmesos.jobtracker.mesos.framework import FrameworkCallbacks, framework_info
from mrmesos.jobtracker.mesos.task_info import TrackerCommand
from mrmesos.jobtracker.mesos.topology import Topology

logger = logging.getLogger(__name__)

MakeDriver = Callable[[FrameworkCallbacks, dict[str, Any], Conf, str], MesosDriver]


def make_mesos_driver(
    callbacks: FrameworkCallbacks,
    info: dict[str, Any],
    conf: Conf,
    master: str,
    *,
    credentials: tuple[str, str] | None = None,
) -> MesosDriver:
    """The driver that speaks to a real master. Raises ValueError for what cannot be a master.

    `credentials`, a principal and its secret, come before those that settings name.
    """
    from mrmesos.mesos.scheduler_driver import SchedulerDriver

    principal = conf.get_as(settings.MESOS_PRINCIPAL) or None
    secret_file = conf.get_as(settings.MESOS_SECRET_FILE)
    secret = private_text(Path(secret_file)).strip() if secret_file else None
    if credentials is not None:
        principal, secret = credentials
        info = {**info, "principal": principal}
    return SchedulerDriver(
        callbacks, info, master, principal=principal, secret=secret, on_fatal=callbacks.fatal
    )


class MesosLink:
    """`start()` it once the core takes events."""

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
        """`url` is ours, `command` starts TaskTrackers, and `framework_id`, where there is one, is
        to be taken over. `post` takes events; `fail` is told when the framework cannot go on.
        """
        self._conf, self._master, self._make_driver = conf, master, make_driver
        self._url, self._journal = url, journal
        self._taking_over = framework_id
        self._post, self._fail = post, fail
        self._lock = threading.Lock()
        self._stopped = False
        self._callbacks = FrameworkCallbacks(self._hear, self._failed, Topology.of(conf))
        self._driver = self._new_driver(framework_id)
        self._calls = DriverCalls(self._driver, command, post)

    def _new_driver(self, framework_id: str) -> MesosDriver:
        info = framework_info(self._conf, self._url, framework_id, journal=self._journal)
        return self._make_driver(self._callbacks, info, self._conf, self._master)

    def start(self) -> None:
        """Subscribe."""
        self._calls.start()
        self._driver.start()

    def submit(self, command: DriverCommand) -> None:
        """Make a call after all those before it."""
        self._calls.submit(command)

    def stop(self, *, teardown: bool, deadline: float) -> bool:
        """End the framework, or leave it to Mesos' failover timeout; False where `deadline` (of
        time.monotonic) was too soon for the calls that waited.
        """
        with self._lock:
            self._stopped = True
        clean = self._calls.stop(max(0.5, deadline - time.monotonic()))
        self._driver.stop(failover=not teardown)
        self._driver.join(max(0.5, deadline - time.monotonic()))
        return clean

    # In the driver's thread.

    def _hear(self, event: Event) -> None:
        if isinstance(event, Registered):
            self._taking_over = ""
        self._post(event)

    def _failed(self, problem: str) -> None:
        if not self._taking_over or "removed" not in problem:
            self._fail(problem)
            return
        logger.warning("%s; its jobs go on in a new one", problem)
        self._taking_over = ""
        threading.Thread(target=self._begin_again, name="mesos-again", daemon=True).start()

    def _begin_again(self) -> None:
        """In a thread of its own, as a driver cannot be joined by its own."""
        self._post(FrameworkRemoved())
        with self._lock:
            if self._stopped:
                return
            self._driver.stop(failover=True)
            try:
                self._driver = self._new_driver("")
                self._calls.use(self._driver)
                self._driver.start()
            except Exception as problem:  # nobody waits for it: fail visibly
                logger.exception("no new framework")
                self._fail(problem)
