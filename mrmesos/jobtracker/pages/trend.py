"""Resources over time: a sample of the cluster now and then, for the page of the cluster.

Thread: the server's event loop. A sample is the snapshot that pages share. So it costs the core
nothing while somebody looks at the pages, and little otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from mrmesos.access.signing import Refusal
from mrmesos.jobtracker.pages.views.charts import ClusterSample, total
from mrmesos.wire.cluster import ClusterView

logger = logging.getLogger(__name__)

SAMPLE_SECONDS = 10.0
SAMPLES_MAX = 720
"""Two hours."""


class TrendKeeper:
    """The last SAMPLES_MAX samples."""

    def __init__(self, look: Callable[[], Awaitable[ClusterView | None]]) -> None:
        self._look = look
        self.samples: deque[ClusterSample] = deque(maxlen=SAMPLES_MAX)

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Take samples while the application runs (its `cleanup_ctx`)."""
        task = asyncio.create_task(self._for_ever())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _for_ever(self) -> None:
        while True:
            with contextlib.suppress(Refusal):  # the core is busy, or ends
                if (view := await self._look()) is not None:
                    self.add(view)
            await asyncio.sleep(SAMPLE_SECONDS)

    def add(self, view: ClusterView) -> None:
        """One more sample."""
        agents = view.agents
        self.samples.append(
            ClusterSample(
                at=view.now,
                size=total(agent.size for agent in agents),
                held=total(agent.held for agent in agents),
                used=total(agent.used for agent in agents),
            )
        )
