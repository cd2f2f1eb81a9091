"""Injects faults, one at a time. A seeded generator chooses the target; every fault is logged.

    injector = Injector(directory, random.Random(7))
    injector.inject("kill worker")     # returns the log entry, or None if there is no target
    injector.resume_due(now)           # call it often: resumes stopped processes after their time
    injector.resume_all()

The seed fixes the random choices, but not the history: the machine decides which processes exist.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mrmesos.testing import files
from mrmesos.testing.connections import cut
from mrmesos.testing.processes import Process, processes_of, send_signal

RECENT_SECONDS = 6.0
"""A process may still read a file that changed within this time."""
STOPPED_SECONDS = {"pause": (0.5, 4.0), "stop": (8.0, 30.0)}
"""Shortest and longest time that a process is stopped."""

_SPOIL: dict[str, Callable[[Path, random.Random], str]] = {
    "flip": files.flip,
    "truncate": files.truncate,
    "remove": files.remove,
}


class Fault(msgspec.Struct, frozen=True):
    """An injected fault, `at` seconds after the injector was created."""

    at: float
    kind: str
    what: str


@dataclass(slots=True)
class Injector:
    """Injects faults into processes and files of `directory`, and nothing else.

    `roles`: see `processes_of`. `more`: the caller's own faults, by kind. Each function injects its
    fault and returns a description, or an empty text if it did nothing.
    """

    directory: Path
    rng: random.Random
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    more: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    log: list[Fault] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _stopped: list[tuple[float, Process]] = field(default_factory=list)

    def inject(self, kind: str) -> Fault | None:
        """Inject `kill|pause|stop|cut ROLE`, `flip|truncate|remove FILE-NAME`, or one of `more`.

        None if there is no target. Raises ValueError for any other kind.
        """
        verb, _, object_ = kind.partition(" ")
        if kind in self.more:
            what = self.more[kind]()
        elif verb in _SPOIL:
            what = self._spoil(_SPOIL[verb], object_)
        elif verb in ("kill", "pause", "stop", "cut"):
            what = self._hit(verb, object_)
        else:
            raise ValueError(f"no such fault: {kind}")
        if not what:
            return None
        fault = Fault(round(time.monotonic() - self.began, 2), kind, what)
        self.log.append(fault)
        return fault

    def by_kind(self) -> dict[str, int]:
        """The number of injected faults of each kind."""
        return dict(sorted(Counter(fault.kind for fault in self.log).items()))

    def resume_due(self, now: float) -> None:
        """Resume stopped processes whose time (of time.monotonic) is over."""
        due = [process for until, process in self._stopped if until <= now]
        self._stopped = [entry for entry in self._stopped if entry[0] > now]
        for process in due:
            send_signal(process, self.directory, signal.SIGCONT)

    def resume_all(self) -> None:
        """Resume all stopped processes."""
        self.resume_due(float("inf"))

    def _hit(self, verb: str, role: str) -> str:
        known = [one for one in processes_of(self.directory, self.roles) if one.role == role]
        if not known:
            return ""
        victim = self.rng.choice(known)
        if verb == "cut":
            connection = cut(victim, self.directory, self.rng)
            return f"{victim}: {connection.local}-{connection.remote}" if connection else ""
        if verb == "kill":
            return str(victim) if send_signal(victim, self.directory, signal.SIGKILL) else ""
        seconds = self.rng.uniform(*STOPPED_SECONDS[verb])
        if not send_signal(victim, self.directory, signal.SIGSTOP):
            return ""
        self._stopped.append((time.monotonic() + seconds, victim))
        return f"{victim} for {seconds:.1f} s"

    def _spoil(self, spoil: Callable[[Path, random.Random], str], name: str) -> str:
        # os.walk skips directories that disappear meanwhile.
        places = [Path(place) for place, _, names in os.walk(self.directory) if name in names]
        candidates = sorted(path for place in places if recent(path := place / name))
        if not candidates:
            return ""
        path = self.rng.choice(candidates)
        try:
            done = spoil(path, self.rng)
        except OSError:  # the owner has removed it meanwhile
            return ""
        return f"{path.parent.name}/{path.name}: {done}" if done else ""


def recent(path: Path) -> bool:
    """Whether a process may still read the file."""
    try:
        return time.time() - path.stat().st_mtime < RECENT_SECONDS
    except OSError:
        return False
