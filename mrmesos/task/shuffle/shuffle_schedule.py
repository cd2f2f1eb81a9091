"""Decides what a reduce fetches next, from which host, and which outputs it reports as failing.

Comes in: announced map outputs, and how each request ended. Goes out: a host, and the outputs to
ask it for. Pure: it has no clock and no sockets; `now` (any clock's seconds) comes with each call.
The owner holds a lock around all calls.

A failed fetch is tried again as long as the output is announced. The pause before it doubles up to
a limit (Hadoop's ShuffleSchedulerImpl penalises hosts the same way). An output is *failing* after
`tries` failures in a row, its own or its host's. It is failing until it arrives, or, if the host
was to blame, until the host delivers any output.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from mrmesos.wire.task import MapOutput

MAPS_PER_REQUEST = 1_000
"""Few enough that a broken connection repeats little, and that threads can share a tracker's
maps.
"""

_DOUBLINGS_MAX = 30
"""2.0 ** 1024 raises OverflowError, and a broken network can cause any number of failures."""


class FetchBackoff(msgspec.Struct, frozen=True):
    """Pauses in seconds. `first` is the pause after the first failure.

    `host` is the longest pause after an unreachable host or a broken answer. `output` is the
    longest pause after a damaged or missing output, which only a new run of its map can repair.
    """

    first: float = 0.1
    host: float = 5.0
    output: float = 60.0


@dataclass(slots=True)
class _Failures:
    """Failures in a row of a host or of an output. `due` is the time of the next try."""

    count: int = 0
    due: float = 0.0


@dataclass(slots=True)
class _Wanted:
    """A map output that is announced and has not arrived."""

    output: MapOutput
    failed: _Failures = field(default_factory=_Failures)
    answered: bool = False
    """The TaskTracker answered the last try, but the output was damaged or missing."""


@dataclass(slots=True)
class _Host:
    """A TaskTracker. `busy` says that a request is under way. There are never two at once."""

    busy: bool = False
    brought: bool = False
    """Whether anything has arrived since the last request began."""
    failed: _Failures = field(default_factory=_Failures)


class ShuffleSchedule:
    """See the module."""

    def __init__(
        self,
        num_maps: int,
        tries: int,
        suspects_max: int,
        backoff: FetchBackoff,
        random: Callable[[], float],
    ) -> None:
        """At most `suspects_max` requests at a time go to hosts whose last request failed.

        So unreachable hosts never keep all threads from the others. `random` is in [0, 1).
        """
        self._num_maps = num_maps
        self._tries = tries
        self._suspects_max = suspects_max
        self._backoff = backoff
        self._random = random
        self._wanted: dict[int, _Wanted] = {}
        self._here: set[int] = set()
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)

    @property
    def complete(self) -> bool:
        """Whether the segments of all maps have arrived."""
        return len(self._here) == self._num_maps

    def announce(self, outputs: Iterable[MapOutput]) -> None:
        """Take note of the places of outputs. The latest announcement of a map counts. See
        MapOutput.
        """
        for output in outputs:
            index = output.map_index
            if not 0 <= index < self._num_maps or index in self._here:
                continue
            known = self._wanted.get(index)
            if not output.attempt_id:
                self._wanted.pop(index, None)
            elif known is None or known.output != output:
                self._wanted[index] = _Wanted(output)
            else:
                known.failed.due = 0.0  # announced again: the JobTracker expects a try to succeed

    def take(self, now: float) -> tuple[str, list[MapOutput]] | None:
        """A host and the outputs to ask it for; None if nothing is due. Call `release` later."""
        due: dict[str, list[MapOutput]] = {}
        for wanted in self._due(now):
            due.setdefault(wanted.output.url, []).append(wanted.output)
        sound = [url for url in due if not self._host(url).failed.count]
        if sound:
            url = max(sound, key=lambda each: len(due[each]))
        elif due and self._busy_suspects() < self._suspects_max:
            url = min(due, key=lambda each: self._host(each).failed.due)
        else:
            return None
        host = self._host(url)
        host.busy, host.brought = True, False
        return url, self.still_wanted(due[url])[:MAPS_PER_REQUEST]

    def release(self, url: str) -> None:
        """End the request to this host."""
        self._host(url).busy = False

    def wait_seconds(self, now: float) -> float | None:
        """Seconds until something may be due. None if only an announcement or a release can
        help.
        """
        no_more_suspects = self._busy_suspects() >= self._suspects_max
        times = [
            max(wanted.failed.due, host.failed.due)
            for wanted in self._wanted.values()
            if not (host := self._host(wanted.output.url)).busy
            and not (host.failed.count and no_more_suspects)
        ]
        return max(0.0, min(times) - now) if times else None

    def still_wanted(self, outputs: Sequence[MapOutput]) -> list[MapOutput]:
        """The outputs that are still wanted; those with the fewest failures come first.

        So one bad disk block delays only one map.
        """
        known = [each for output in outputs if (each := self._entry(output)) is not None]
        return [each.output for each in sorted(known, key=lambda each: each.failed.count)]

    def came(self, output: MapOutput) -> bool:
        """Note that a segment has arrived, so its host works. Returns whether the segment is
        wanted.
        """
        host = self._host(output.url)
        host.failed, host.brought = _Failures(), True
        if self._entry(output) is None:
            return False
        del self._wanted[output.map_index]
        self._here.add(output.map_index)
        return True

    def output_failed(
        self, output: MapOutput, now: float, *, answered: bool, at_once: bool = False
    ) -> int:
        """Note that the fetch of one output failed. Returns its failures in a row.

        With `answered`, the tracker answered that the output is missing, or sent it damaged.
        Otherwise the answer broke off at this output. With `at_once`, it counts as failing without
        further tries.
        """
        wanted = self._entry(output)
        if wanted is None:
            return 0
        wanted.answered = answered
        return self._failed(wanted.failed, self._backoff.output, now, at_once)

    def host_failed(self, url: str, now: float, *, at_once: bool = False) -> int:
        """Note that a request broke off. Returns the host's failures in a row.

        `at_once` is as above, but counts only if the request brought nothing at all.
        """
        host = self._host(url)
        return self._failed(host.failed, self._backoff.host, now, at_once and not host.brought)

    def failing(self) -> tuple[str, ...]:
        """The attempts whose outputs cannot be fetched now, in the order of their maps."""
        return tuple(
            self._wanted[index].output.attempt_id
            for index in sorted(self._wanted)
            if self._is_failing(self._wanted[index])
        )

    def answered(self) -> tuple[str, ...]:
        """The part of `failing` that is damaged or missing on hosts that otherwise work."""
        return tuple(
            wanted.output.attempt_id
            for _, wanted in sorted(self._wanted.items())
            if wanted.answered
            and wanted.failed.count >= self._tries
            and not self._host(wanted.output.url).failed.count
        )

    def _is_failing(self, wanted: _Wanted) -> bool:
        host = self._host(wanted.output.url).failed
        return max(wanted.failed.count, host.count) >= self._tries

    def _failed(self, failed: _Failures, longest: float, now: float, at_once: bool) -> int:
        failed.count = max(failed.count + 1, self._tries if at_once else 0)
        doublings = min(failed.count - 1, _DOUBLINGS_MAX)
        pause = min(longest, self._backoff.first * 2.0**doublings)
        failed.due = now + pause * (0.5 + 0.5 * self._random())
        return failed.count

    def _due(self, now: float) -> Iterator[_Wanted]:
        for wanted in self._wanted.values():
            host = self._host(wanted.output.url)
            if not host.busy and max(host.failed.due, wanted.failed.due) <= now:
                yield wanted

    def _busy_suspects(self) -> int:
        return sum(host.busy and host.failed.count > 0 for host in self._hosts.values())

    def _entry(self, output: MapOutput) -> _Wanted | None:
        wanted = self._wanted.get(output.map_index)
        return wanted if wanted is not None and wanted.output == output else None

    def _host(self, url: str) -> _Host:
        return self._hosts[url]
