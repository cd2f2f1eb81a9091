"""Cuts hosts of a chaos run from each other, or from the JobTracker, for a while.

A cut between two hosts drops the packets in one direction, in both, or only new connections of one
host. It lasts 25 s, or until all jobs that run at its start have ended.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

from mrmesos.testing.network import NetworkCut, PacketFilter, closed, dropped, port_dropped

SECONDS = 25.0
FOR_GOOD_SHARE = 0.3
HOSTS_AT_ONCE = 2
"""Most pairs of the four hosts to cut at a time: with more, no two hosts might be able to work
together. Only one of these cuts may last until its jobs end.
"""


@dataclass(frozen=True, slots=True)
class _Lasting:
    """A cut, and its end: at a time, or when these jobs have ended."""

    cut: NetworkCut
    until: float
    jobs: frozenset[str] = frozenset()


class Cuts:
    """Makes cuts. Call `look` often: it ends them."""

    def __init__(
        self,
        packets: PacketFilter,
        rng: random.Random,
        hosts: list[str],
        running: Callable[[], list[str]],
        clock: Callable[[], float],
    ) -> None:
        """`running` returns the names of the running jobs."""
        self._packets, self._rng, self._clock = packets, rng, clock
        self._hosts, self._running = hosts, running
        self._lasting: dict[str, _Lasting] = {}

    def cut_hosts(self) -> str:
        """Cut two hosts from each other. Returns what was done, or an empty string."""
        pairs = [name for name in self._lasting if ">" in name]
        one, other = self._rng.choice(list(permutations(self._hosts, 2)))
        name, back = f"{one}>{other}", f"{other}>{one}"
        if len(pairs) >= HOSTS_AT_ONCE or {name, back} & self._lasting.keys():
            return ""
        how = self._rng.choice(["packets one way", "packets both ways", "new connections"])
        cut = closed(one, other) if how == "new connections" else dropped(one, other)
        if how == "packets both ways":
            cut |= dropped(other, one)
        good = any(self._lasting[pair].jobs for pair in pairs)
        jobs = frozenset(self._running()) if self._rng.random() < FOR_GOOD_SHARE else frozenset()
        if jobs and not good:
            return self._begin(name, _Lasting(cut, float("inf"), jobs), f"{how}, for good")
        return self._begin(name, _Lasting(cut, self._clock() + SECONDS), f"{how}, {SECONDS:g} s")

    def cut_jobtracker(self, port: int) -> str:
        """Cut a host from the JobTracker. Returns what was done, or an empty string."""
        host = self._rng.choice(self._hosts)
        name = f"{host}-jobtracker"
        if any(each.endswith("-jobtracker") for each in self._lasting):
            return ""
        until = self._clock() + SECONDS
        return self._begin(name, _Lasting(port_dropped(host, port), until), f"{SECONDS:g} s")

    def look(self) -> list[str]:
        """End the cuts that are due, and return them."""
        now, running = self._clock(), set(self._running())
        over = [
            name
            for name, lasting in self._lasting.items()
            if now >= lasting.until or (lasting.jobs and not lasting.jobs & running)
        ]
        for name in over:
            self._packets.mend(self._lasting.pop(name).cut)
        return over

    def mend_all(self) -> None:
        """End all cuts, except those that last until their jobs end."""
        for name in [name for name, lasting in self._lasting.items() if not lasting.jobs]:
            self._packets.mend(self._lasting.pop(name).cut)

    def _begin(self, name: str, lasting: _Lasting, how: str) -> str:
        self._packets.drop(lasting.cut)
        self._lasting[name] = lasting
        return f"{name}: {how}"
