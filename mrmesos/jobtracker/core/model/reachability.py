"""Known cuts between hosts. A failed fetch adds a cut, and time or a fetch that works removes it.

A cut has a direction: its reader cannot fetch what its source serves. Nobody reports that a network
works again. So we believe a cut for a while after the last failed fetch. If a fetch fails again
after that time, we believe the cut for twice as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mrmesos.wire.ids import HostName

BELIEVED_SECONDS = 60.0
"""How long we believe a cut after the last failed fetch."""
BELIEVED_MAX_SECONDS = 960.0
CUTS_MAX = 10_000
"""Most cuts kept at once. With more than that, cuts no longer help to choose hosts."""


@dataclass(slots=True)
class Cut:
    """One reader cannot fetch from one source. We believe it until `until`. The next time, we
    believe it for `seconds`.
    """

    until: float
    seconds: float


@dataclass(slots=True)
class Reachability:
    """The cuts between hosts, by host name."""

    until: float = float("-inf")
    """After this time, no cut is believed."""
    _cuts: dict[tuple[HostName, HostName], Cut] = field(default_factory=dict)
    _sources: dict[HostName, dict[HostName, Cut]] = field(default_factory=dict)
    """By reader, then by source."""
    _readers: dict[HostName, dict[HostName, Cut]] = field(default_factory=dict)
    """By source, then by reader."""

    def failed(self, reader: HostName, source: HostName, now: float) -> None:
        """A fetch failed, or still fails."""
        if reader == source:
            return
        cut = self._cuts.get((reader, source))
        if cut is None:
            if len(self._cuts) >= CUTS_MAX:
                return
            cut = self._cuts[reader, source] = Cut(now, BELIEVED_SECONDS)
            self._sources.setdefault(reader, {})[source] = cut
            self._readers.setdefault(source, {})[reader] = cut
        elif cut.until <= now:
            cut.seconds = min(2 * cut.seconds, BELIEVED_MAX_SECONDS)
        cut.until = now + cut.seconds
        self.until = max(self.until, cut.until)

    def worked(self, reader: HostName, source: HostName) -> None:
        """A fetch worked that had failed before."""
        if self._cuts.pop((reader, source), None) is not None:
            _drop(self._sources, reader, source)
            _drop(self._readers, source, reader)

    def sources_cut_from(self, reader: HostName, now: float) -> Iterator[HostName]:
        """The hosts that a host cannot fetch from."""
        cuts = self._sources.get(reader, {})
        return (source for source, cut in cuts.items() if cut.until > now)

    def readers_cut_from(self, source: HostName, now: float) -> Iterator[HostName]:
        """The hosts that cannot fetch from a host."""
        cuts = self._readers.get(source, {})
        return (reader for reader, cut in cuts.items() if cut.until > now)

    def tick(self, now: float) -> None:
        """Forget cuts without a failed fetch for long."""
        for (reader, source), cut in list(self._cuts.items()):
            if now - cut.until > BELIEVED_MAX_SECONDS:
                self.worked(reader, source)


def _drop(index: dict[HostName, dict[HostName, Cut]], first: HostName, second: HostName) -> None:
    del index[first][second]
    if not index[first]:
        del index[first]
