"""Facts about a machine and a cluster. judge.py judges them."""

from __future__ import annotations

import msgspec


class Version(msgspec.Struct, frozen=True):
    """An installed package; `found` is empty if it is missing. `wanted` is a requirement."""

    name: str
    found: str
    wanted: str
    is_enough: bool = True


class PlaceFacts(msgspec.Struct, frozen=True):
    """A directory in which we write. `problem` says why that fails."""

    path: str
    what: str
    free_mb: int = 0
    problem: str = ""


class UriFacts(msgspec.Struct, frozen=True):
    """A URI that a job wants. `problem` says why it cannot be opened; `driver`: what is missing."""

    uri: str
    problem: str = ""
    driver: str = ""


class TokenFacts(msgspec.Struct, frozen=True):
    """The token of clients. `problem` says why its file cannot be used."""

    where: str = ""
    is_there: bool = False
    problem: str = ""


class HereFacts(msgspec.Struct, frozen=True, kw_only=True):
    """This machine. `python` is a version such as `3.11.7`."""

    python: str
    executable: str
    mrmesos: str
    packages: tuple[Version, ...] = ()
    places: tuple[PlaceFacts, ...] = ()
    uris: tuple[UriFacts, ...] = ()
    token: TokenFacts = TokenFacts()
    is_child_started: bool = True
    """Whether this Python can start itself with mrmesos in it, as a local cluster does."""
    child_problem: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A server's answer: the first problem, if there is one, and the server's clock minus ours, in
    seconds.
    """

    url: str
    problem: str = ""
    kind: str = ""
    """The kind of the problem: dns, refused, silent, denied, strange."""
    version: str = ""
    ahead_seconds: float | None = None


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The output of the probe job on an agent."""

    python: str
    executable: str
    mrmesos: str
    time: float
    user: str
    free_mb: dict[str, int]
    uris: tuple[UriFacts, ...] = ()


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An agent. The master gives its `address`. `probe` is None if no job ran there."""

    hostname: str
    address: str = ""
    is_active: bool = True
    problem: str = ""
    """Why this machine cannot connect to it; empty if it can."""
    kind: str = ""
    probe: Probe | None = None
    probe_started: float = 0.0
    probe_ended: float = 0.0
    """The times of the attempt, by the JobTracker's clock."""
    probe_problem: str = ""
    log_problem: str = ""


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster as seen from here. `jobtracker_url` is the address that TaskTrackers get."""

    master: Answer | None = None
    jobtracker: Answer | None = None
    is_probed: bool = False
    jobtracker_url: str = ""
    agents: tuple[AgentFacts, ...] = ()
    unreachable_agents: int = 0


class Facts(msgspec.Struct, frozen=True):
    """All facts. `cluster` is None if the user named none."""

    here: HereFacts
    cluster: ClusterFacts | None = None
