"""What a reduce fetches next and from which host, and which map outputs it reports as failing.

Comes in: map outputs as they are announced, and how each request ended. Goes out: a host and what
to ask it for. Pure: no clock, no sockets; `now` (any clock's seconds) comes with each call. Whoever
owns it holds a lock around it.

A failed fetch is tried again for as long as the output is announced, after a pause that doubles and
has an end (Hadoop's ShuffleSchedulerImpl penalises hosts the same way). An output is *failing* from
`tries` failures in a row on, of its own or of its host's, until it or something else of the host
has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mrmesos.wire.task import MapOutput

MAPS_PER_REQUEST = 1_000
"""Few enough that a broken connection repeats little and that threads share a tracker's maps."""

_DOUBLINGS_MAX = 30
"""2.0 ** 1024 is an OverflowError, and failures go on for as long as a network is cut."""


@dataclass(frozen=True, slots=True)
class FetchBackoff:
    """Seconds. `host`: longest pause after a host could not be reached or broke off. `output`:
    longest after an output came damaged or was not there, which only its map can mend.
    """

    first: float = 0.1
    host: float = 5.0
    output: float = 60.0


@dataclass(slots=True)
class _Failures:
    """In a row, of a host or of an output. `due`: not tried again before."""

    count: int = 0
    due: float = 0.0


@dataclass(slots=True)
class _Wanted:
    """A map output that is announced and not here."""

    output: MapOutput
    failed: _Failures = field(default_factory=_Failures)
    answered: bool = False
    """Its TaskTracker answered the last try, and had it damaged or not at all."""


@dataclass(slots=True)
class _Host:
    """A TaskTracker, by its URL. `busy`: a request is under way, and never two are."""

    busy: bool = False
    brought: bool = False
    """Whether anything has come since it was last asked."""
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
        """At most `suspects_max` requests at a time go to hosts whose last one failed, so that
        hosts that are away never keep all threads from the others. `random` is in [0, 1).
        """
        self._num_maps = num_maps
        self._tries = tries
        self._suspects_max = suspects_max
        self._backoff = backoff
        self._random = random
        self._wanted: dict[int, _Wanted] = {}
        self._here: set[int] = set()
        self._hosts: dict[str, _Host] = {}

    @property
    def complete(self) -> bool:
        """Whether all maps' segments are here."""
        return len(self._here) == self._num_maps

    def announce(self, outputs: Iterable[MapOutput]) -> None:
        """Where outputs are; a later word on a map replaces the earlier. See MapOutput."""
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
                known.failed.due = 0.0  # told anew: the JobTracker thinks that it can be had

    def take(self, now: float) -> tuple[str, list[MapOutput]] | None:
        """A host to ask, and for what; None where nothing is due. `release` it afterwards."""
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
        """The request is over."""
        self._host(url).busy = False

    def wait_seconds(self, now: float) -> float | None:
        """Until something may be due; None where only news can make it so."""
        no_more_suspects = self._busy_suspects() >= self._suspects_max
        times = [
            max(wanted.failed.due, host.failed.due)
            for wanted in self._wanted.values()
            if not (host := self._host(wanted.output.url)).busy
            and not (host.failed.count and no_more_suspects)
        ]
        return max(0.0, min(times) - now) if times else None

    def still_wanted(self, outputs: Sequence[MapOutput]) -> list[MapOutput]:
        """Those of them that are, the ones that failed least first: one bad block of a disk costs
        one map.
        """
        known = [each for output in outputs if (each := self._entry(output)) is not None]
        return [each.output for each in sorted(known, key=lambda each: each.failed.count)]

    def came(self, output: MapOutput) -> bool:
        """A segment is here; whether it is still wanted. Its host is sound."""
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
        """One came damaged or was not there, which is an answer, or an answer broke off at it; its
        failures in a row. `at_once`: it is failing without further tries.
        """
        wanted = self._entry(output)
        if wanted is None:
            return 0
        wanted.answered = answered
        return self._failed(wanted.failed, self._backoff.output, now, at_once)

    def host_failed(self, url: str, now: float, *, at_once: bool = False) -> int:
        """A request broke off; the host's failures in a row. `at_once` as above, where it brought
        nothing at all.
        """
        host = self._host(url)
        return self._failed(host.failed, self._backoff.host, now, at_once and not host.brought)

    def failing(self) -> tuple[str, ...]:
        """The attempts whose outputs cannot be had now, in the order of their maps."""
        return tuple(
            self._wanted[index].output.attempt_id
            for index in sorted(self._wanted)
            if self._is_failing(self._wanted[index])
        )

    def answered(self) -> tuple[str, ...]:
        """Those among `failing` that a host had damaged or not at all, which itself can be read."""
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
        return self._hosts.setdefault(url, _Host())
