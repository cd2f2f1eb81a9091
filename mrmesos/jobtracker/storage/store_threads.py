"""Threads for work on stores. One store cannot block all of them, and no work waits for ever.

Comes in: pieces of work, each with the stores that it calls. Goes out: calls of the piece's
functions.

A piece gets its own thread when each of its stores has fewer than `per_store` threads. A call that
hangs cannot be ended. So its thread is left behind, and from then on counts only against the store
in which it hangs. After SILENT_SECONDS, the piece's owner is told that the store is silent. After
the deadline, the piece is given up, and its owner is told so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mrmesos.io.fs.store_calls import StoreWork, working

logger = logging.getLogger(__name__)

THREADS_MAX = 64
SILENT_SECONDS = 5.0
"""A store without an answer for this long is silent. The jobs that wait for it show this."""
LOOK_SECONDS = 1.0


@dataclass(eq=False)
class Piece:
    """One piece of work. `silent` and `overdue` are called in the watch thread, with a text."""

    name: str
    what: str
    stores: frozenset[str]
    run: Callable[[Piece], None]
    """Called in its own thread. It must itself respect `work.given_up`."""
    silent: Callable[[str], None]
    overdue: Callable[[str], None]
    seconds: float
    work: StoreWork = field(default_factory=StoreWork)
    running: bool = False
    finished: bool = False
    told: str = ""

    def holds(self, now: float) -> frozenset[str]:
        """The stores against which its thread counts."""
        if self.work.store and now - self.work.since >= SILENT_SECONDS:
            return frozenset({self.work.store})
        return self.stores


class StoreThreads:
    """Runs pieces of work. Any thread may call `submit`."""

    def __init__(self, per_store: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_store, self._clock = per_store, clock
        self._changed = threading.Condition()
        self._waiting: dict[Piece, None] = {}
        self._running: dict[Piece, None] = {}
        self._looking: threading.Thread | None = None
        self._closed = False

    def submit(self, piece: Piece) -> None:
        """Run a piece as soon as its stores have a free thread. Pieces with the same name run one
        at a time, in order.
        """
        with self._changed:
            if self._closed:
                return
            self._waiting[piece] = None
            self._start_ready()
            if self._looking is None:
                self._looking = threading.Thread(
                    target=self._watch, name="planner-watch", daemon=True
                )
                self._looking.start()
            self._changed.notify_all()

    def finish(self, piece: Piece) -> bool:
        """Note that the piece's work is done. Returns False if the piece was given up before.

        After True, it can no longer be given up.
        """
        with self._changed:
            piece.finished = True
            return not piece.work.given_up

    def stop(self, timeout: float) -> bool:
        """Start nothing more, and wait for running work. Returns False after `timeout` seconds.

        A thread that hangs is left behind. It ends with the process.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            while self._alive():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def _alive(self) -> bool:
        return any(not piece.work.given_up for piece in self._running)

    def _start_ready(self) -> None:
        """Start the pieces that may run. The caller holds the lock."""
        now = self._clock()
        counts: dict[str, int] = {}
        for piece in self._running:
            for store in piece.holds(now):
                counts[store] = counts.get(store, 0) + 1
        names = {piece.name for piece in self._running}
        for piece in list(self._waiting):
            if len(self._running) >= THREADS_MAX:
                return
            full = any(counts.get(store, 0) >= self._per_store for store in piece.stores)
            if not full and piece.name not in names:
                del self._waiting[piece]
                self._running[piece], piece.running = None, True
                for store in piece.stores:
                    counts[store] = counts.get(store, 0) + 1
                threading.Thread(
                    target=self._run, args=(piece,), name=f"planner {piece.name}", daemon=True
                ).start()
            names.add(piece.name)

    def _run(self, piece: Piece) -> None:
        try:
            with working(piece.work):
                piece.run(piece)
        except Exception:  # a bug: `run` handles the exceptions that it expects
            logger.exception("%s: %s", piece.name, piece.what)
        finally:
            with self._changed:
                del self._running[piece]
                if not self._closed:
                    self._start_ready()
                self._changed.notify_all()

    # In the watch thread.

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._running or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                pieces = [*self._running, *self._waiting]
            for piece in pieces:
                self._look(piece)
            with self._changed:
                if not self._closed:
                    self._start_ready()  # a silent piece counts against one store only
                    self._changed.wait_for(lambda: self._closed, LOOK_SECONDS)

    def _look(self, piece: Piece) -> None:
        work = piece.work
        if work.given_up:
            return
        waited = self._clock() - work.since
        words = self._explanation(piece, waited)
        with self._changed:
            if piece.finished or not (piece in self._running or piece in self._waiting):
                return
            over = work.given_up = waited >= piece.seconds
            if over:
                self._waiting.pop(piece, None)
        if over:
            logger.warning("%s: %s; it is given up", piece.name, words)
            piece.overdue(words)
        elif waited >= SILENT_SECONDS:
            piece.told = words
            piece.silent(words)
        elif piece.told:
            piece.told = ""
            piece.silent("")

    def _explanation(self, piece: Piece, waited: float) -> str:
        if piece.running and piece.work.store:
            return f"{piece.what}: {piece.work.store} has not answered for {waited:.0f} s"
        if piece.running:
            return f"{piece.what}: for {waited:.0f} s by now"
        stores = ", ".join(sorted(piece.stores))
        return f"{piece.what}: waits for {waited:.0f} s behind other work on {stores}"
