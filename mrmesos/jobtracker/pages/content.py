"""Finds the page of an address, and the data for its template. It only reads its PageSource."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from mrmesos.jobtracker.core.model.pools import PRIORITIES
from mrmesos.jobtracker.history.findings import findings
from mrmesos.jobtracker.history.record import HistoryRecord, settings_of
from mrmesos.jobtracker.pages.page import Content
from mrmesos.jobtracker.pages.source import Log, PageSource
from mrmesos.jobtracker.pages.views import jobs as views
from mrmesos.jobtracker.pages.views.charts import histograms, trends
from mrmesos.jobtracker.pages.views.cluster import cluster_page
from mrmesos.jobtracker.pages.views.flame_graph import flame_graph
from mrmesos.jobtracker.pages.views.graph import chain_graph
from mrmesos.jobtracker.pages.views.queues import queue_page, with_errors, with_reasons
from mrmesos.jobtracker.pages.views.timeline import LEGEND, timeline
from mrmesos.wire.ids import parse_attempt

_JOB = re.compile(r"jobs/(job_\d{1,32}_\d{1,32})(?:/(attempts|settings))?")
_ATTEMPT = re.compile(r"attempts/(attempt_\d{1,32}_\d{1,32}_[mrt]_\d{1,12}_\d{1,12})(/stack)?")
_CHAIN = re.compile(r"chains/(chain_\d{1,32}_\d{1,32})")
_QUEUE = re.compile(r"queues/(queue_\d{1,32}_\d{1,32})")
_TRACKER = re.compile(r"trackers/(tracker_\d{1,32}_\d{1,32})")
STREAMS = ("stderr", "stdout")


class Contents:
    """Makes the content of every address below ROOT."""

    def __init__(self, source: PageSource, clock: Callable[[], float] = time.time) -> None:
        self._source, self._clock = source, clock

    async def of(self, path: str, query: Mapping[str, str]) -> Content:
        """The content of a path (without ROOT). May raise Refusal."""
        content = await self._named(path, query)
        content.data.update(now=self._clock(), live=self._source.live, path=path)
        return content

    async def _named(self, path: str, query: Mapping[str, str]) -> Content:
        if path == "":
            return await self._cluster() if self._source.live else await self._jobs(query)
        if path == "jobs":
            return await self._jobs(query)
        if (found := _JOB.fullmatch(path)) is not None:
            return await self._job(found[1], found[2] or "job", query)
        if (found := _ATTEMPT.fullmatch(path)) is not None:
            if found[2]:
                return await self._stack(found[1])
            return await self._attempt(found[1], query.get("frame", ""))
        if (found := _CHAIN.fullmatch(path)) is not None:
            return await self._chain(found[1])
        if path == "queues":
            return await self._queues()
        if (found := _QUEUE.fullmatch(path)) is not None:
            return await self._queue(found[1])
        if (found := _TRACKER.fullmatch(path)) is not None:
            return await self._tracker(found[1])
        return missing("this page does not exist", "Follow the links above.")

    async def _cluster(self) -> Content:
        view = await self._source.cluster()
        assert view is not None
        data = {"page": cluster_page(view), "trends": trends(self._source.trend())}
        return Content("cluster.html", data, changes=True)

    async def _jobs(self, query: Mapping[str, str]) -> Content:
        asked = views.Asked.of(query)
        jobs = await self._source.jobs(asked.text, asked.state)
        groups = views.select_jobs(jobs, asked)
        chains = [] if asked.text or asked.state else await self._source.chains()
        data = {"groups": groups, "asked": asked, "total": len(jobs), "chains": chains[::-1]}
        return Content("jobs.html", data, changes=self._source.live)

    async def _job(self, job_id: str, part: str, query: Mapping[str, str]) -> Content:
        record = await self._source.job(job_id)
        if record is None:
            words = "It may be older than the history, or belong to another JobTracker."
            return missing(f"no job {job_id}", words)
        status = record.report.status
        data: dict[str, Any] = {
            "record": record,
            "status": status,
            "part": part,
            "progress": views.progress_of(status),
            "attempts_total": len(record.report.attempts) + record.attempts_left_out,
        }
        if part == "job":
            data["waiting"] = await self._source.waiting(job_id, "")
            data.update(await asyncio.to_thread(self._overview, record))
        elif part == "attempts":
            asked = views.Asked.of(query)
            rows = record.report.attempts
            page = await asyncio.to_thread(views.select_attempts, rows, asked)
            data.update(page=page, asked=asked, states=views.states_of(rows))
        else:
            data["settings"] = settings_of(record.spec) if record.spec is not None else []
        return Content(f"{part}.html", data, changes=not status.state.ended)

    def _overview(self, record: HistoryRecord) -> dict[str, Any]:
        """The pictures of the job's first page. Drawing them may take some tenths of a second."""
        return {
            "errors": views.error_groups(record),
            "findings": findings(record),
            "histograms": histograms(record),
            "priorities": PRIORITIES,
            "turn": views.turn_of(record),
            "counters": views.counter_rows(record),
            "picture": timeline(record.report.attempts, self._clock()),
            "legend": LEGEND,
            "kinds": views.kinds_of(record.report.status),
        }

    async def _attempt(self, attempt_id: str, frame: str) -> Content:
        record = await self._source.job(parse_attempt(attempt_id).job_id)
        page = views.attempt_page(record, attempt_id) if record is not None else None
        if record is None or page is None:
            return missing(f"no attempt {attempt_id}", "The job's page lists its attempts.")
        logs: dict[str, Log] = {}
        for stream in STREAMS:
            log = await self._source.log(attempt_id, stream)
            logs[stream] = log or Log("", "it is not known where this attempt ran")
        if logs["stdout"] == logs["stderr"]:  # the kept text has both streams
            logs = {"log": logs["stderr"]}
        profile = await self._source.profile(attempt_id)
        data = {
            "page": page,
            "row": page.row,
            "logs": logs,
            "status": record.report.status,
            "profiled": bool(profile),
            "flame": await asyncio.to_thread(flame_graph, profile, frame),
        }
        return Content("attempt.html", data, changes=page.row.end is None)

    async def _chain(self, chain_id: str) -> Content:
        known = {chain.chain_id: chain for chain in await self._source.chains()}
        if (chain := known.get(chain_id)) is None:
            return missing(f"no chain {chain_id}", "It may have ended long ago; its jobs are kept.")
        data = {"chain": chain, "graph": chain_graph(chain)}
        return Content("chain.html", data, changes=not chain.state.ended)

    async def _queues(self) -> Content:
        data: dict[str, Any] = {"queues": await self._source.queues()}
        return Content("queues.html", data, changes=self._source.live)

    async def _queue(self, queue_id: str) -> Content:
        view = await self._source.queue(queue_id)
        if view is None:
            return missing(f"no queue {queue_id}", "It may have ended long ago; its jobs are kept.")
        cluster = await self._source.cluster()
        records = [await self._source.job(job_id) for job_id in with_errors(view)]
        page = queue_page(
            view,
            cluster.shared if cluster is not None else [],
            [record for record in records if record is not None],
            {job_id: await self._source.waiting(job_id, "") for job_id in with_reasons(view)},
        )
        return Content("queue.html", {"page": page}, changes=not view.status.state.ended)

    async def _stack(self, attempt_id: str) -> Content:
        """Each view asks the worker anew, which costs it a moment. So the page does not follow
        changes.
        """
        stack = await self._source.stack(attempt_id)
        return Content("stack.html", {"attempt_id": attempt_id, "stack": stack})

    async def _tracker(self, tracker_id: str) -> Content:
        page = await self._source.tracker(tracker_id)
        if page is None:
            return missing(f"no TaskTracker {tracker_id}", "It may have ended.")
        data = {"view": page.view, "status": page.status}
        return Content("tracker.html", data, changes=True)


def missing(what: str, hint: str) -> Content:
    """The page for something that does not exist."""
    return Content("message.html", {"title": what, "hint": hint}, status=404)
