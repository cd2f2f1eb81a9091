"""A master's candidacy in ZooKeeper, in Mesos' own layout: sequence nodes `json.info_…` that hold
a MasterInfo; the lowest leads (`src/zookeeper/group.cpp`, `src/master/contender`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.recipe.watchers import ChildrenWatch

from mrmesos.minimesos.resources import Json

log = logging.getLogger(__name__)

LABEL = "json.info_"
CONNECT_SECONDS = 15.0
SESSION_SECONDS = 10.0


def parse_zk(url: str) -> tuple[str, str]:
    """`zk://h1:p1,h2:p2/path` as (hosts, /path). Raises ValueError."""
    hosts, slash, path = url.removeprefix("zk://").partition("/")
    if not url.startswith("zk://") or not hosts or not slash or not path:
        raise ValueError(f"ZooKeeper is zk://host:port,…/path, not {url!r}")
    return hosts, "/" + path


class Contender:
    """Stands for election from `stand` to `stop`; kazoo's threads hand their news to the loop."""

    def __init__(self, url: str, info: Json, changed: Callable[[Json | None], None]) -> None:
        """`changed` hears of each new leader's MasterInfo, and None where there is none."""
        self._hosts, self._path = parse_zk(url)
        self._info = info
        self._changed = changed
        self._client: KazooClient | None = None

    async def stand(self) -> None:
        """Join the election. Raises OSError where ZooKeeper does not answer."""
        loop = asyncio.get_running_loop()
        client = self._client = KazooClient(hosts=self._hosts, timeout=SESSION_SECONDS)

        def seen(children: list[str]) -> None:
            leader = self._leader(client, children)
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._changed, leader)

        def join() -> None:
            client.start(CONNECT_SECONDS)
            client.ensure_path(self._path)
            data = json.dumps(self._info).encode()
            client.create(f"{self._path}/{LABEL}", data, ephemeral=True, sequence=True)
            ChildrenWatch(client, self._path, seen)

        try:
            await asyncio.to_thread(join)
        except (KazooException, client.handler.timeout_exception) as problem:
            raise OSError(f"ZooKeeper at {self._hosts}: {problem}") from problem

    def _leader(self, client: KazooClient, children: list[str]) -> Json | None:
        """In a thread of kazoo's."""
        for name in sorted(child for child in children if child.startswith(LABEL)):
            try:
                data, _ = client.get(f"{self._path}/{name}")
                return dict(json.loads(data))
            except (KazooException, ValueError) as problem:
                log.info("%s is gone or makes no sense: %s", name, problem)
        return None

    async def stop(self) -> None:
        """End the session, and so the candidacy."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(_close, client)


def _close(client: KazooClient) -> None:
    client.stop()
    client.close()
