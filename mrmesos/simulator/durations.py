"""The durations of attempts in their slots. The core decides when they get a slot."""

from __future__ import annotations

import math
from random import Random

from mrmesos.simulator.spec import TimesSpec
from mrmesos.simulator.workload import Work
from mrmesos.wire.task import Locality


class Durations:
    """Draws durations in seconds. Each call may use the generator, so their order matters."""

    __slots__ = ("_mu", "_rates", "_rng", "_times")

    def __init__(self, times: TimesSpec, rng: Random) -> None:
        self._times = times
        self._rng = rng
        self._mu = -times.noise * times.noise / 2  # the mean of the lognormal factor is 1
        self._rates = {
            Locality.NODE_LOCAL: times.local_mb_s,
            Locality.RACK_LOCAL: times.rack_mb_s,
            Locality.ANY: times.remote_mb_s,
        }

    def map(self, work: Work, size_mb: float, locality: Locality) -> float:
        """One map attempt."""
        seconds = work.map_seconds
        if seconds is None:
            seconds = size_mb / self._rates[locality]
        return self._times.attempt_overhead + seconds * self._factor()

    def fetch(self, work: Work) -> float:
        """The time in which one reduce attempt fetches all its segments."""
        if work.reduce_seconds is not None:
            return 0.0
        return work.shuffle_mb / max(1, work.reduces) / self._times.shuffle_mb_s

    def reduce(self, work: Work) -> float:
        """The rest of one reduce attempt: merge, reduce and write."""
        seconds = work.reduce_seconds
        if seconds is None:
            size_mb = (work.shuffle_mb + work.output_mb) / max(1, work.reduces)
            seconds = size_mb / self._times.reduce_mb_s
        return self._times.attempt_overhead + seconds * self._factor()

    def _factor(self) -> float:
        times = self._times
        factor = math.exp(self._rng.gauss(self._mu, times.noise)) if times.noise else 1.0
        if times.straggler_share and self._rng.random() < times.straggler_share:
            factor *= times.straggler_factor
        return factor


def ideal(work: Work, times: TimesSpec, slots: int) -> float:
    """The response time of a job that is alone in a cluster of `slots`. TaskTrackers run already,
    all maps are local and run in full waves, and nothing is noisy or lost.
    """
    one = work.map_seconds
    if one is None:
        one = min(work.map_mb, work.input_mb) / times.local_mb_s
    seconds = times.plan + times.commit
    seconds += math.ceil(work.maps / slots) * (times.attempt_overhead + one)
    if work.reduces:
        share = 1 / work.reduces
        one = times.attempt_overhead
        if work.reduce_seconds is not None:
            one += work.reduce_seconds
        else:
            one += work.shuffle_mb * share / times.shuffle_mb_s
            one += (work.shuffle_mb + work.output_mb) * share / times.reduce_mb_s
        seconds += math.ceil(work.reduces / slots) * one
    return seconds
