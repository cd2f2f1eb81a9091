"""The place of an election: `zk://[user:password@]host:port,…/path`, as Mesos writes it."""

from __future__ import annotations

import msgspec

SCHEME = "zk://"
LEADER = "leader"
"""The leader's ephemeral node. It holds the JobTracker's URL when that listens."""
DIRECTORY = "directory"
"""A persistent node. It names the state directory that all candidates share."""

STANDBYS = "standbys"
"""The parent of ephemeral nodes, one for each standby that can do a leader's work."""


class Place(msgspec.Struct, frozen=True):
    """The hosts in ZooKeeper's format, a path, and, for candidates, `user:password`."""

    hosts: str
    path: str
    credentials: str = ""

    @classmethod
    def parse(cls, url: str) -> Place:
        """Parse a `zk://` URL. Raises ValueError."""
        rest, slash, path = url.removeprefix(SCHEME).partition("/")
        credentials, _, hosts = rest.rpartition("@")
        path = path.strip("/")
        wrong = not url.startswith(SCHEME) or not all(hosts.split(",")) or not path
        if wrong or not slash or (credentials and ":" not in credentials):
            raise ValueError("ZooKeeper is zk://[user:password@]host:port,…/path")
        return cls(hosts, f"/{path}", credentials)

    @property
    def url(self) -> str:
        """The URL without credentials, which readers do not need."""
        return f"{SCHEME}{self.hosts}{self.path}"

    def node(self, name: str) -> str:
        """The full name of a node."""
        return f"{self.path}/{name}"
