"""The thread that owns the core: one queue of events and questions, read one at a time.

Comes in: events, and questions (functions to run between events), from any thread. Goes out: calls
of the service's `handle`; and answers to questions, after `end_batch` has written the journal. A
heartbeat is a question, because its sender waits for an answer. Its function passes the event on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
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
BATCH = 200
"""Most events and questions between two calls of `end_batch`. Each call is one commit of the
journal, and each batch wakes the HTTP server's event loop once.
"""
FULL_SECONDS = 0.01
"""Pause before a full queue is tried again."""
POST_SECONDS = 30.0
"""If the queue stays full for this long, the core counts as stuck, and the service fails."""


class ServiceFailed(Exception):
    """The service cannot continue."""


@dataclass(slots=True, eq=False)
class _Question:
    """A function to run in the core's thread, and the future that gets its result. `loop` is the
    event loop of the future, if it has one.
    """

    function: Callable[[], object]
    answer: Future[Any] | asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop | None = None
    result: object = None
    problem: Exception | None = None


class CoreThread:
    """Passes events to `handle`, and a Tick twice a second. Runs questions between them.

    After each batch it calls `end_batch`, and then answers the questions of the batch. If `handle`
    or `end_batch` raises, the core's state may be wrong, so the thread ends: it refuses all further
    questions with the reason, and drops events. SetAside is the exception: `handle` raises it after
    it has restored the core's state from before the event.
    """

    def __init__(
        self,
        handle: Callable[[Event], None],
        end_batch: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """The thread calls all three. `on_end` is always its last call."""
        self._give = handle
        self._end_batch = end_batch
        self._on_end = on_end
        self._asked: list[_Question] = []  # the questions of this batch
        self._queue: queue.SimpleQueue[Event | _Question] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobtracker", daemon=True)
        self.failure: BaseException | None = None

    # From any thread.

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread still takes events."""
        return self._thread.is_alive() and not self._stopping.is_set()

    def stop(self) -> None:
        """Take nothing more. Waiting events are dropped, and waiting questions refused."""
        self._stopping.set()
        self._queue.put(_Question(lambda: None, Future()))

    def join(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the end. True if it has ended or never started."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def fail(self, problem: str | BaseException) -> None:
        """Stop because of an error. `failure` holds it."""
        if self.failure is None:
            self.failure = ServiceFailed(problem) if isinstance(problem, str) else problem
            logger.critical("the JobTracker cannot go on: %s", self.failure)
        self._failed.set()
        self._stopping.set()

    def wait_failed(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a failure. Returns whether one has come."""
        return self._failed.wait(timeout)

    def post(self, event: Event) -> None:
        """Queue an event. After the end it is dropped."""
        give_up = time.monotonic() + POST_SECONDS
        while not self._stopping.is_set():
            if self._queue.qsize() < MAX_QUEUE:
                self._queue.put(event)
                return
            if time.monotonic() > give_up:
                self.fail(f"{MAX_QUEUE} events wait, and the core does not take them")
            self._stopping.wait(FULL_SECONDS)

    def ask(self, function: Callable[[], T]) -> Future[T]:
        """Run a function in the core's thread. This call or the future may raise Unavailable."""
        answer: Future[T] = Future()
        self._ask(_Question(function, answer))
        return answer

    def ask_from_loop(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Like `ask`, for an event loop with many questions: all answers of a batch wake it
        once.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._ask(_Question(function, answer, loop))
        return answer

    def _ask(self, question: _Question) -> None:
        if self._stopping.is_set():
            raise self._refusal()
        if self._queue.qsize() >= MAX_QUEUE:
            raise Unavailable("the JobTracker is overloaded; try again later")
        self._queue.put(question)
        if self._stopping.is_set() and not self._thread.is_alive():
            self._drain()  # it has just ended, so nobody else would answer

    # In the core's thread.

    def handle(self, event: Event) -> None:
        """Pass an event to the core. Functions of questions may call this too.

        Raises SetAside if the event was set aside, and Unavailable if the core has failed.
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
                    self._end_batch()
                    next_tick = now + TICK_SECONDS
                with contextlib.suppress(queue.Empty):
                    item = self._queue.get(timeout=max(0.0, next_tick - time.monotonic()))
                    for _ in range(BATCH - 1):
                        self._take(item)
                        item = self._queue.get_nowait()
                    self._take(item)
                self._end_batch()
                asked, self._asked = self._asked, []
                _deliver(asked)
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
            with contextlib.suppress(SetAside):  # it is logged already
                self.handle(item)

    def _drain(self) -> None:
        """Refuse all waiting questions, and drop all waiting events."""
        asked, self._asked = self._asked, []
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                asked += [item] if isinstance(item, _Question) else []
        for question in asked:
            question.problem = self._refusal()
        _deliver(asked)

    def _refusal(self) -> Unavailable:
        if self.failure is None:
            return Unavailable("the JobTracker is stopping")
        what = str(self.failure) if isinstance(self.failure, ServiceFailed) else repr(self.failure)
        return Unavailable(f"the JobTracker has failed: {what}")


def _run(question: _Question) -> None:
    """Run the function of a question. If it raises, the future gets the error."""
    try:
        question.result = question.function()
    except Refusal as refusal:
        question.problem = refusal
    except Exception as problem:
        logger.exception("a question to the core failed")
        question.problem = problem


def _deliver(questions: Iterable[_Question]) -> None:
    """Answer questions. Those of an event loop are answered there."""
    of_loops: dict[asyncio.AbstractEventLoop, list[_Question]] = {}
    for question in questions:
        if question.loop is None:
            _answer(question)
        else:
            of_loops.setdefault(question.loop, []).append(question)
    for loop, of_loop in of_loops.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended, so nobody waits
            loop.call_soon_threadsafe(_answer_all, of_loop)


def _answer_all(questions: Iterable[_Question]) -> None:
    for question in questions:
        _answer(question)


def _answer(question: _Question) -> None:
    if question.answer.done():
        return  # nobody waits any more
    with contextlib.suppress(InvalidStateError):  # cancelled at this moment by another thread
        if question.problem is not None:
            question.answer.set_exception(question.problem)
        else:
            question.answer.set_result(question.result)
