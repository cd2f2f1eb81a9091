"""The reduce's half of the shuffle: its segment of every map, over HTTP from the TaskTrackers.

One request asks one TaskTracker for many maps, so connections are few, however many maps there
are; each of `reduce.shuffle.parallelcopies` threads has one under way, and never two go to the same
tracker. Segments stay compressed and are checked against their CRC-32 as they stream in; they are
held in memory up to `reduce.shuffle.buffer.mb` and go to files beyond that.

What a tracker cannot give, after some tries, is reported as failed; the reduce then waits for the
JobTracker to name another attempt's output for that map (Hadoop's ShuffleSchedulerImpl does so).
"""

from __future__ import annotations

import http.client
import io
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import tenacity

from mrmesos.conf import (
    SHUFFLE_BUFFER_MB,
    SHUFFLE_FETCH_RETRIES,
    SHUFFLE_PARALLELCOPIES,
    SHUFFLE_TIMEOUT,
    Conf,
)
from mrmesos.io.segments import Segment, read_segment
from mrmesos.tasktracker.peers import FetchError, Peers
from mrmesos.tasktracker.runs import Run
from mrmesos.wire.job import JobFacts
from mrmesos.wire.shuffle import FrameHeader, ShuffleRequest
from mrmesos.wire.task import MapOutput

MAPS_PER_REQUEST = 1_000
"""Few enough that a broken connection repeats little and that threads share a tracker's maps."""

_CHUNK = 1 << 20
_HEADER_MAX = 64 << 10
_WAIT_MAX = 10.0
_PATIENCE = 4
"""A MiB, or what is left of a segment, may take so many times the longest silence."""


class Closed(Exception):
    """The fetcher was closed while it waited."""


class _Damaged(Exception):
    """A segment came whole, but is not what was written."""


_BROKEN = (FetchError, OSError, http.client.HTTPException, ValueError)
"""What an answer breaks off with. Errors of JSON and of UTF-8 are ValueErrors."""


class _Tries:
    """Tries at one tracker's map outputs: they end with so many in a row that bring nothing.

    An output at which so many broke off, or that came damaged so often, is given up by itself;
    until then the others go first, so that one bad block of a disk costs one map.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failed: dict[str, int] = {}
        self.barren = 0

    def used_up(self, _state: tenacity.RetryCallState) -> bool:
        """Whether to try no more."""
        return self.barren >= self._limit

    def failed_at(self, output: MapOutput) -> bool:
        """A try failed at this one; whether to give it up."""
        count = self._failed[output.attempt_id] = self._failed.get(output.attempt_id, 0) + 1
        return count >= self._limit

    def in_order(self, outputs: list[MapOutput]) -> list[MapOutput]:
        """Those that came to no harm first."""
        return sorted(outputs, key=lambda output: self._failed.get(output.attempt_id, 0))


@dataclass(frozen=True, slots=True)
class _Fetched:
    """One map's segment: its bytes, or where they are in a file."""

    attempt_id: str
    source: bytes | Path
    segment: Segment

    def run(self) -> Run:
        """As the merge reads it."""
        return Run(self.segment.rows, self.segment.length, self._read)

    def _read(self) -> Iterator[pa.RecordBatch]:
        return read_segment(self.source, self.segment, name=f"map output of {self.attempt_id}")


