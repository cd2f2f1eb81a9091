"""The masters of one minimesos: the leader, and standbys that redirect callers to it.

A real master that loses the leadership exits, and its supervisor starts it again without memory.
A standby that loses its candidacy becomes a candidate again (`Master::detected`,
`Master::lostCandidacy`). Here `Masters` does both. Thread: minimesos' event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from mrmesos.access.guard import RequestGuard
from mrmesos.minimesos.http.authentication import OPEN_TO_ALL, master_door
from mrmesos.minimesos.http.routes import master_endpoints
from mrmesos.minimesos.http.streams import Endpoint, EventStream, HttpServer
from mrmesos.minimesos.master.master import Master
from mrmesos.minimesos.model.records import Address
from mrmesos.minimesos.model.resources import Json

if TYPE_CHECKING:
    from mrmesos.minimesos.master.election import Contender

log = logging.getLogger(__name__)

FIRST_ELECTION_SECONDS = 30.0
"""How long to wait until one of our masters leads: old sessions may have to expire first."""
PAUSE_SECONDS = 1.0
"""Pause before a master that could not listen, or could not become a candidate, tries again."""


@dataclass(slots=True, eq=False)
class Seat:
    """A master with its port and its candidacy."""

    master: Master
    server: HttpServer | None = None
    contender: Contender | None = None
    led: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)  # set when this candidacy ends
    life: asyncio.Task[None] | None = None


class Masters:
    """All masters of one minimesos. Without ZooKeeper there is one master, and it leads."""

    def __init__(
        self,
        new_master: Callable[[], Master],
        standbys: int,
        zk: str,
        led_by: Callable[[Master], None],
        session_seconds: float = 10.0,
        guard: RequestGuard | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        """`led_by` is called with the leader after each election. `guard` checks the host names in
        requests. If `secrets` has entries, callers must authenticate.

        Raises ValueError for several masters without a ZooKeeper.
        """
        if standbys and not zk:
            raise ValueError("standby masters need a ZooKeeper for their election")
        self._new_master = new_master
        self._zk = zk
        self._session_seconds = session_seconds
        self._led_by, self._http_guard, self._secrets = led_by, guard, secrets or {}
        self._leader: Master | None = None
        self._elected = asyncio.Event()
        self._seats = [Seat(new_master()) for _ in range(1 + standbys)]
        self._host = ""
        self._version: Json = {}

    @property
    def first(self) -> Master:
        """The first candidate."""
        return self._seats[0].master

    async def start(self, host: str, port: int, ip: str, version: Json) -> int:
        """Open all ports, make the masters candidates, and return the first master's port.

        Returns once one of them leads. Raises OSError if ZooKeeper does not answer, or if a master
        of another process leads.
        """
        self._host, self._version = host, version
        for seat in self._seats:
            seat.master.address = Address("localhost" if ip.startswith("127.") else ip, ip, 0)
            await self._listen(seat, port)
            port = 0
        if not self._zk:
            self._lead(self._seats[0])
        else:
            for seat in self._seats:
                await self._stand(seat)
                seat.life = asyncio.create_task(self._live(seat))
            try:
                await asyncio.wait_for(self._elected.wait(), FIRST_ELECTION_SECONDS)
            except TimeoutError:
                raise OSError(f"another master leads at {self._zk}") from None
        return self._seats[0].master.address.port

    async def _listen(self, seat: Seat, port: int) -> None:
        endpoints = master_endpoints(seat.master, self._version, self._secrets).items()
        guarded = {path: self._guard(seat.master, path, one) for path, one in endpoints}
        seat.server = HttpServer(guarded, self._http_guard, master_door(self._secrets))
        seat.master.address.port = await seat.server.listen(self._host, port)

    # -- candidacies --------------------------------------------------------------------------

    async def _stand(self, seat: Seat) -> None:
        from mrmesos.minimesos.master.election import (
            Contender,  # imports kazoo, which is slow: only if needed
        )

        seat.over.clear()
        seat.contender = Contender(
            self._zk,
            seat.master.info(),
            partial(self._seen, seat),
            partial(self._lost, seat),
            self._session_seconds,
        )
        try:
            await seat.contender.stand()
        except OSError:
            await seat.contender.stop()
            raise

    def _seen(self, seat: Seat, leader: Json | None) -> None:
        """One of the masters sees a new leader. Only this master reacts."""
        if seat not in self._seats:
            return
        if leader is not None and leader.get("id") == seat.master.id:
            self._lead(seat)
        elif seat.led:
            self._lost(seat, "nobody leads" if leader is None else f"{leader.get('id')} leads")

    def _lead(self, seat: Seat) -> None:
        if self._leader is not seat.master:
            seat.led, self._leader = True, seat.master
            self._elected.set()
            self._led_by(seat.master)

    def _lost(self, seat: Seat, why: str) -> None:
        if seat.over.is_set():
            return
        what = "starts anew" if seat.led else "stands again"
        log.warning("master %s %s: %s", seat.master.id, what, why)
        seat.over.set()

    async def _live(self, seat: Seat) -> None:
        """Become a candidate again whenever a candidacy ends."""
        while True:
            await seat.over.wait()
            if seat.contender is not None:
                await seat.contender.stop()
            while True:
                try:
                    if seat.led:
                        await self._restart(seat)
                    await self._stand(seat)
                    break
                except OSError as problem:
                    log.warning("master %s: %s; trying again", seat.master.id, problem)
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _restart(self, seat: Seat) -> None:
        """Replace the master by a new one on the same port: its knowledge may be outdated."""
        await self._end(seat)
        address = seat.master.address
        seat.master = self._new_master()
        seat.master.address = address
        await self._listen(seat, address.port)
        seat.led = False

    async def _end(self, seat: Seat) -> None:
        if self._leader is seat.master:
            self._leader = None
        seat.master.stop()
        if seat.server is not None:
            await seat.server.close()
        seat.master.stop()  # once more: the closed streams have started failover timers

    # -- requests, and the end ----------------------------------------------------------------

    def _guard(self, master: Master, path: str, endpoint: Endpoint) -> Endpoint:
        """Redirect requests that only the leader answers (`Master::Http::redirect`)."""

        def guarded(request: web.Request, body: bytes) -> web.Response | EventStream:
            if self._leader is master or path.removeprefix("/master") in OPEN_TO_ALL:
                return endpoint(request, body)
            if self._leader is None:
                return web.Response(status=503, text="No leader elected")
            where = self._leader.address
            location = f"//{where.hostname}:{where.port}{request.rel_url}"
            return web.Response(status=307, headers={"Location": location})

        return guarded

    @property
    def server(self) -> HttpServer | None:
        """The leader's server."""
        return next((one.server for one in self._seats if one.master is self._leader), None)

    async def kill_leader(self) -> bool:
        """Close the leader's port and session at once and for ever. False if nobody leads."""
        seat = next((seat for seat in self._seats if seat.master is self._leader), None)
        if seat is None:
            return False
        self._seats.remove(seat)
        await self._leave(seat)
        return True

    async def _leave(self, seat: Seat) -> None:
        if seat.life is not None:
            seat.life.cancel()
            await asyncio.wait([seat.life])
        await self._end(seat)
        if seat.contender is not None:
            await seat.contender.stop()

    async def stop(self) -> None:
        """End all masters."""
        seats, self._seats = self._seats, []
        for seat in seats:
            await self._leave(seat)
