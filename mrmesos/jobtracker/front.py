"""The network side of the JobTracker: API, pages, metrics, their server and its address.

Comes in: requests, in the server's thread; calls of the service, from the core's thread. Goes out:
questions to the core (backend.py).
"""

from __future__ import annotations

from aiohttp import web

from mrmesos import conf as settings
from mrmesos.access.names import known_as
from mrmesos.access.tls import client_context, server_context
from mrmesos.conf import Conf
from mrmesos.jobtracker.backend import CoreBackend
from mrmesos.jobtracker.http.api import HttpApi
from mrmesos.jobtracker.http.authentication import HEARTBEAT, PAGES, Authenticator
from mrmesos.jobtracker.http.held_heartbeats import HeldHeartbeats
from mrmesos.jobtracker.http.live_logs import ReadSandboxLog
from mrmesos.jobtracker.http.server import HttpServer, listening_address, split_address
from mrmesos.jobtracker.pages.app import Pages
from mrmesos.jobtracker.pages.for_clients import ForClients
from mrmesos.jobtracker.pages.gate import Gate
from mrmesos.jobtracker.pages.kept import KeptSource
from mrmesos.jobtracker.pages.live import LiveSource
from mrmesos.jobtracker.pages.metrics import Metrics
from mrmesos.jobtracker.storage.history_writer import HistoryWriter
from mrmesos.jobtracker.storage.journal_session import JournalSession
from mrmesos.metrics_text import PATH as METRICS
from mrmesos.wire.cluster import CLUSTER_PATH
from mrmesos.wire.explain import EXPLAIN_PATH


class Front:
    """Serves from `start()` to `stop()`. Before and after, calls do nothing."""

    def __init__(
        self,
        conf: Conf,
        backend: CoreBackend,
        token: str,
        secret: str,
        history: HistoryWriter | None,
        read_sandbox: ReadSandboxLog,
    ) -> None:
        """`token` and `secret` are those of Authenticator. Raises ConfError for a bad
        certificate.
        """
        self._conf = conf
        self._tls = server_context(conf)
        tls_of_trackers = client_context(conf) if self._tls is not None else None
        door = Authenticator(
            token,
            secret,
            bearer=conf.get_as(settings.BEARER_TOKENS),
            public=[METRICS] if conf.get_as(settings.METRICS_PUBLIC) else (),
        )
        held = HeldHeartbeats(
            conf.get_as(settings.HEARTBEAT_SECONDS),
            conf.get_as(settings.TASKTRACKER_SILENCE_SECONDS),
        )
        kept = history.history if history is not None else None
        self._api = HttpApi(backend, held, door, tls_of_trackers, kept, read_sandbox)
        live = LiveSource(
            backend, self._api.live_logs, KeptSource(kept) if kept is not None else None
        )
        self._trend = live.trend_keeper
        self._pages = Pages(live, Gate(token, secure=self._tls is not None))
        self._metrics = Metrics(live, history)
        self._for_clients = ForClients(live)
        self._server: HttpServer | None = None
        self.url = ""

    def start(
        self, ledger: JournalSession, master: str, host: str, port: int, *, elected: bool
    ) -> str:
        """Listen. Returns the address, as the journal has it.

        Raises AddressError if that fails, and JournalError if TaskTrackers of an earlier life
        would not find this JobTracker there.
        """
        if address := self._conf.get_as(settings.JOBTRACKER_ADDRESS):
            host, port = split_address(address)
        bind, reachable = listening_address(host, master)
        scheme = "https://" if self._tls is not None else ""
        if not port and ledger.life.address and not elected:
            port = split_address(ledger.life.address)[1]
        ledger.check_address(f"{scheme}{reachable}:{port}")
        guard = known_as(self._conf, reachable, bind, pages=PAGES)
        self._server = HttpServer(
            self._application, bind, port, self._tls, guard, (HEARTBEAT[1], self._api.answer_plain)
        )
        address = f"{scheme}{reachable}:{self._server.start()}"
        self.url = address if scheme else f"http://{address}"
        return address

    def _application(self) -> web.Application:
        app = self._api.application()
        app.router.add_get(METRICS, self._metrics.show, allow_head=False)
        app.router.add_get(EXPLAIN_PATH, self._for_clients.explain)
        app.router.add_get(CLUSTER_PATH, self._for_clients.cluster)
        self._pages.attach_tickets(app)
        self._pages.attach(app)
        app.cleanup_ctx.append(self._trend.run)
        return app

    def wake_tracker(self, tracker_id: str) -> None:
        """Answer the TaskTracker's held heartbeat: there is an action for it."""
        if self._server is not None:
            self._server.call_soon(self._api.wake_tracker, tracker_id)

    def job_ended(self, job_id: str) -> None:
        """Answer the clients that wait for this job's end."""
        if self._server is not None:
            self._server.call_soon(self._api.job_ended, job_id)

    def release_all(self) -> None:
        """Answer all requests that are held. From now on, hold none."""
        if self._server is not None:
            self._server.call_soon(self._api.release_all)

    def stop(self, timeout: float) -> bool:
        """Stop listening. Returns False if that takes over `timeout` s."""
        if self._server is None:
            return True
        self.release_all()
        return self._server.stop(timeout)
