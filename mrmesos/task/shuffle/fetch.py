"""The reduce's half of the shuffle: its segment of every map, over HTTP from the TaskTrackers.

One request asks one TaskTracker for many maps, so connections are few, however many maps there
are; each of `reduce.shuffle.parallelcopies` threads has one under way, and never two go to the same
tracker. Segments stay compressed and are checked against their CRC-32 as they stream in; they are
held in memory up to `reduce.shuffle.buffer.mb` and go to files beyond that.

What a tracker cannot give, after some tries, is reported as failing, and tried again with pauses
for as long as the JobTracker announces it: it may name another attempt's output meanwhile, and a
network that was cut may be whole again. `shuffle_schedule` decides what is tried when.
"""

from __future__ import annotations

import http.client
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from mrmesos.conf import (
    SHUFFLE_BUFFER_MB,
    SHUFFLE_CONNECT_TIMEOUT,
    SHUFFLE_FETCH_RETRIES,
    SHUFFLE_PARALLELCOPIES,
    SHUFFLE_TIMEOUT,
    Conf,
)
from mrmesos.task.collect.sorted_runs import SortedRun
from mrmesos.task.shuffle.peers import FetchError, Peers
from mrmesos.task.shuffle.segment_receiver import (
    Closed,
    DamagedSegment,
    Fetched,
    NotServed,
    Receiver,
)
from mrmesos.task.shuffle.shuffle_schedule import FetchBackoff, ShuffleSchedule
from mrmesos.wire.job import JobFacts
from mrmesos.wire.shuffle import ShuffleRequest
from mrmesos.wire.task import MapOutput

__all__ = ["Closed", "Fetcher"]

_WAIT_MAX = 10.0

_BROKEN = (FetchError, OSError, http.client.HTTPException, ValueError)
"""What a request breaks off with. Errors of JSON and of UTF-8 are ValueErrors."""

logger = logging.getLogger(__name__)


