"""Where an election is held: `zk://[user:password@]host:port,…/path`, as Mesos writes it."""

from __future__ import annotations

from dataclasses import dataclass

SCHEME = "zk://"
LEADER = "leader"
"""The ephemeral node of who leads. It holds that JobTracker's URL, once it listens."""
DIRECTORY = "directory"
"""A lasting node that names the directory which all candidates share."""

STANDBYS = "standbys"
"""The directory of ephemeral nodes of those that stand by and could do what the leader does."""


@dataclass(frozen=True, slots=True)
class Place:
    """Hosts as ZooKeeper's clients take them, a path, and, of candidates, `user:password`."""

    hosts: str
    path: str
    credentials: str = ""

    @classmethod
    def parse(cls, url: str) -> Place:
        """Raises ValueError."""
        rest, slash, path = url.removeprefix(SCHEME).partition("/")
        credentials, _, hosts = rest.rpartition("@")
        path = path.strip("/")
        wrong = not url.startswith(SCHEME) or not all(hosts.split(",")) or not path
        if wrong or not slash or (credentials and ":" not in credentials):
            raise ValueError("ZooKeeper is zk://[user:password@]host:port,…/path")
        return cls(hosts, f"/{path}", credentials)

    @property
    def url(self) -> str:
        """For all to see: who only reads needs no credentials."""
        return f"{SCHEME}{self.hosts}{self.path}"

    def node(self, name: str) -> str:
        """The full name of a node."""
        return f"{self.path}/{name}"
