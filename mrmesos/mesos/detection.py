"""Finds the leading master in ZooKeeper, like pymesos' detector, without its bugs.

pymesos' detector has these bugs. It reports nothing while no master leads. If a leader goes away
during the lookup, it raises an exception, and never looks at that node again. It takes any node for
a master's. It sets the levels of kazoo's loggers for the whole process, and still logs a line at
each try.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated

import msgspec
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.recipe.watchers import ChildrenWatch

from mrmesos.mesos.errors import MesosUnreachable

__all__ = ["LeaderDetector"]

logger = logging.getLogger(__name__)
_kazoos = logging.getLogger(f"{__name__}.kazoo")
_kazoos.setLevel(logging.ERROR)  # this module reports the same problems, once each

LABEL = "json.info_"
"""Prefix of the masters' nodes in the election. The lowest one leads (Mesos' `contender`)."""


class Address(msgspec.Struct, frozen=True):
    """The address in a MasterInfo. `ip` may have any notation."""

    ip: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z.:\-]{1,255}\Z")]
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class MasterNode(msgspec.Struct, frozen=True):
    """The part of a master's node that we read."""

    address: Address


def read_master(data: bytes) -> str:
    """`host:port` of a master. Raises the errors of msgspec's decoder."""
    address = msgspec.json.decode(data, type=MasterNode).address
    return f"{address.ip}:{address.port}"


SESSION_SECONDS = 10.0
CONNECT_SECONDS = 15.0


class LeaderDetector:
    """Watches an election from `start` to `stop`; kazoo's threads call `changed`."""

    def __init__(self, url: str, changed: Callable[[str | None], None]) -> None:
        """Prepare a detector; `start()` connects.

        Args:
            url: zk://host:port,…/path
            changed: gets host:port of each new leader, and None when there is none. It must not
                wait or raise.
        """
        self.url = url
        self._changed = changed
        hosts, _, path = url.removeprefix("zk://").partition("/")
        self._path = f"/{path.strip('/')}"
        self._zk = KazooClient(hosts=hosts, timeout=SESSION_SECONDS, logger=_kazoos)
        self._leader: str | None = None
        self._none_leads = False  # no master leads, and we have reported it
        self._away = False  # the connection to ZooKeeper is lost

    def start(self) -> None:
        """Connect, and report the current leader. Raises MesosUnreachable."""
        try:
            self._zk.start(CONNECT_SECONDS)
            self._zk.add_listener(self._state)
            if not self._zk.exists(self._path):
                # kazoo's watch of a missing path would end silently
                raise MesosUnreachable(f"{self.url}: there is no such path")
            ChildrenWatch(self._zk, self._path, self._seen)
        except (KazooException, self._zk.handler.timeout_exception) as problem:
            words = str(problem) or type(problem).__name__
            raise MesosUnreachable(f"{self.url}: {words}") from problem

    def stop(self) -> None:
        """Stop watching."""
        self._zk.remove_listener(self._state)
        try:
            self._zk.stop()
            self._zk.close()
        except KazooException as problem:  # its threads are daemons
            logger.info("leaving ZooKeeper: %r", problem)

    # In kazoo's threads.

    def _seen(self, children: list[str]) -> None:
        try:
            leader = self._read(children)
        except KazooException as problem:
            logger.warning("%s: cannot read the leader: %r", self.url, problem)
            return
        if leader is None and not self._none_leads:
            logger.warning("no Mesos master leads at %s; waiting", self.url)
        elif leader is not None and leader != self._leader:
            logger.info("the Mesos master at %s leads", leader)
        self._none_leads = leader is None
        if leader is None or leader != self._leader:
            self._leader = leader
            self._changed(leader)

    def _read(self, children: list[str]) -> str | None:
        for name in sorted(child for child in children if child.startswith(LABEL)):
            try:
                data, _ = self._zk.retry(self._zk.get, f"{self._path}/{name}")
                return read_master(data)
            except NoNodeError:
                continue  # it is gone already, and the next listing will come
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
                logger.warning("%s: %s is not a master's node: %r", self.url, name, problem)
        return None

    def _state(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            if self._away:
                logger.warning("ZooKeeper at %s is back", self.url)
            self._away = False
        elif not self._away:
            logger.warning("ZooKeeper at %s is away; Mesos' master may change unseen", self.url)
            self._away = True
