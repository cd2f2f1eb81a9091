"""Which hosts are known not to reach which: learned from fetches that failed, forgotten in time.

A cut has a direction: its reader cannot fetch what its source serves. Nobody tells when a network
is whole again, so a cut is believed for a while after the last failed fetch, and for twice as long
when it turns out that it was forgotten too early. A fetch that works ends it at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

BELIEVED_SECONDS = 60.0
"""How long a cut is believed after the last fetch that failed."""
BELIEVED_MAX_SECONDS = 960.0
CUTS_MAX = 10_000
"""Cuts known at once; where there are more, the network is no help in choosing hosts."""


@dataclass(slots=True)
class Cut:
    """One reader, one source. `until` it is believed; `seconds` is how long each time."""

    until: float
    seconds: float


@dataclass(slots=True)
class Reachability:
    """The cuts between hosts, by their names."""

    until: float = float("-inf")
    """When no cut is believed any more."""
    _cuts: dict[tuple[str, str], Cut] = field(default_factory=dict)
    _sources: dict[str, dict[str, Cut]] = field(default_factory=dict)
    """By reader, then by source."""
    _readers: dict[str, dict[str, Cut]] = field(default_factory=dict)
    """By source, then by reader."""

    def failed(self, reader: str, source: str, now: float) -> None:
        """A fetch failed, or fails on."""
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

    def worked(self, reader: str, source: str) -> None:
        """A fetch that had failed worked."""
        if self._cuts.pop((reader, source), None) is not None:
            _drop(self._sources, reader, source)
            _drop(self._readers, source, reader)

    def sources_cut_from(self, reader: str, now: float) -> Iterator[str]:
        """The hosts that a host cannot fetch from."""
        cuts = self._sources.get(reader, {})
        return (source for source, cut in cuts.items() if cut.until > now)

    def readers_cut_from(self, source: str, now: float) -> Iterator[str]:
        """The hosts that cannot fetch from a host."""
        cuts = self._readers.get(source, {})
        return (reader for reader, cut in cuts.items() if cut.until > now)

    def tick(self, now: float) -> None:
        """Forget what was not heard of for long."""
        for (reader, source), cut in list(self._cuts.items()):
            if now - cut.until > BELIEVED_MAX_SECONDS:
                self.worked(reader, source)


def _drop(index: dict[str, dict[str, Cut]], first: str, second: str) -> None:
    del index[first][second]
    if not index[first]:
        del index[first]
