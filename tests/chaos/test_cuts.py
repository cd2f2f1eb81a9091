"""Which hosts a chaos run cuts from each other, and when a cut ends: seeded, without packets."""

from __future__ import annotations

import random
from typing import cast

import pytest

from mrmesos.testing.network import NetworkCut, PacketFilter
from tests.chaos.cuts import HOSTS_AT_ONCE, SECONDS, Cuts

HOSTS = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]


class Packets:
    """The dropped packets as a set. No element is added or deleted twice."""

    def __init__(self) -> None:
        self.elements: set[tuple[str, str]] = set()

    def drop(self, cut: NetworkCut) -> None:
        assert not self.elements & set(cut.elements)
        self.elements |= set(cut.elements)

    def mend(self, cut: NetworkCut) -> None:
        assert set(cut.elements) <= self.elements
        self.elements -= set(cut.elements)


@pytest.mark.parametrize("seed", range(50))
def test_every_cut_ends(seed: int) -> None:
    rng = random.Random(seed)
    packets, running, now = Packets(), ["job0"], 0.0
    filter_ = cast("PacketFilter", packets)
    cuts = Cuts(filter_, rng, HOSTS, lambda: running, lambda: now)
    said = []
    for number in range(300):
        now += rng.uniform(0.0, 6.0)
        cuts.look()
        said.append(cuts.cut_hosts() if rng.random() < 0.6 else cuts.cut_jobtracker(5055))
        pairs = {
            frozenset(text.split(" . ")) for name, text in packets.elements if "port" not in name
        }
        assert len(pairs) <= HOSTS_AT_ONCE
        if rng.random() < 0.3:
            running = [f"job{number}"]
    assert any("for good" in one for one in said)
    assert any("both ways" in one for one in said)
    cuts.mend_all()
    running = []
    now += SECONDS
    cuts.look()
    assert not packets.elements