class Fetcher:
    """Fetches one partition of all maps. A SegmentSource; `announce` may come from any thread."""

    def __init__(
        self,
        facts: JobFacts,
        partition: int,
        work_dir: Path,
        *,
        backoff: FetchBackoff | None = None,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        source: str = "",
    ) -> None:
        """`tls` is for trackers that speak HTTPS; see Peers for `source`."""
        conf = Conf(facts.spec.conf)
        self._num_maps = facts.num_maps
        self._path = f"/shuffle/{facts.job_id}/{partition}"
        self._work_dir = work_dir
        self._copies = conf.get_as(SHUFFLE_PARALLELCOPIES)
        silence = conf.get_as(SHUFFLE_TIMEOUT)
        connecting = conf.get_as(SHUFFLE_CONNECT_TIMEOUT)
        self._peers = Peers(facts.job_id, facts.token, connecting, silence, tls, source)
        self._closed = threading.Event()
        self._receiver = Receiver(conf.get_as(SHUFFLE_BUFFER_MB) << 20, silence, self._closed)
        self._state = threading.Condition()
        self._schedule = ShuffleSchedule(
            facts.num_maps,
            conf.get_as(SHUFFLE_FETCH_RETRIES),
            max(1, self._copies - 1),
            backoff or FetchBackoff(),
            random.Random().random,  # not the module's, which user code may have seeded
        )
        self._have: dict[int, Fetched] = {}
        self._fault: BaseException | None = None

    def announce(self, outputs: Sequence[MapOutput]) -> None:
        """Learn where map outputs are; a later word on the same map replaces the earlier."""
        with self._state:
            self._schedule.announce(outputs)
            self._state.notify_all()

    def close(self) -> None:
        """Let `runs` raise Closed and the threads end: soon, also where a tracker is silent."""
        self._closed.set()
        self._peers.close()
        with self._state:
            self._state.notify_all()

    # SegmentSource.

    def runs(self) -> list[SortedRun]:
        """See SegmentSource. Raises OSError where the disk is full, and Closed."""
        threads = [
            threading.Thread(target=self._copy, args=(number,), name=f"fetch-{number}", daemon=True)
            for number in range(self._copies)
        ]
        for thread in threads:
            thread.start()
        with self._state:
            while not self._schedule.complete and self._fault is None:
                if self._closed.is_set():
                    break
                self._state.wait(_WAIT_MAX)
            fault, complete = self._fault, self._schedule.complete
        self.close()
        if fault is not None:
            raise fault
        if not complete:
            raise Closed("the fetch of map output was given up")
        for thread in threads:
            thread.join()
        return [self._have[index].run() for index in range(self._num_maps)]

    def fraction(self) -> float:
        """See SegmentSource."""
        return len(self._have) / max(1, self._num_maps)

    def fetched_bytes(self) -> int:
        """See SegmentSource."""
        return self._receiver.bytes

    def fetch_failed(self) -> tuple[str, ...]:
        """See SegmentSource. What comes later is not among them any more."""
        with self._state:
            return self._schedule.failing()

    def fetch_answered(self) -> tuple[str, ...]:
        """See SegmentSource."""
        with self._state:
            return self._schedule.answered()

    # One thread.

    def _copy(self, number: int) -> None:
        path = self._work_dir / f"fetched-{number:03d}.data"
        try:
            while (job := self._next()) is not None:
                url, outputs = job
                try:
                    self._fetch(url, outputs, path)
                finally:
                    with self._state:
                        self._schedule.release(url)
                        self._state.notify_all()
        except BaseException as exc:  # noqa: BLE001 -- handed to the thread that waits in runs()
            with self._state:
                if self._fault is None:
                    self._fault = exc
                self._state.notify_all()

    def _next(self) -> tuple[str, list[MapOutput]] | None:
        """A tracker nobody reads from and what is wanted from it; None when all is done."""
        with self._state:
            while not self._closed.is_set() and not self._schedule.complete:
                now = time.monotonic()
                if (job := self._schedule.take(now)) is not None:
                    return job
                due = self._schedule.wait_seconds(now)
                self._state.wait(_WAIT_MAX if not due else min(due, _WAIT_MAX))
            return None

    def _fetch(self, url: str, outputs: list[MapOutput], path: Path) -> None:
        """One request. Raises OSError naming a file where our own disk fails, and Closed."""
        body = msgspec.json.encode(ShuffleRequest([output.attempt_id for output in outputs]))
        try:
            with self._peers.post(url, self._path, body) as response:
                self._read(response, outputs, path)
        except _BROKEN as exc:
            if isinstance(exc, OSError) and exc.filename is not None:
                raise
            if self._closed.is_set():
                return
            silent = isinstance(exc, TimeoutError)
            with self._state:
                failures = self._schedule.host_failed(url, time.monotonic(), at_once=silent)
            _tell(failures, f"network: {url} could not be read from: {exc or type(exc).__name__}")

    def _read(
        self, response: http.client.HTTPResponse, outputs: list[MapOutput], path: Path
    ) -> None:
        """The frames of an answer, in the order asked. Raises one of _BROKEN where it breaks off.

        A silence speaks for itself, and so does a tracker that has no such output: neither needs
        further tries to be told of (as Hadoop's notify.readerror).
        """
        for output in outputs:
            try:
                fetched = self._receiver.receive(response, output, path)
            except DamagedSegment as exc:
                self._output_failed(output, f"damage: {exc}", answered=True)
            except NotServed as exc:
                why = f"its TaskTracker says: {exc}"
                self._output_failed(output, why, answered=True, at_once=True)
            except _BROKEN as exc:
                if not (isinstance(exc, OSError) and exc.filename is not None):
                    at_once = isinstance(exc, TimeoutError)
                    self._output_failed(output, f"network: {exc!r}", at_once=at_once)
                raise
            else:
                with self._state:
                    if self._schedule.came(output):
                        self._have[output.map_index] = fetched
                    else:  # withdrawn or replaced meanwhile
                        self._receiver.drop(fetched)
                    self._state.notify_all()

    def _output_failed(
        self, output: MapOutput, why: str, *, answered: bool = False, at_once: bool = False
    ) -> None:
        if self._closed.is_set():
            return
        with self._state:
            failures = self._schedule.output_failed(
                output, time.monotonic(), answered=answered, at_once=at_once
            )
        _tell(failures, f"map output of {output.attempt_id} at {output.url}: {why}")


def _tell(failures: int, what: str) -> None:
    """Log the first, second, fourth, eighth … in a row: a cut may last for hours."""
    if failures and failures & (failures - 1) == 0:
        logger.warning("%s; failed %d times in a row, trying again", what, failures)
