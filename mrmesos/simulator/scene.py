"""The parts that all frameworks of one simulation share."""

from __future__ import annotations

from random import Random

import msgspec

from mrmesos.simulator.clock import Clock
from mrmesos.simulator.durations import Durations
from mrmesos.simulator.master import Master
from mrmesos.simulator.meter import Meter
from mrmesos.simulator.spec import Spec
from mrmesos.simulator.storage import Storage


class Scene(msgspec.Struct, frozen=True):
    """`rng` is for the parts without a generator of their own. `slots` is the number of maps that
    run at once.
    """

    spec: Spec
    clock: Clock
    master: Master
    storage: Storage
    durations: Durations
    meter: Meter
    rng: Random
    slots: int
