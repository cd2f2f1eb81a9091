"""Servers and drivers that do not outlive their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mrmesos.mesos.event_loop import SubscriptionLoop
from tests.mesos.scripted import PATIENCE, Server


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def running() -> Iterator[Callable[[SubscriptionLoop], None]]:
    """Start drivers, and stop them without TEARDOWN at the end."""
    drivers: list[SubscriptionLoop] = []

    def start(driver: SubscriptionLoop) -> None:
        drivers.append(driver)
        driver.start()

    yield start
    for driver in drivers:
        driver.abort()
    for driver in drivers:
        assert driver.join(PATIENCE)
