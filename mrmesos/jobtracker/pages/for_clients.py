"""Answers `mrmesos job explain`: why a job waits, and why it was slow, as JSON.

Comes in: signed requests of clients. Goes out: wire.explain.Explanation.
"""

from __future__ import annotations

import asyncio
import time

import msgspec
from aiohttp import web

from mrmesos.jobtracker.history.findings import findings
from mrmesos.jobtracker.http.errors import NotFound
from mrmesos.jobtracker.pages.source import PageSource
from mrmesos.wire.explain import Explanation


class Explainer:
    """The handler of EXPLAIN_PATH."""

    def __init__(self, source: PageSource) -> None:
        self._source = source

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Explain a job, or the task that the query names."""
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
