"""The IO thread of both drivers: pymesos' `Process`, with its bugs fixed."""

from __future__ import annotations

import json
import logging
import os
import random
import select
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from mrmesos.mesos.addresses import host_and_port
from mrmesos.mesos.callbacks import Json, OnFatal
from mrmesos.mesos.calls import CallChannel
from mrmesos.mesos.errors import MesosError, MesosUnreachable
from mrmesos.mesos.events import BadEvent, check_event
from mrmesos.mesos.pymesos_import import Process
from mrmesos.mesos.subscription import SubscribeRefused, Subscription

__all__ = ["CONNECT_SECONDS", "Backoff", "SubscriptionLoop"]

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
"""Longest time to connect. The kernel tries three times in it (after 0, 1 and 3 s)."""
_LONGEST_WAIT = 1.0  # seconds between two looks at the clock
_MOST_REDIRECTS = 5


class Backoff:
    """Pauses with jitter: `initial`, doubled at each failure, at most `longest` (seconds)."""

    def __init__(self, initial: float, longest: float) -> None:
        self.initial = initial
        self.longest = longest
        self.failures = 0

    def next_pause(self) -> float:
        """Count a failure. Returns how long to wait now."""
        pause = min(self.longest, self.initial * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return pause * random.uniform(0.6, 1.0)

    def reset(self) -> None:
        """Start again with short pauses, after a success that lasted."""
        self.failures = 0


class SubscriptionLoop(Process):  # type: ignore[misc]  # pymesos is untyped
    """pymesos' IO thread, fixed. Both drivers inherit it before pymesos' own driver.

    pymesos' thread has these bugs. An exception of a callback, or an unexpected answer, ends the
    thread and interrupts the main thread. After a loss, a new SUBSCRIBE comes at once, or after a
    sleep that cannot be interrupted. `disconnected` comes for connections that never existed. There
    is no watchdog. `select()` fails from file descriptor 1024 on. `join()` has no deadline.
    """

    # Attributes of pymesos.
    _lock: AbstractContextManager[bool]
    _master: str | None
    _new_master: str | None
    _started: bool
    _stream_id: str | None
    _io_thread: threading.Thread | None
    _wakeup_fds: tuple[int, int] | None

    refused_events = 0
    """How many invalid events have arrived."""
    _known_events: Mapping[str, object]
    _calls: CallChannel
    _backoff_pauses: Backoff
    _on_fatal: OnFatal | None = None
    _subscribed = False
    _stopping = False
    _given_up = False
    _silence_limit: float | None = None  # seconds without a byte, once subscribed
    _connect_limit = CONNECT_SECONDS
    _subscribe_limit: float | None = None  # seconds from the start of connecting to SUBSCRIBED
    _retry_at = 0.0  # monotonic seconds
    _redirects = 0  # in a row

    # The drivers override these.

    def _say_disconnected(self) -> None:
        raise NotImplementedError

    def _say_error(self, message: str) -> None:
        raise NotImplementedError

    def _lost(self) -> None:
        """Called after each failed attempt and each loss, in the IO thread."""

    def _tick(self) -> None:
        """Called about once a second or more often, in the IO thread, until the driver stops."""

    # Public state.

    @property
    def connected(self) -> bool:
        """Whether there is a subscription, so that calls can be sent."""
        with self._lock:
            return self._subscribed and self._stream_id is not None

    # Events.

    def process_event(self, event: Json) -> None:
        """Pass a valid event to pymesos' dispatch. Exceptions of callbacks stop here."""
        if not self._started:
            return
        try:
            if not self._is_known(event):
                logger.info("ignored an event of an unknown type: %.200s", ascii(event))
                return
        except BadEvent as problem:
            self.refuse_event(event, str(problem))
            return
        self._guard(self.on_event, event)

    def _is_known(self, event: Json) -> bool:
        """Whether to dispatch an event. Raises BadEvent if it is invalid."""
        return check_event(event, self._known_events)

    def refuse_event(self, event: object, problem: str) -> None:
        """Ignore an invalid event. The stream goes on.

        Raises MesosError before SUBSCRIBED, because then the other side is not Mesos.
        """
        if not self._subscribed:
            raise MesosError(f"the stream does not begin with an event: {problem}")
        self.refused_events += 1
        logger.error("refused an invalid event of Mesos: %s. It was %.2000s", problem, ascii(event))

    def _guard(self, function: Callable[..., object], *args: object) -> None:
        try:
            function(*args)
        except BaseException as problem:  # even SystemExit must not end the thread
            logger.exception("a callback raised; the driver goes on")
            self._report(problem)

    def _try(self, call: Callable[..., object], *args: object) -> None:
        """Make a call that may fail."""
        try:
            call(*args)
        except MesosError as problem:
            logger.warning("%s", problem)

    def _report(self, problem: BaseException) -> None:
        if self._on_fatal is None:
            return
        try:
            self._on_fatal(problem)
        except BaseException:  # as above
            logger.exception("on_fatal raised")

    def _post(self, headers: dict[str, str], body: Json) -> bool:
        """Send one call with these headers. Returns False if there is no subscription."""
        with self._lock:
            if not self.connected:
                return False
            master, stream_id = str(self._master), self._stream_id
        if stream_id:
            headers["Mesos-Stream-Id"] = stream_id
        self._calls.post(master, headers, body)
        return True

    def on_error(self, event: Json) -> None:
        """ERROR: the other side has ended this subscription for good."""
        self.give_up(str(event.get("message", "")))

    def give_up(self, message: str) -> None:
        """Stop without TEARDOWN, and call `error(message)` once."""
        with self._lock:
            if self._given_up or self._stopping:
                return
            self._given_up = True
        logger.error("the driver gives up: %s", message)
        self.abort()
        self._guard(self._say_error, message)

    def on_close(self) -> None:
        """Handle a closed connection: end waiting calls, and report a lost subscription.

        (pymesos calls `disconnected` for every attempt.)
        """
        with self._lock:
            was_subscribed, self._subscribed = self._subscribed, False
            self._stream_id = None
        self._calls.interrupt()
        if was_subscribed and not self._stopping:
            self._guard(self._say_disconnected)

    # The thread.

    def start(self) -> None:
        """Start the IO thread."""
        self._stopping = self._given_up = False
        self._retry_at, self._redirects = 0.0, 0
        self._backoff_pauses.reset()
        # This skips pymesos' drivers on purpose: they ask the master's version in this thread.
        Process.start(self)

    def change_master(self, new_master: str | None) -> None:
        """Subscribe at another master ("host:port"), or wait until there is one (None)."""
        self._retry_at = 0.0
        self._backoff_pauses.reset()
        Process.change_master(self, new_master)

    def stop(self) -> None:
        """Ask the IO thread to end; does not wait for it."""
        self._stopping = True
        super().stop()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the IO thread, at most `timeout` seconds; return whether it has ended."""
        thread = self._io_thread
        if thread is None:
            return True
        if thread is threading.current_thread():
            return False
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self) -> None:
        assert self._wakeup_fds is not None
        reader, writer = self._wakeup_fds
        try:
            self._loop(reader)
        except BaseException as problem:  # the last line of defence, for bugs of ours
            logger.exception("the driver's IO thread failed")
            self._report(problem)
            self.give_up(f"the driver failed: {problem!r}")
        finally:
            with self._lock:
                self._started = False
                self._wakeup_fds = None
            os.close(reader)
            os.close(writer)
            self._calls.close()

    def _loop(self, wakeup: int) -> None:
        conn: Subscription | None = None
        try:
            while not self.aborted:
                if self._take_new_master() and conn is not None:
                    self._end(conn, None)
                    conn = None
                try:
                    if conn is None and self._master and time.monotonic() >= self._retry_at:
                        conn = Subscription(self._master, self)
                    ready = self._poll(wakeup, conn)
                    if self.aborted:
                        break
                    self._guard(self._tick)
                    if conn is not None:
                        alive = conn.step(ready) if ready else self._in_time(conn)
                        if not alive:
                            raise MesosUnreachable("the event stream ended")
                except (OSError, MesosError) as problem:
                    self._end(conn, problem)
                    conn = None
        finally:
            self._guard(self._shutdown)
            if conn is not None:
                conn.close()

    def _end(self, conn: Subscription | None, problem: Exception | None) -> None:
        """Close a connection. After a `problem`, plan the next try. A new master is no problem."""
        lasted = False
        if conn is not None:
            age = time.monotonic() - conn.started_at
            lasted = self._subscribed and age > self._backoff_pauses.longest
            conn.close()
        if problem is not None:
            self._failed(problem, lasted)

    def _take_new_master(self) -> bool:
        """Take over a new master, if there is one. Returns whether it has changed."""
        with self._lock:
            moved = self._new_master != self._master
            self._master = self._new_master
            return moved

    def _poll(self, wakeup: int, conn: Subscription | None) -> int:
        poller = select.poll()
        poller.register(wakeup, select.POLLIN)
        wait = _LONGEST_WAIT
        if conn is not None:
            writing = conn.want_write() or not conn.connected
            poller.register(conn.fileno(), select.POLLIN | (select.POLLOUT if writing else 0))
        elif self._master:
            wait = max(0.0, min(wait, self._retry_at - time.monotonic()))
        ready = 0
        for fd, flags in poller.poll(wait * 1000):
            if fd == wakeup:
                os.read(wakeup, select.PIPE_BUF)
            else:
                ready = flags
        return ready

    def _in_time(self, conn: Subscription) -> bool:
        """The watchdog: whether a silent connection may stay silent."""
        now = time.monotonic()
        if self._subscribed:
            late, since = self._silence_limit, conn.heard_at
        elif not conn.connected:
            late, since = self._connect_limit, conn.started_at
        else:
            late, since = self._subscribe_limit, conn.started_at
        if late is not None and now - since > late:
            what = "nothing heard" if conn.connected else "no connection"
            raise MesosUnreachable(f"{what} for {now - since:.1f} s")
        return True

    def _failed(self, problem: Exception, lasted: bool) -> None:
        """Decide what to do after a refusal or a loss."""
        if self._stopping:
            return
        if isinstance(problem, SubscribeRefused):
            if problem.status in (400, 401, 403):
                self.give_up(f"SUBSCRIBE was refused: {problem}")
                return
            if problem.location and self._redirected(problem.location):
                return
        if lasted:
            # The next attempt may come soon. A subscription that is lost at once counts as another
            # failure, because otherwise both sides would repeat this without pause.
            self._backoff_pauses.reset()
        pause = self._backoff_pauses.next_pause()
        self._redirects = 0
        self._retry_at = time.monotonic() + pause
        logger.warning("%s: %s; next try in %.2f s", self._master, problem, pause)
        self._lost()

    def _redirected(self, location: str) -> bool:
        """Go to the leading master. False if the redirection is invalid or circular.

        Mesos writes "//host:port/path".
        """
        target = urlsplit(location if "//" in location else "//" + location).netloc
        try:
            host_and_port(target)
        except ValueError:
            return False
        if target == self._master or self._redirects >= _MOST_REDIRECTS:
            return False
        self._redirects += 1
        logger.info("redirected to the leading master at %s", target)
        with self._lock:
            self._new_master = target
        return True

    def _subscribe_request(self, path: str, headers: dict[str, str], body: Json) -> bytes:
        """The bytes of a SUBSCRIBE request."""
        data = json.dumps(body).encode()
        head = {
            "Host": str(self._master),
            "Content-Type": "application/json",
            "Accept": "application/json",
            **headers,
            "Connection": "close",
            "Content-Length": str(len(data)),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + data
