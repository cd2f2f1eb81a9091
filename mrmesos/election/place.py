"""The place of an election in ZooKeeper: `zk://[user:password@]host:port,…/path`, as in Mesos."""

from __future__ import annotations

from dataclasses import dataclass

SCHEME = "zk://"
LEADER = "leader"
"""The leader's ephemeral node. It holds the JobTracker's URL as soon as the JobTracker listens."""
DIRECTORY = "directory"
"""A lasting node with the name of the state directory that all candidates share."""

STANDBYS = "standbys"
"""The directory of ephemeral nodes: one for each standby that could do the leader's work."""


@dataclass(frozen=True, slots=True)
class Place:
    """Hosts as ZooKeeper's clients take them, and a path. Candidates add `user:password`."""

    hosts: str
    path: str
    credentials: str = ""

    @classmethod
    def parse(cls, url: str) -> Place:
        """Read a zk:// URL. Raises ValueError."""
        rest, slash, path = url.removeprefix(SCHEME).partition("/")
        credentials, _, hosts = rest.rpartition("@")
        path = path.strip("/")
        wrong = not url.startswith(SCHEME) or not all(hosts.split(",")) or not path
        if wrong or not slash or (credentials and ":" not in credentials):
            raise ValueError("a ZooKeeper URL has the form zk://[user:password@]host:port,…/path")
        return cls(hosts, f"/{path}", credentials)

    @property
    def url(self) -> str:
        """The URL without credentials, for logs and messages. Readers need no credentials."""
        return f"{SCHEME}{self.hosts}{self.path}"

    def node(self, name: str) -> str:
        """The full name of a node."""
        return f"{self.path}/{name}"
