"""The reduce's half of the shuffle: fetches its segment of every map over HTTP from TaskTrackers.

One request asks one TaskTracker for many maps, so a reduce needs few connections. Each of the
`reduce.shuffle.parallelcopies` threads sends one request at a time, and no two threads read from
the same tracker. Segments stay compressed; their CRC-32 is checked as they stream in. Up to
`reduce.shuffle.buffer.mb` of them stay in memory, and the others go to files. The reduce's own
TaskTracker names the files of its long segments instead of sending them.

After some failed tries, the reduce reports an output as failing. It tries failed fetches again,
with pauses, as long as the JobTracker announces the output: the JobTracker may meanwhile name
another attempt's output, or a broken network may work again. `shuffle_schedule` decides the order.
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
    SHUFFLE_CONNECT_TIMEOUT,
    SHUFFLE_FETCH_RETRIES,
    SHUFFLE_PARALLELCOPIES,
    SHUFFLE_TIMEOUT,
    Conf,
    reduce_buffer_bytes,
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
"""Errors that break off a request. Errors of JSON and of UTF-8 are ValueErrors."""

logger = logging.getLogger(__name__)


class Fetcher:
    """Fetches one partition of all maps. A SegmentSource; any thread may call `announce`."""

    def __init__(
        self,
        facts: JobFacts,
        partition: int,
        work_dir: Path,
        *,
        backoff: FetchBackoff | None = None,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        source: str = "",
        tracker_url: str = "",
    ) -> None:
        """`tls` is for trackers that speak HTTPS; see Peers for `source`.

        `tracker_url` is the URL of the TaskTracker whose files this process can read.
        """
        conf = Conf(facts.spec.conf)
        self._num_maps = facts.num_maps
        self._path = f"/shuffle/{facts.job_id}/{partition}"
        self._work_dir = work_dir
        self._tracker_url = tracker_url
        self._copies = conf.get_as(SHUFFLE_PARALLELCOPIES)
        silence = conf.get_as(SHUFFLE_TIMEOUT)
        connecting = conf.get_as(SHUFFLE_CONNECT_TIMEOUT)
        self._peers = Peers(facts.job_id, facts.token, connecting, silence, tls, source)
        self._closed = threading.Event()
        self._receiver = Receiver(reduce_buffer_bytes(conf), silence, self._closed)
        self._state = threading.Condition()
        self._schedule = ShuffleSchedule(
            facts.num_maps,
            conf.get_as(SHUFFLE_FETCH_RETRIES),
            max(1, self._copies - 1),
            backoff or FetchBackoff(),
            random.Random().random,  # not the module's, which user code may have seeded
        )
        self._have: dict[int, Fetched] = {}
        self.took: tuple[float, float] | None = None
        """When the fetch began and ended, by `time.monotonic`."""
        self._fault: BaseException | None = None
        self._requests = 0

    def announce(self, outputs: Sequence[MapOutput]) -> None:
        """Take note of the places of map outputs. The latest announcement of a map counts."""
        with self._state:
            self._schedule.announce(outputs)
            self._state.notify_all()

    def close(self) -> None:
        """Make `runs` raise Closed, and end the threads soon, even if a tracker is silent."""
        self._closed.set()
        self._peers.close()
        with self._state:
            self._state.notify_all()

    # SegmentSource.

    def runs(self) -> list[SortedRun]:
        """See SegmentSource. Raises OSError if the disk is full, and Closed."""
        began = time.monotonic()
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
        self.took = began, time.monotonic()
        self.close()
        if fault is not None:
            raise fault
        if not complete:
            raise Closed("the fetch of map output was given up")
        for thread in threads:
            thread.join()
        return [self._have[index].run() for index in range(self._num_maps)]

    def fraction(self) -> float:
        return len(self._have) / max(1, self._num_maps)

    def fetched_bytes(self) -> int:
        return self._receiver.bytes

    def requests(self) -> int:
        return self._requests

    def fetch_failed(self) -> tuple[str, ...]:
        """See SegmentSource. An output that arrives later leaves the list."""
        with self._state:
            return self._schedule.failing()

    def fetch_answered(self) -> tuple[str, ...]:
        with self._state:
            return self._schedule.answered()

    # Each fetching thread.

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
        """The next tracker to ask, and the outputs to ask for; None when the fetch is over."""
        with self._state:
            while not self._closed.is_set() and not self._schedule.complete:
                now = time.monotonic()
                if (job := self._schedule.take(now)) is not None:
                    self._requests += 1
                    return job
                due = self._schedule.wait_seconds(now)
                self._state.wait(_WAIT_MAX if not due else min(due, _WAIT_MAX))
            return None

    def _fetch(self, url: str, outputs: list[MapOutput], path: Path) -> None:
        """Send one request. Raises OSError with a file name if our own disk fails, and Closed."""
        maps = [output.attempt_id for output in outputs]
        body = msgspec.json.encode(ShuffleRequest(maps, here=url == self._tracker_url))
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
            _tell(failures, f"network: cannot read from {url}: {exc or type(exc).__name__}")

    def _read(
        self, response: http.client.HTTPResponse, outputs: list[MapOutput], path: Path
    ) -> None:
        """Read the frames of an answer, in the order of the request.

        Raises one of _BROKEN if the answer breaks off. Two failures are reported at once, without
        further tries (as Hadoop's notify.readerror): a silent tracker, and a missing output.
        """
        for number, output in enumerate(outputs):
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
                    else:  # the JobTracker has withdrawn or replaced it meanwhile
                        self._receiver.drop(fetched)
                    # Other threads look at all outputs that are still wanted when they are woken.
                    # So wake them only for news: this host works, or all outputs are here.
                    if number == 0 or self._schedule.complete:
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
    """Log only failures 1, 2, 4, 8 … in a row, because a broken network may last for hours."""
    if failures and failures & (failures - 1) == 0:
        logger.warning("%s; failed %d times in a row, trying again", what, failures)
