"""Serves the pages of a history without a JobTracker. Thread: the server's event loop."""

from __future__ import annotations

from aiohttp import web

from mrmesos.access.names import known_as
from mrmesos.conf import Conf
from mrmesos.jobtracker.http.server import HttpServer
from mrmesos.jobtracker.pages.app import Pages, login_path
from mrmesos.jobtracker.pages.gate import Gate
from mrmesos.jobtracker.pages.kept import KeptSource
from mrmesos.jobtracker.pages.page import ROOT
from mrmesos.jobtracker.pages.views.sessions import TICKET_SECONDS_MAX
from mrmesos.jobtracker.storage.history import HistoryStore

STOP_SECONDS = 5.0


class HistoryServer:
    """Serves from `start()` to `stop()`."""

    def __init__(self, history: HistoryStore, host: str, port: int) -> None:
        """Only the address that `start` returns opens the pages."""
        self._history, self._host = history, host
        self._gate = Gate("", secure=False)
        guard = known_as(Conf(), host, pages=ROOT)
        self._server = HttpServer(self._application, host, port, guard=guard)

    def _application(self) -> web.Application:
        app = web.Application()
        Pages(KeptSource(self._history), self._gate).attach(app)
        return app

    def start(self) -> str:
        """Listen. Returns an address that logs one browser in, and then expires. Raises
        AddressError.
        """
        port = self._server.start()
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}{login_path(self._gate, TICKET_SECONDS_MAX)}"

    def stop(self) -> None:
        """Stop listening."""
        self._server.stop(STOP_SECONDS)
