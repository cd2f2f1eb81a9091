"""A master's candidacy in ZooKeeper, with Mesos' own layout.

Each candidate has a sequence node `json.info_…` that holds its MasterInfo. The lowest number leads
(`src/zookeeper/group.cpp`, `src/master/contender`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.recipe.watchers import ChildrenWatch

from mrmesos.minimesos.model.resources import Json

log = logging.getLogger(__name__)
_kazoos = logging.getLogger(f"{__name__}.kazoo")
_kazoos.setLevel(logging.ERROR)  # this module logs the same problems once itself

LABEL = "json.info_"
CONNECT_SECONDS = 15.0


def parse_zk(url: str) -> tuple[str, str]:
    """Split `zk://h1:p1,h2:p2/path` into (hosts, /path). Raises ValueError."""
    hosts, slash, path = url.removeprefix("zk://").partition("/")
    if not url.startswith("zk://") or not hosts or not slash or not path:
        raise ValueError(f"a ZooKeeper URL is zk://host:port,…/path, not {url!r}")
    return hosts, "/" + path


class Contender:
    """One candidacy, from `stand` to `stop`. After its session has ended, a new one is needed.

    kazoo calls back in its own threads; the callbacks given here run in the event loop.
    """

    def __init__(
        self,
        url: str,
        info: Json,
        changed: Callable[[Json | None], None],
        lost: Callable[[str], None],
        session_seconds: float,
    ) -> None:
        """`changed` gets the MasterInfo of each new leader, or None if there is no leader.

        `lost` gets the reason when the candidacy has ended.
        """
        self._hosts, self._path = parse_zk(url)
        self._info = info
        self._changed = changed
        self._lost = lost
        self._session_seconds = session_seconds
        self._client: KazooClient | None = None
        self._silence: asyncio.TimerHandle | None = None

    async def stand(self) -> None:
        """Join the election. Raises OSError if ZooKeeper does not answer."""
        loop = asyncio.get_running_loop()
        client = KazooClient(hosts=self._hosts, timeout=self._session_seconds, logger=_kazoos)
        self._client = client

        def tell(hear: Callable[[Any], None], news: Any) -> None:
            """Runs in a thread of kazoo."""
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._told, client, hear, news)

        def seen(own: str, children: list[str]) -> None:
            if own not in children:
                tell(self._lost, "its node is gone")
                return
            try:
                tell(self._changed, self._leader(client, children))
            except KazooException as problem:  # the session has ended; `_state` reports that
                log.debug("cannot read the leader: %r", problem)

        def join() -> None:
            client.add_listener(partial(tell, self._state))
            client.start(CONNECT_SECONDS)
            client.ensure_path(self._path)
            data = json.dumps(self._info).encode()
            own = client.create(f"{self._path}/{LABEL}", data, ephemeral=True, sequence=True)
            ChildrenWatch(client, self._path, partial(seen, own.rpartition("/")[2]))

        try:
            await asyncio.to_thread(join)
        except (KazooException, client.handler.timeout_exception) as problem:
            words = str(problem) or type(problem).__name__
            raise OSError(f"ZooKeeper at {self._hosts}: {words}") from problem

    def _told(self, client: KazooClient, hear: Callable[[Any], None], news: Any) -> None:
        if client is self._client:  # unless it was stopped meanwhile
            hear(news)

    def _state(self, state: str) -> None:
        """End the candidacy when the session has expired, or when ZooKeeper was not reachable for
        the session's timeout (`GroupProcess::timedout`).
        """
        if self._silence is not None:
            self._silence.cancel()
        if state == KazooState.LOST:
            self._lost("its session with ZooKeeper has expired")
        elif state == KazooState.SUSPENDED:
            away = f"ZooKeeper has been away for {self._session_seconds:g} s"
            later = asyncio.get_running_loop().call_later
            self._silence = later(self._session_seconds, self._lost, away)

    def _leader(self, client: KazooClient, children: list[str]) -> Json | None:
        """Read the leader's MasterInfo, in a thread of kazoo. Raises KazooException."""
        for name in sorted(child for child in children if child.startswith(LABEL)):
            try:
                data, _ = client.retry(client.get, f"{self._path}/{name}")
                return dict(json.loads(data))
            except NoNodeError:
                log.debug("%s is gone", name)
            except (ValueError, TypeError) as problem:
                log.warning("cannot read the MasterInfo in %s: %s", name, problem)
        return None

    async def stop(self) -> None:
        """End the session and with it the candidacy."""
        client, self._client = self._client, None
        if self._silence is not None:
            self._silence.cancel()
        if client is not None:
            await asyncio.to_thread(_close, client)


def _close(client: KazooClient) -> None:
    try:
        client.stop()
        client.close()
    except KazooException as problem:  # the session will expire by itself
        log.warning("cannot leave ZooKeeper in order: %s", str(problem) or type(problem).__name__)
