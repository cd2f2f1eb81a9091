"""Chooses the hosts of blocks: three replicas, as HDFS' BlockPlacementPolicyDefault places them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


class Storage:
    """The hosts that store files, by rack."""

    __slots__ = ("_hosts", "_of_rack", "_rng", "rack_of")

    def __init__(self, racks: Sequence[Sequence[str]], rng: Random) -> None:
        self._of_rack = [list(rack) for rack in racks if rack]
        self._hosts = [(host, place) for place, rack in enumerate(self._of_rack) for host in rack]
        self.rack_of: dict[str, int] = dict(self._hosts)
        """The number of each host's rack."""
        self._rng = rng

    def block(self) -> tuple[str, ...]:
        """The hosts of a new block: a random one (the writer), and two of another rack.

        A small cluster may have fewer.
        """
        rnd = self._rng.random
        first, rack = self._hosts[int(rnd() * len(self._hosts))]
        racks = len(self._of_rack)
        if racks == 1:
            others = [host for host in self._of_rack[0] if host != first]
        else:
            other = int(rnd() * (racks - 1))
            others = self._of_rack[other + (other >= rack)]
        if len(others) < 2:
            return (first, *others)
        second = int(rnd() * len(others))
        third = int(rnd() * (len(others) - 1))
        return (first, others[second], others[third + (third >= second)])

    def one_host(self) -> tuple[str, ...]:
        """Any one host."""
        return (self._hosts[int(self._rng.random() * len(self._hosts))][0],)
