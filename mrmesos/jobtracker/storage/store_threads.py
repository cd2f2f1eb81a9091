"""Threads for work on stores, of which no store may hold them all, and none waits for ever.

Work comes in with the stores that it calls; each piece gets a thread of its own once none of its
stores has `per_store` of them. A call that hangs cannot be ended, so its thread is left behind, and
counts from then on against the store that it hangs in, and no other. Whoever waits is told of
silence after SILENT_SECONDS, and of its end after the deadline of the work.
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
"""A store that says nothing for so long is called silent: whoever waits is told why."""
LOOK_SECONDS = 1.0


@dataclass(eq=False)
class Piece:
    """One piece of work. `silent` and `over_due` are called in the looking thread, with words."""

    name: str
    what: str
    stores: frozenset[str]
    run: Callable[[Piece], None]
    """Called in a thread of its own; it has to see to `work.given_up` itself."""
    silent: Callable[[str], None]
    over_due: Callable[[str], None]
    seconds: float
    work: StoreWork = field(default_factory=StoreWork)
    running: bool = False
    finished: bool = False
    told: str = ""

    def holds(self, now: float) -> frozenset[str]:
        """The stores that its thread counts against."""
        if self.work.store and now - self.work.since >= SILENT_SECONDS:
            return frozenset({self.work.store})
        return self.stores


class StoreThreads:
    """`submit()` from any thread."""

    def __init__(self, per_store: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_store, self._clock = per_store, clock
        self._changed = threading.Condition()
        self._waiting: dict[Piece, None] = {}
        self._running: dict[Piece, None] = {}
        self._looking: threading.Thread | None = None
        self._closed = False

    def submit(self, piece: Piece) -> None:
        """Run it as soon as its stores let it; of one name, one at a time, in order."""
        with self._changed:
            if self._closed:
                return
            self._waiting[piece] = None
            self._start_what_may()
            if self._looking is None:
                self._looking = threading.Thread(
                    target=self._look_on, name="planner-watch", daemon=True
                )
                self._looking.start()
            self._changed.notify_all()

    def still_wanted(self, piece: Piece) -> bool:
        """Its work is done: False where it was given up before, True and it never will be."""
        with self._changed:
            piece.finished = True
            return not piece.work.given_up

    def stop(self, timeout: float) -> bool:
        """Start nothing more, and wait for what runs; False where that took over `timeout` s.

        What hangs is left behind: its threads end with the process.
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

    def _start_what_may(self) -> None:
        """With the lock."""
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
        except Exception:  # `run` answers for what may happen; nobody else would hear of this
            logger.exception("%s: %s", piece.name, piece.what)
        finally:
            with self._changed:
                del self._running[piece]
                if not self._closed:
                    self._start_what_may()
                self._changed.notify_all()

    # In the looking thread.

    def _look_on(self) -> None:
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
                    self._start_what_may()  # what became silent holds less
                    self._changed.wait_for(lambda: self._closed, LOOK_SECONDS)

    def _look(self, piece: Piece) -> None:
        work = piece.work
        if work.given_up:
            return
        waited = self._clock() - work.since
        words = self._words(piece, waited)
        with self._changed:
            if piece.finished or not (piece in self._running or piece in self._waiting):
                return
            over = work.given_up = waited >= piece.seconds
            if over:
                self._waiting.pop(piece, None)
        if over:
            logger.warning("%s: %s; it is given up", piece.name, words)
            piece.over_due(words)
        elif waited >= SILENT_SECONDS:
            piece.told = words
            piece.silent(words)
        elif piece.told:
            piece.told = ""
            piece.silent("")

    def _words(self, piece: Piece, waited: float) -> str:
        if piece.running and piece.work.store:
            return f"{piece.what}: {piece.work.store} has not answered for {waited:.0f} s"
        if piece.running:
            return f"{piece.what}: for {waited:.0f} s by now"
        stores = ", ".join(sorted(piece.stores))
        return f"{piece.what}: waits for {waited:.0f} s behind other work on {stores}"
