"""A candidate in the election. The process that creates the one ephemeral node leads.

A leader without contact to ZooKeeper steps down *before* its session expires and another leader is
elected. kazoo notices a dead connection after at most two thirds of the session time, so one third
is left to reconnect. A process that was stopped (SIGSTOP) cannot step down in time. When it runs
again, its clock soon shows the gap, and the journal, which knows its owner, refuses its writes.

A leader may be cut off from something that its work needs. Each standby that is not cut off shows
that with a node of its own. Then the leader may step down for it, and a candidate that is cut off
does not try to lead before the others.

Threads: `wait` runs in the caller's thread; kazoo's threads, a timer and a watch thread call
`deposed`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError
from kazoo.security import make_acl, make_digest_acl

from mrmesos.election.place import DIRECTORY, LEADER, STANDBYS, Place

logger = logging.getLogger(__name__)
_kazoos = logging.getLogger(f"{__name__}.kazoo")
_kazoos.setLevel(logging.WARNING)

CONNECT_SECONDS = 15.0
LOOK_SECONDS = 5.0
"""A standby looks again after this time, in case it has missed the leader's end."""
PAUSE_SECONDS = 1.0
ANSWER_SECONDS = 5.0


class ElectionError(Exception):
    """This process cannot be a candidate, or cannot publish its URL. The message says why."""


