"""The masters of one minimesos: the one that leads, and standbys that send callers to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from mrmesos.minimesos.http import Endpoint, EventStream, HttpServer
from mrmesos.minimesos.master import Master
from mrmesos.minimesos.records import Address
from mrmesos.minimesos.resources import Json
from mrmesos.minimesos.routes import master_endpoints

if TYPE_CHECKING:
    from mrmesos.minimesos.election import Contender

OPEN_TO_ALL = ("/version", "/health")
"""What every master answers, leading or not."""


@dataclass(slots=True)
class Seat:
    """A master with its port and its candidacy."""

    master: Master
    server: HttpServer
    contender: Contender | None = None


class Masters:
    """See the module. Without ZooKeeper there is one master, and it leads."""

    def __init__(
        self, masters: Sequence[Master], zk: str, led_by: Callable[[Master], None]
    ) -> None:
        """The first leads at first; `led_by` is told when another is elected.

        Raises ValueError where several have no ZooKeeper to be elected by.
        """
        if len(masters) > 1 and not zk:
            raise ValueError("standby masters need a ZooKeeper to be elected by")
        self._masters = masters
        self._zk = zk
        self._led_by = led_by
        self._leader: Master | None = masters[0]
        self._seats: list[Seat] = []

    async def start(self, host: str, port: int, ip: str, version: Json) -> int:
        """Listen, and stand for election one after another; the first master's port."""
        for master in self._masters:
            endpoints = {
                path: self._guard(master, path, endpoint)
                for path, endpoint in master_endpoints(master, version).items()
            }
            seat = Seat(master, HttpServer(endpoints))
            self._seats.append(seat)
            taken = await seat.server.listen(host, 0 if len(self._seats) > 1 else port)
            master.address = Address("localhost" if ip.startswith("127.") else ip, ip, taken)
        if self._zk:
            await self._stand()
        return self._seats[0].master.address.port

    async def _stand(self) -> None:
        from mrmesos.minimesos.election import Contender  # kazoo: only those who need it wait

        for seat in self._seats:
            elected = partial(self._elected, seat)
            seat.contender = Contender(self._zk, seat.master.info(), elected)
            await seat.contender.stand()

    def _elected(self, seat: Seat, leader: Json | None) -> None:
        """One of the masters sees who leads. Each acts for itself only."""
        if leader is None or seat not in self._seats or leader["id"] != seat.master.id:
            return
        if self._leader is not seat.master:
            self._leader = seat.master
            self._led_by(seat.master)

    def _guard(self, master: Master, path: str, endpoint: Endpoint) -> Endpoint:
        """Redirect what only a leader answers (`Master::Http::redirect`)."""

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
    def server(self) -> HttpServer:
        """The leader's."""
        return next(seat.server for seat in self._seats if seat.master is self._leader)

    async def kill_leader(self) -> None:
        """The leader's port and session end at once."""
        seat = next(seat for seat in self._seats if seat.master is self._leader)
        self._seats.remove(seat)
        self._leader = None
        await seat.server.close()
        seat.master.stop()
        if seat.contender is not None:
            await seat.contender.stop()

    async def stop(self) -> None:
        """End all of them."""
        for seat in self._seats:
            seat.master.stop()
            if seat.contender is not None:
                await seat.contender.stop()
            await seat.server.close()
        self._seats.clear()