class Fetcher:
    """Fetches one partition of all maps. A SegmentSource; `announce` may come from any thread."""

    def __init__(
        self,
        facts: JobFacts,
        partition: int,
        work_dir: Path,
        *,
        sleep: Callable[[float], None] | None = None,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        """`tls` is for trackers that speak HTTPS."""
        conf = Conf(facts.spec.conf)
        self._num_maps = facts.num_maps
        self._path = f"/shuffle/{facts.job_id}/{partition}"
        self._work_dir = work_dir
        self._copies = conf.get_as(SHUFFLE_PARALLELCOPIES)
        self._tries = conf.get_as(SHUFFLE_FETCH_RETRIES)
        self._timeout = conf.get_as(SHUFFLE_TIMEOUT)
        self._peers = Peers(facts.job_id, facts.token, self._timeout, tls)
        self._budget = conf.get_as(SHUFFLE_BUFFER_MB) << 20
        self._state = threading.Condition()
        self._known: dict[int, MapOutput] = {}
        self._have: dict[int, _Fetched] = {}
        self._failed: dict[int, str] = {}
        self._busy: set[str] = set()
        self._fault: BaseException | None = None
        self._closed = threading.Event()
        self._sleep = sleep if sleep is not None else self._pause
        self._bytes = 0

    def announce(self, outputs: Sequence[MapOutput]) -> None:
        """Learn where map outputs are; a later word on the same map replaces the earlier."""
        with self._state:
            for output in outputs:
                index = output.map_index
                if not 0 <= index < self._num_maps:
                    continue
                if not output.attempt_id:
                    self._known.pop(index, None)
                    self._failed.pop(index, None)
                    continue
                self._known[index] = output
                self._failed.pop(index, None)
            self._state.notify_all()

    def close(self) -> None:
        """Let `runs` raise Closed and the threads end."""
        self._closed.set()
        with self._state:
            self._state.notify_all()

    # SegmentSource.

    def runs(self) -> list[Run]:
        """See SegmentSource. Raises OSError where the disk is full, and Closed."""
        threads = [
            threading.Thread(target=self._copy, args=(number,), name=f"fetch-{number}", daemon=True)
            for number in range(self._copies)
        ]
        for thread in threads:
            thread.start()
        with self._state:
            while len(self._have) < self._num_maps and self._fault is None:
                if self._closed.is_set():
                    break
                self._state.wait(_WAIT_MAX)
            fault, complete = self._fault, len(self._have) == self._num_maps
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
        return self._bytes

    def fetch_failed(self) -> tuple[str, ...]:
        """See SegmentSource."""
        with self._state:
            return tuple(self._failed[index] for index in sorted(self._failed))

    # One thread.

    def _copy(self, number: int) -> None:
        path = self._work_dir / f"fetched-{number:03d}.data"
        try:
            while (job := self._next()) is not None:
                url, outputs = job
                try:
                    self._fetch_all(url, outputs, path)
                finally:
                    with self._state:
                        self._busy.discard(url)
                        self._state.notify_all()
        except BaseException as exc:  # noqa: BLE001 -- handed to the thread that waits in runs()
            with self._state:
                if self._fault is None:
                    self._fault = exc
                self._state.notify_all()

    def _next(self) -> tuple[str, list[MapOutput]] | None:
        """A tracker nobody reads from and what is wanted from it; None when all is done."""
        with self._state:
            while not self._closed.is_set() and len(self._have) < self._num_maps:
                wanted: dict[str, list[MapOutput]] = {}
                for output in self._wanted():
                    if output.url not in self._busy:
                        wanted.setdefault(output.url, []).append(output)
                if wanted:
                    url = max(wanted, key=lambda each: len(wanted[each]))
                    self._busy.add(url)
                    return url, wanted[url][:MAPS_PER_REQUEST]
                self._state.wait(_WAIT_MAX)
            return None

    def _wanted(self) -> Iterator[MapOutput]:
        for index, output in self._known.items():
            if index not in self._have and index not in self._failed:
                yield output

    def _fetch_all(self, url: str, outputs: list[MapOutput], path: Path) -> None:
        """Fetch these from one tracker, trying again; what does not come is marked as failed."""
        tries = _Tries(self._tries)
        retrying = tenacity.Retrying(
            stop=tries.used_up,
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=5.0),
            retry=tenacity.retry_if_exception_type(FetchError),
            sleep=self._sleep,
        )
        try:
            retrying(self._fetch, url, outputs, path, tries)
        except tenacity.RetryError:
            for output in self._still_wanted(outputs):
                self._fail(output)

    def _still_wanted(self, outputs: Sequence[MapOutput]) -> list[MapOutput]:
        with self._state:
            wanted = set(self._wanted())
        return [output for output in outputs if output in wanted]

    def _fail(self, output: MapOutput) -> None:
        with self._state:
            if self._known.get(output.map_index) == output:
                self._failed[output.map_index] = output.attempt_id
                self._state.notify_all()

    def _fetch(self, url: str, outputs: list[MapOutput], path: Path, tries: _Tries) -> None:
        """One request for what is still wanted. Raises FetchError where it breaks off."""
        wanted = tries.in_order(self._still_wanted(outputs))
        if not wanted or self._closed.is_set():
            return
        tries.barren += 1
        body = msgspec.json.encode(ShuffleRequest([output.attempt_id for output in wanted]))
        try:
            with self._peers.post(url, self._path, body) as response:
                self._read(response, wanted, path, tries)
        except (_Damaged, OSError, http.client.HTTPException, ValueError) as exc:
            if isinstance(exc, OSError) and exc.filename is not None:
                raise  # our own disk, not the tracker
            raise FetchError(f"{url}: {exc!r}") from exc

    def _read(
        self,
        response: http.client.HTTPResponse,
        wanted: list[MapOutput],
        path: Path,
        tries: _Tries,
    ) -> None:
        """The frames of an answer, in the order asked. Raises _Damaged once all are read."""
        damaged = None
        for output in wanted:
            try:
                self._one(response, output, path)
                tries.barren = 0
            except (_Damaged, *_BROKEN) as exc:
                if tries.failed_at(output):
                    self._fail(output)
                if not isinstance(exc, _Damaged):
                    raise
                damaged = exc  # where the next segment begins is known all the same
        if damaged is not None:
            raise damaged

    def _one(self, response: http.client.HTTPResponse, output: MapOutput, path: Path) -> None:
        """The next frame of an answer. Raises _Damaged, and _BROKEN where nothing can follow."""
        line = response.readline(_HEADER_MAX)
        header = msgspec.json.decode(line, type=FrameHeader)
        if header.attempt_id != output.attempt_id:
            raise FetchError(f"{header.attempt_id} was sent out of order")
        if header.status != "ok":
            self._fail(output)  # it knows; asking again would not change that
        elif header.length < 0 or (header.length > 0) != (header.rows > 0):
            raise FetchError(f"{header.rows} rows in {header.length} bytes")
        else:
            self._receive(response, header, output, path)

    def _receive(
        self,
        response: http.client.HTTPResponse,
        header: FrameHeader,
        output: MapOutput,
        path: Path,
    ) -> None:
        length = header.length
        with self._state:
            in_memory = length <= self._budget
            if in_memory:
                self._budget -= length
        source: bytes | Path
        try:
            if in_memory:
                offset, source = 0, self._into_memory(response, length, header.crc32)
            else:
                source = path
                offset = self._into_file(response, length, header.crc32, path)
        except BaseException:
            if in_memory:
                self._give_back(length)
            raise
        fetched = _Fetched(
            output.attempt_id, source, Segment(offset, length, header.rows, header.crc32)
        )
        with self._state:
            if self._known.get(output.map_index) == output:
                self._have[output.map_index] = fetched
            elif in_memory:  # withdrawn or replaced meanwhile
                self._budget += length
            self._state.notify_all()

    def _give_back(self, length: int) -> None:
        with self._state:
            self._budget += length

    def _chunks(
        self, response: http.client.HTTPResponse, length: int, crc32: int
    ) -> Iterator[bytes]:
        found = 0
        left = due = length
        deadline = 0.0
        while left:
            if self._closed.is_set():
                raise Closed("the fetch of map output was given up")
            if left <= due:  # the next stretch
                due, deadline = left - _CHUNK, time.monotonic() + _PATIENCE * self._timeout
            elif time.monotonic() > deadline:
                raise FetchError(f"less than 1 MiB in {_PATIENCE * self._timeout:g} s")
            chunk = response.read1(min(left, _CHUNK))
            if not chunk:
                raise FetchError(f"the answer ended {left:,} bytes early")
            found = zlib.crc32(chunk, found)
            left -= len(chunk)
            with self._state:
                self._bytes += len(chunk)
            yield chunk
        if found != crc32:
            raise _Damaged("a segment's checksum does not match")

    def _into_memory(self, response: http.client.HTTPResponse, length: int, crc32: int) -> bytes:
        return b"".join(self._chunks(response, length, crc32))

    def _into_file(
        self, response: http.client.HTTPResponse, length: int, crc32: int, path: Path
    ) -> int:
        """Append the segment to the thread's file; its offset there. Raises OSError naming it."""
        with path.open("ab", buffering=0) as file:
            offset = file.seek(0, io.SEEK_END)
            for chunk in self._chunks(response, length, crc32):
                _write(file, chunk, path)
        return offset

    def _pause(self, seconds: float) -> None:
        self._closed.wait(seconds)


def _write(file: io.FileIO, chunk: bytes, path: Path) -> None:
    try:
        view = memoryview(chunk)
        while view:
            view = view[file.write(view) :]
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from exc
