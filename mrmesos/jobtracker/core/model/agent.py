"""An agent: a host that Mesos offered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import TYPE_CHECKING

from mrmesos.jobtracker.core.messages.events import Offer, Unavailability
from mrmesos.jobtracker.core.model.demand import Constraints
from mrmesos.resources import Amounts, Resource
from mrmesos.wire.ids import AgentId, HostName

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.tracker import Tracker


@dataclass(slots=True, eq=False)
class Agent:
    """A host that Mesos offered. `tracker` is its one TaskTracker that may get slots."""

    id: AgentId
    hostname: HostName
    address: str
    seen: float = 0.0
    """When we last got an offer of it."""
    tracker: Tracker | None = None
    url: str = ""
    """The agent's own HTTP address. Empty if it is unknown."""
    rack: str = ""
    """Empty if unknown."""
    size: dict[str, int] = field(default_factory=dict)
    """The most that it ever offered at once."""
    offered_room: dict[str, int] = field(default_factory=dict)
    """The part of that which tasks could have, beside a TaskTracker. Unlike `Cluster.whole_room`,
    it leaves out what our slots held when the offers were made.
    """
    gpus: bool = False
    """Whether it ever offered GPUs. Kept here because a look into `size` is another memory access
    in the hot path.
    """
    offer: Offer | None = None
    """The last offer. The simulator makes the same one again as long as nothing changes."""
    offered: Sequence[Resource] = ()
    """The resources of its last offers."""
    free: Amounts = field(default_factory=dict)
    """The part of `offered` that we could take. It was offered to `role`."""
    given_back: dict[str, int] = field(default_factory=dict)
    """Resources that our slots and TaskTrackers there gave back since the last offer, if that
    came at `given_back_since`.
    """
    given_back_since: float = -math.inf
    role: str = "*"
    pace: float = 1.0
    """The speed of attempts here, relative to attempts of the same jobs elsewhere."""
    launch_failures: int = 0
    avoid_until: float = 0.0
    parole_until: float = 0.0
    """The end of the time for which we avoid the agent, because we gave up a TaskTracker here.
    `silences` counts such TaskTrackers in a row.
    """
    silences: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
    suits: dict[Constraints, bool] = field(default_factory=dict)
    """For each Constraints that was asked, whether the agent's attributes meet it."""
    away: Unavailability | None = None
    """Its planned maintenance, if Mesos has announced one."""
    closes: float = math.inf
    """From this time it takes no further attempts, because its maintenance is near."""
    lease_ended: float = -math.inf
    """When the lease of a slot here last ended."""
    passed: float | None = None
    """When all jobs last passed over what it offered. None after something started here."""
    hosts: tuple[HostName, ...] = field(init=False)
    """The names that filesystems may use for this host."""

    def __post_init__(self) -> None:
        # Agents and jobs share one string per host. A dict look-up then compares no characters.
        names = (self.hostname, self.address) if self.address else (self.hostname,)
        self.hosts = tuple([HostName(intern(name)) for name in names])

    def takes(self, now: float) -> bool:
        """Whether attempts may be started here."""
        silent = self.tracker is not None and self.tracker.silent
        return self.is_open(now) and not silent

    def is_open(self, now: float) -> bool:
        """Whether a TaskTracker that sends heartbeats could start attempts here."""
        return self.avoid_until <= now < self.closes

    def has(self, attributes: Mapping[str, str]) -> None:
        """Note the attributes in an offer. They may change when the agent restarts."""
        if attributes != self.attributes:
            self.attributes = attributes
            self.suits.clear()
