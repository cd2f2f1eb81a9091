"""Answers clients with the data of pages, as JSON: `mrmesos job explain` and `mrmesos top`.

Comes in: signed requests of clients. Goes out: wire.explain.Explanation, wire.cluster.ClusterView.
"""

from __future__ import annotations

import asyncio
import heapq
import time

import msgspec
from aiohttp import web

from mrmesos.jobtracker.http.errors import NotFound
from mrmesos.jobtracker.pages.source import PageSource
from mrmesos.wire.explain import Explanation

AGENTS_MAX = 500


class ForClients:
    """The handlers of EXPLAIN_PATH and CLUSTER_PATH."""

    def __init__(self, source: PageSource) -> None:
        self._source = source

    async def cluster(self, _request: web.Request) -> web.StreamResponse:
        """The cluster, with the AGENTS_MAX agents that have the most busy slots."""
        view = await self._source.cluster()
        assert view is not None
        agents = heapq.nlargest(AGENTS_MAX, view.agents, key=lambda agent: agent.busy)
        body = msgspec.json.encode(msgspec.structs.replace(view, agents=agents))
        return web.Response(body=body, content_type="application/json")

    async def explain(self, request: web.Request) -> web.StreamResponse:
        """Explain a job, or the task that the query names."""
        from mrmesos.jobtracker.history.findings import findings  # takes time to import

        job_id, task_id = request.match_info["job_id"], request.query.get("task", "")[:200]
        waiting = await self._source.waiting(job_id, task_id)
        record = await self._source.job(job_id)
        if record is None:
            raise NotFound(f"no job {job_id}")
        if task_id and waiting is None:
            raise NotFound(f"{job_id} has no task {task_id}, or has ended")
        answer = Explanation(
            job_id=job_id,
            state=record.report.status.state.value,
            now=time.time(),
            waiting=waiting,
            findings=[] if task_id else await asyncio.to_thread(findings, record),
        )
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
