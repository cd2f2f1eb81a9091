from __future__ import annotations

import pytest

from mrmesos.conf import ConfError
from mrmesos.jobtracker.core.model.fit import Fit
from mrmesos.jobtracker.core.model.settings import JobSettings
from tests.jobtracker.harness import spec


def test_a_need_has_cpus_and_memory_once() -> None:
    with pytest.raises(ConfError, match=r"map\.resources: cpus has its own setting"):
        JobSettings.of(spec(map_resources="cpus:2"))


def test_bad_further_resources_are_named() -> None:
    with pytest.raises(ConfError, match=r"map\.resources: .*db_connections:2"):
        JobSettings.of(spec(map_resources="db"))


def test_a_slot_leaves_a_share_to_task_trackers() -> None:
    room = Fit({"cpus": 1000, "mem": 1128}, {"cpus": 100, "mem": 128}, 100)
    assert room.fits({"cpus": 1000, "mem": 1000})
    assert room.asks({"cpus": 1000, "mem": 1000}) == {"cpus": 900, "mem": 1000}
    assert not room.fits({"cpus": 1001, "mem": 1000})
    assert not room.fits({"cpus": 1000, "mem": 1001})
    assert room.asks({"cpus": 50, "mem": 1})["cpus"] == 10, "never less than Mesos' least"
