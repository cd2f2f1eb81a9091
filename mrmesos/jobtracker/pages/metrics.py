"""`/metrics`: what the JobTracker's core knows in numbers, in Prometheus' text format.

Names and units follow Prometheus' conventions: base units, `_total` for what only grows.
prometheus_client is imported at the first request.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from aiohttp import web

import mrmesos
from mrmesos.jobtracker.core.state.views import ClusterView, Totals
from mrmesos.jobtracker.pages.live import LiveSource
from mrmesos.jobtracker.storage.history_writer import HistoryWriter

if TYPE_CHECKING:
    from prometheus_client import Metric

PATH = "/metrics"
_MIB = 1 << 20
Values = dict[tuple[str, ...], float]
"""The values of a metric by those of its labels."""


class Metrics:
    """The handler of PATH. All scrapers share the snapshots of the pages."""

    def __init__(self, live: LiveSource, history: HistoryWriter | None) -> None:
        self._live, self._history = live, history

    async def show(self, _request: web.Request) -> web.StreamResponse:
        """All metrics."""
        view = await self._live.cluster()
        totals = await self._live.totals()
        assert view is not None
        lost = self._history.lost if self._history is not None else 0
        text = await asyncio.to_thread(exposition, view, totals, lost)
        return web.Response(body=text, headers={"Content-Type": _content_type()})


@functools.cache
def _content_type() -> str:
    from prometheus_client import CONTENT_TYPE_LATEST

    return CONTENT_TYPE_LATEST


def exposition(view: ClusterView, totals: Totals, history_lost: int) -> bytes:
    """The text that a scraper gets."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Once(Collector):
        def collect(self) -> Iterable[Metric]:
            return families(view, totals, history_lost)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry)


def families(view: ClusterView, totals: Totals, history_lost: int) -> Iterator[Metric]:
    """All metrics with their values."""
    yield _gauge("info", "The release of this JobTracker.", {(mrmesos.__version__,): 1}, "version")
    yield _gauge("mesos_connected", "1 if a Mesos master answers.", {(): view.connected})
    yield _gauge("agents", "Agents that made an offer and are not lost.", {(): len(view.agents)})
    avoided = sum(bool(agent.avoided) for agent in view.agents)
    yield _gauge("agents_avoided", "Agents that get no attempts now.", {(): avoided})
    yield _gauge("tasktrackers", "TaskTrackers.", _keys(view.trackers), "state")
    slots = sum(agent.slots for agent in view.agents)
    busy = sum(agent.busy for agent in view.agents)
    yield _gauge("slots", "Slots.", {("busy",): busy, ("idle",): slots - busy}, "state")
    yield from _resources(view)
    yield _gauge("jobs", "Jobs in progress.", _keys(totals.jobs), "state")
    yield _gauge("tasks_waiting", "Tasks that wait for a slot.", _keys(totals.waiting), "kind")
    yield _gauge("attempts_running", "Running attempts.", _keys(totals.running), "kind")
    for name, what, values in (
        ("attempts_launched", "Attempts started", totals.launched),
        ("attempts_failed", "Attempts that failed", totals.failed),
        ("attempts_killed", "Attempts that were killed", totals.killed),
        ("attempts_speculative", "Attempts started while another one ran", totals.speculative),
    ):
        yield _counter(name, f"{what}, of jobs that this JobTracker ran.", _keys(values), "kind")
    yield _counter("jobs_ended", "Jobs that ended, by state.", _keys(totals.ended), "state")
    yield _counter("offers_taken", "Offers that were taken.", {(): view.offers.taken})
    declined = _keys(view.offers.declined)
    yield _counter("offers_declined", "Offers that were declined.", declined, "reason")
    words = "Jobs that are not in the history, because it could not be written."
    yield _counter("history_jobs_lost", words, {(): history_lost})
    pools = {pool.name: pool for pool in view.pools}
    running: Values = {(name,): pool.cpus / 1000 for name, pool in pools.items()}
    yield _gauge("pool_cpus", "CPUs of a pool's running attempts.", running, "pool")
    waiting: Values = {(name,): pool.waiting for name, pool in pools.items()}
    yield _gauge("pool_tasks_waiting", "Tasks of a pool that wait.", waiting, "pool")


def _resources(view: ClusterView) -> Iterator[Metric]:
    cpus = sum(agent.held.get("cpus", 0) for agent in view.agents)
    mem = sum(agent.held.get("mem", 0) for agent in view.agents)
    yield _gauge("held_cpus", "CPUs that our Mesos tasks hold.", {(): cpus / 1000})
    yield _gauge("held_memory_bytes", "Memory that they hold.", {(): mem / 1000 * _MIB})


def _keys(values: Mapping[str, int]) -> Values:
    return {(name,): value for name, value in values.items()}


def _gauge(name: str, what: str, values: Values, *labels: str) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"mrmesos_{name}", what, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family


def _counter(name: str, what: str, values: Values, *labels: str) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"mrmesos_{name}", what, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family
