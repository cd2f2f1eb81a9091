"""The thread that owns the core: one queue of events and questions, read one at a time.

Comes in: events, and functions to run between them, from any thread. Goes out: commands by the
service's `handle`, and answers once `settle` has them in the journal. A heartbeat comes as a
question whose function hands in its event, as somebody waits for what the event commands.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, TypeVar

from mrmesos.access.signing import Refusal
from mrmesos.jobtracker.core.messages.events import Event, Tick
from mrmesos.jobtracker.http.errors import SetAside, Unavailable

logger = logging.getLogger(__name__)
T = TypeVar("T")

TICK_SECONDS = 0.5
MAX_QUEUE = 100_000
BATCH = 32
"""Most events and questions that are settled together."""
POST_SECONDS = 30.0
"""How long an event may wait for room in the queue before the core is taken for stuck."""


class ServiceFailed(Exception):
    """The service cannot go on; its jobs are lost."""


@dataclass(slots=True)
class _Question:
    """A function to run in the core's thread, and where its answer goes, once it may."""

    function: Callable[[], object]
    answer: Future[Any]
    result: object = None
    problem: Exception | None = None


class CoreThread:
    """Gives events to `handle`, and a Tick twice a second; answers questions in between.

    After each batch `settle` is called, and only then are the questions of the batch answered.
    What either raises is the end: the core's state is not to be trusted any more. From then on
    every question is refused with the reason, and events are dropped. SetAside is not: `handle`
    raises it once the core stands as it did before the event.
    """

    def __init__(
        self,
        handle: Callable[[Event], None],
        settle: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """All are called in the thread; `on_end` last of all, however it ends."""
        self._give = handle
        self._settle = settle
        self._on_end = on_end
        self._asked: list[_Question] = []  # of this batch
        self._queue: queue.Queue[Event | _Question] = queue.Queue(MAX_QUEUE)
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobtracker", daemon=True)
        self.failure: BaseException | None = None

    # From any thread.

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether events are still taken."""
        return self._thread.is_alive() and not self._stopping.is_set()

    def stop(self) -> None:
        """Take no more events and questions; those that wait are dropped and refused."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):  # then it is awake anyway
            self._queue.put_nowait(_Question(lambda: None, Future()))

    def join(self, timeout: float) -> bool:
        """Whether the thread ends within `timeout` seconds, or never began."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def fail(self, problem: str | BaseException) -> None:
        """Stop visibly."""
        if self.failure is None:
            self.failure = ServiceFailed(problem) if isinstance(problem, str) else problem
            logger.critical("the JobTracker cannot go on: %s", self.failure)
        self._failed.set()
        self._stopping.set()

    def wait_failed(self, timeout: float) -> bool:
        """Whether it fails within `timeout` seconds."""
        return self._failed.wait(timeout)

    def post(self, event: Event) -> None:
        """Hand in an event; dropped once nobody reads them any more."""
        if self._stopping.is_set():
            return
        try:
            self._queue.put(event, timeout=POST_SECONDS)
        except queue.Full:
            self.fail(f"{MAX_QUEUE} events wait; the core does not take them")

    def ask(self, function: Callable[[], T]) -> Future[T]:
        """Run a function in the core's thread. Raises Unavailable, or the future does."""
        answer: Future[T] = Future()
        if self._stopping.is_set():
            raise self._refusal()
        try:
            self._queue.put_nowait(_Question(function, answer))
        except queue.Full:
            raise Unavailable("the JobTracker is overloaded; try again later") from None
        if self._stopping.is_set() and not self._thread.is_alive():
            self._drain()  # it ended between; nobody else would answer
        return answer

    # In the core's thread.

    def handle(self, event: Event) -> None:
        """Give the core an event, out of a question's function. Raises SetAside where it could not
        be handled, Unavailable at the core's end.
        """
        try:
            self._give(event)
        except SetAside:
            raise
        except Exception as problem:
            logger.exception("the core failed over %r", event)
            self.fail(problem)
            raise self._refusal() from problem

    def _run(self) -> None:
        next_tick = time.monotonic()
        try:
            while not self._stopping.is_set():
                now = time.monotonic()
                if now >= next_tick:
                    self._take(Tick())
                    self._settle()
                    next_tick = now + TICK_SECONDS
                with contextlib.suppress(queue.Empty):
                    item = self._queue.get(timeout=max(0.0, next_tick - time.monotonic()))
                    for _ in range(BATCH - 1):
                        self._take(item)
                        item = self._queue.get_nowait()
                    self._take(item)
                self._settle()
                for question in self._asked:
                    _answer(question)
                self._asked.clear()
        except Unavailable:
            logger.debug("the core's thread ends")
        except BaseException as problem:
            logger.exception("the core's thread failed")
            self.fail(problem)
        finally:
            self._stopping.set()
            self._drain()
            self._on_end()

    def _take(self, item: Event | _Question) -> None:
        if isinstance(item, _Question):
            self._asked.append(item)
            _run(item)
        elif not self._stopping.is_set():
            with contextlib.suppress(SetAside):  # which told of it
                self.handle(item)

    def _drain(self) -> None:
        """Nobody may wait for an answer that will not come."""
        asked, self._asked = self._asked, []
        for question in asked:
            with contextlib.suppress(InvalidStateError):
                question.answer.set_exception(self._refusal())
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, _Question):
                with contextlib.suppress(InvalidStateError):  # whoever asked has given up
                    item.answer.set_exception(self._refusal())

    def _refusal(self) -> Unavailable:
        if self.failure is None:
            return Unavailable("the JobTracker is stopping")
        what = str(self.failure) if isinstance(self.failure, ServiceFailed) else repr(self.failure)
        return Unavailable(f"the JobTracker has failed: {what}")


def _run(question: _Question) -> None:
    """Run the function of a question; what it raises is the asker's."""
    try:
        question.result = question.function()
    except Refusal as refusal:
        question.problem = refusal
    except Exception as problem:
        logger.exception("a question to the core failed")
        question.problem = problem


def _answer(question: _Question) -> None:
    with contextlib.suppress(InvalidStateError):  # whoever asked has given up
        if question.problem is not None:
            question.answer.set_exception(question.problem)
        else:
            question.answer.set_result(question.result)
