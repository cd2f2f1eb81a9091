"""Checks whether this host can connect to the leading master, without a subscription.

Thread: the caller's. With zk://…, kazoo's threads report the leader.
"""

from __future__ import annotations

import socket

from mrmesos.mesos.addresses import host_and_port, parse_master
from mrmesos.mesos.detection import LeaderDetector
from mrmesos.mesos.errors import MesosUnreachable

__all__ = ["MasterProbe"]

CONNECT_SECONDS = 3.0


class MasterProbe:
    """Call `reachable()` any number of times, then `close()`. For one thread."""

    def __init__(self, master: str) -> None:
        """Raises ValueError if `master` is invalid (see `parse_master`)."""
        self._master = parse_master(master)
        self._detector: LeaderDetector | None = None
        self._leader: str | None = None if self._master.startswith("zk://") else self._master

    def reachable(self) -> bool:
        """Whether a master leads and accepts a connection."""
        try:
            self._detect()
            if self._leader is None:
                return False
            socket.create_connection(host_and_port(self._leader), CONNECT_SECONDS).close()
        except (OSError, MesosUnreachable):
            return False
        return True

    def close(self) -> None:
        """Stop watching the election."""
        if self._detector is not None:
            self._detector.stop()
            self._detector = None

    def _detect(self) -> None:
        if self._detector is not None or not self._master.startswith("zk://"):
            return
        detector = LeaderDetector(self._master, self._leads)
        try:
            detector.start()
        except MesosUnreachable:
            detector.stop()
            raise
        self._detector = detector

    def _leads(self, leader: str | None) -> None:
        self._leader = leader