class Candidate:
    """Call `stand()`, then `wait()` until elected, lead, and `withdraw()` at the end."""

    def __init__(
        self,
        place: Place,
        session_seconds: float,
        deposed: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        able: Callable[[], bool] = lambda: True,
    ) -> None:
        """`deposed` is called with a reason, in any thread, when this leader must stop acting.

        `able` returns whether this process can do a leader's work. A call may take some seconds.
        """
        self._place = place
        self._deposed = deposed
        self._grace = session_seconds / 3
        self._clock = clock
        self._able = able
        self._shown = ""
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._leading = False
        self._timer: threading.Timer | None = None
        self._acl: list[Any] | None = None
        auth = []
        if place.credentials:
            user, _, password = place.credentials.partition(":")
            auth = [("digest", place.credentials)]
            own = make_digest_acl(user, password, all=True)
            self._acl = [own, make_acl("world", "anyone", read=True)]
        self._client = KazooClient(
            hosts=place.hosts, timeout=session_seconds, auth_data=auth, logger=_kazoos
        )
        self._client.add_listener(self._changed)

    def stand(self, directory: str) -> None:
        """Connect. `directory` is the state directory that all candidates share.

        Raises ElectionError.
        """
        client, node = self._client, self._place.node(DIRECTORY)
        try:
            client.start(CONNECT_SECONDS)
            client.ensure_path(self._place.path, acl=self._acl)
            client.ensure_path(self._place.node(STANDBYS), acl=self._acl)
            try:
                client.create(node, directory.encode(), acl=self._acl)
            except NodeExistsError:
                known, _ = client.get(node)
                if bytes(known) != directory.encode():
                    raise ElectionError(
                        f"the JobTrackers at {self._place.url} share another state directory than "
                        f"this one; if that one is no longer used, remove {node} in ZooKeeper"
                    ) from None
        except (KazooException, client.handler.timeout_exception) as problem:
            words = str(problem) or type(problem).__name__
            raise ElectionError(f"ZooKeeper at {self._place.hosts}: {words}") from problem

    def wait(self) -> None:
        """Wait until this process leads."""
        told = False
        while True:
            gone = threading.Event()
            pause = PAUSE_SECONDS
            try:
                if not self._goes_first():
                    if not told:
                        logger.info("cut off at %s; others go first", self._place.url)
                    told, pause = True, LOOK_SECONDS
                elif self._try(gone):
                    logger.info("elected at %s", self._place.url)
                    self._show(False)
                    watch = threading.Thread(target=self._watch, name="election", daemon=True)
                    watch.start()
                    return
                else:
                    if not told:
                        logger.info("another JobTracker leads at %s; standing by", self._place.url)
                    told, pause = True, LOOK_SECONDS
            except (KazooException, self._client.handler.timeout_exception) as problem:
                logger.warning("ZooKeeper: %s; trying again", str(problem) or type(problem))
            self._leading = False
            gone.wait(pause)

    def _goes_first(self) -> bool:
        """Whether to try to lead. A process that is cut off does not try if another one is able."""
        able = self._able()
        self._show(able)
        return able or not self.others_stand()

    def _show(self, able: bool) -> None:
        """Show by a node whether this process is able. The node ends with our session."""
        client = self._client
        if self._shown and (not able or client.exists(self._shown) is None):
            with contextlib.suppress(NoNodeError):
                client.delete(self._shown)
            self._shown = ""
        if able and not self._shown:
            node = f"{self._place.node(STANDBYS)}/able-"
            self._shown = client.create(node, b"", ephemeral=True, sequence=True, acl=self._acl)

    def others_stand(self) -> bool:
        """Whether another JobTracker stands by and can do a leader's work."""
        try:
            asked = self._client.get_children_async(self._place.node(STANDBYS))
            names = asked.get(timeout=ANSWER_SECONDS)
        except (KazooException, self._client.handler.timeout_exception) as problem:
            logger.warning("ZooKeeper: %s", str(problem) or type(problem).__name__)
            return False
        return any(name != self._shown.rpartition("/")[2] for name in names)

    def give_way(self, why: str) -> None:
        """Stop leading, so that another can lead at once. Calls `deposed` with the reason."""
        if self._leading:
            self.withdraw()
            self._deposed(why)

    def _try(self, gone: threading.Event) -> bool:
        """Try to lead. Returns whether we lead; otherwise `gone` is set when the leader is gone."""
        node = self._place.node(LEADER)
        try:
            self._client.create(node, b"", ephemeral=True, acl=self._acl)
        except NodeExistsError:
            logger.debug("%s exists already", node)  # maybe we made it, and its answer was lost
        self._leading = True  # `_changed` must react from now on
        return self._owned(lambda _: gone.set())

    def _owned(self, watch: Callable[[object], None] | None = None) -> bool:
        asked = self._client.exists_async(self._place.node(LEADER), watch=watch)
        stat = asked.get(timeout=ANSWER_SECONDS)  # without it, we wait until ZooKeeper is back
        if stat is None and watch is not None:
            watch(None)
        session = self._client.client_id
        return stat is not None and session is not None and stat.ephemeralOwner == session[0]

    def publish(self, url: str) -> None:
        """Publish the URL at which the leader listens. Raises ElectionError if we do not lead."""
        try:
            if self._owned():
                # Only version 0, which we made: if another leads by now, its URL stays.
                self._client.set(self._place.node(LEADER), url.encode(), version=0)
                return
            problem = "another JobTracker leads"
        except (KazooException, self._client.handler.timeout_exception) as raised:
            problem = str(raised) or type(raised).__name__
        raise ElectionError(f"cannot publish {url}: {problem}")

    def leads(self) -> bool:
        """Ask ZooKeeper now whether this process leads."""
        try:
            return self._leading and self._owned()
        except (KazooException, self._client.handler.timeout_exception) as problem:
            logger.warning("ZooKeeper: %s", str(problem) or type(problem))
            return False

    def withdraw(self) -> None:
        """End the session, and with it the candidacy or leadership. Another may lead at once."""
        self._leading = False
        self._over.set()
        self._stop_timer()
        self._client.stop()
        self._client.close()

    def _watch(self) -> None:
        """Notice that this process was stopped. Runs in its own thread.

        The limit is two thirds of a session: ZooKeeper last heard of us at most one third earlier.
        """
        last = self._clock()
        while not self._over.wait(self._grace / 10):
            now = self._clock()
            if now - last > 2 * self._grace:
                self._depose(f"the process was stopped for {now - last:.1f} s")
                return
            last = now

    # In kazoo's thread, or the timer's.

    def _changed(self, state: str) -> None:
        self._stop_timer()
        if not self._leading:
            return
        if state == KazooState.LOST:
            self._depose("its session with ZooKeeper has expired")
        elif state == KazooState.SUSPENDED:
            logger.warning("ZooKeeper is away; leading for %.1f s more", self._grace)
            away = f"ZooKeeper was away for {self._grace:.1f} s"
            timer = threading.Timer(self._grace, self._depose, (away,))
            timer.daemon = True
            with self._lock:
                self._timer = timer
            timer.start()

    def _depose(self, why: str) -> None:
        if self._leading:
            self._leading = False
            self._deposed(why)

    def _stop_timer(self) -> None:
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
