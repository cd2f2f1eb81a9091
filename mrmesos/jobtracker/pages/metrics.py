"""`/metrics`: the numbers of the JobTracker's core, in Prometheus' text format."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiohttp import web

import mrmesos
from mrmesos.jobtracker.core.state.views import Totals
from mrmesos.jobtracker.pages.live import LiveSource
from mrmesos.jobtracker.storage.history_writer import HistoryWriter
from mrmesos.metrics_text import Values, content_type, counter, exposition, gauge, keys
from mrmesos.wire.cluster import ClusterView

if TYPE_CHECKING:
    from prometheus_client import Metric

_MIB = 1 << 20


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
        text = await asyncio.to_thread(lambda: exposition(families(view, totals, lost)))
        return web.Response(body=text, headers={"Content-Type": content_type()})


def families(view: ClusterView, totals: Totals, history_lost: int) -> Iterator[Metric]:
    """All metrics with their values."""
    yield gauge("info", "The release of this JobTracker.", {(mrmesos.__version__,): 1}, "version")
    yield gauge("mesos_connected", "1 if a Mesos master answers.", {(): view.connected})
    yield gauge("agents", "Agents that made an offer and are not lost.", {(): len(view.agents)})
    avoided = sum(bool(agent.avoided) for agent in view.agents)
    yield gauge("agents_avoided", "Agents that get no attempts now.", {(): avoided})
    yield gauge("tasktrackers", "TaskTrackers.", keys(view.trackers), "state")
    slots = sum(agent.slots for agent in view.agents)
    busy = sum(agent.busy for agent in view.agents)
    yield gauge("slots", "Slots.", {("busy",): busy, ("idle",): slots - busy}, "state")
    yield from _resources(view)
    yield gauge("jobs", "Jobs in progress.", keys(totals.jobs), "state")
    yield gauge("tasks_waiting", "Tasks that wait for a slot.", keys(totals.waiting), "kind")
    yield gauge("attempts_running", "Running attempts.", keys(totals.running), "kind")
    for name, what, values in (
        ("attempts_launched", "Attempts started", totals.launched),
        ("attempts_failed", "Attempts that failed", totals.failed),
        ("attempts_killed", "Attempts that were killed", totals.killed),
        ("attempts_speculative", "Attempts started while another one ran", totals.speculative),
    ):
        yield counter(name, f"{what}, of jobs that this JobTracker ran.", keys(values), "kind")
    yield counter("jobs_ended", "Jobs that ended, by state.", keys(totals.ended), "state")
    yield counter("offers_taken", "Offers that were taken.", {(): view.offers.taken})
    declined = keys(view.offers.declined)
    yield counter("offers_declined", "Offers that were declined.", declined, "reason")
    words = "Jobs that are not in the history, because it could not be written."
    yield counter("history_jobs_lost", words, {(): history_lost})
    pools = {pool.name: pool for pool in view.pools}
    running: Values = {(name,): pool.cpus / 1000 for name, pool in pools.items()}
    yield gauge("pool_cpus", "CPUs of a pool's running attempts.", running, "pool")
    waiting: Values = {(name,): pool.waiting for name, pool in pools.items()}
    yield gauge("pool_tasks_waiting", "Tasks of a pool that wait.", waiting, "pool")


def _resources(view: ClusterView) -> Iterator[Metric]:
    cpus = sum(agent.held.get("cpus", 0) for agent in view.agents)
    mem = sum(agent.held.get("mem", 0) for agent in view.agents)
    yield gauge("held_cpus", "CPUs that our Mesos tasks hold.", {(): cpus / 1000})
    yield gauge("held_memory_bytes", "Memory that they hold.", {(): mem / 1000 * _MIB})
