"""Faults, one at a time: who is hit and how is drawn from a seeded generator, and all is logged.

    injector = Injector(directory, random.Random(7))
    injector.inject("kill worker")     # the log's entry, or None where there is nobody to hit
    injector.resume_due(now)           # often: those that were stopped run on when their time is up
    injector.resume_all()

The seed fixes what is drawn, not the history: which processes there are is up to the machine.
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

from mrmesos.testing import files
from mrmesos.testing.connections import cut
from mrmesos.testing.processes import Process, processes_of, send_signal

RECENT_SECONDS = 6.0
"""Files changed so lately are those that somebody may still read."""
STOPPED_SECONDS = {"pause": (0.5, 4.0), "stop": (8.0, 30.0)}
"""Between which a process is stopped."""

_SPOIL: dict[str, Callable[[Path, random.Random], str]] = {
    "flip": files.flip,
    "truncate": files.truncate,
    "remove": files.remove,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One that was injected, `at` seconds after the injector was made."""

    at: float
    kind: str
    what: str


@dataclass(slots=True)
class Injector:
    """Hits what was started from `directory`, and nothing else.

    `roles`: see `processes_of`. `more`: faults of the caller's own, by kind; each does it and
    says what it did, or nothing.
    """

    directory: Path
    rng: random.Random
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    more: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    log: list[Fault] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _stopped: list[tuple[float, Process]] = field(default_factory=list)

    def inject(self, kind: str) -> Fault | None:
        """Do it: `kill|pause|stop|cut ROLE`, `flip|truncate|remove FILE-NAME`, or one of `more`.

        None where there was nobody to hit. Raises ValueError for any other kind.
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
        """How many of each kind there were."""
        return dict(sorted(Counter(fault.kind for fault in self.log).items()))

    def resume_due(self, now: float) -> None:
        """Let those run on whose time (of time.monotonic) has come."""
        due = [process for until, process in self._stopped if until <= now]
        self._stopped = [entry for entry in self._stopped if entry[0] > now]
        for process in due:
            send_signal(process, self.directory, signal.SIGCONT)

    def resume_all(self) -> None:
        """Let all run on that are stopped."""
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
        # os.walk passes over directories that go away meanwhile.
        places = [Path(place) for place, _, names in os.walk(self.directory) if name in names]
        candidates = sorted(path for place in places if recent(path := place / name))
        if not candidates:
            return ""
        path = self.rng.choice(candidates)
        try:
            done = spoil(path, self.rng)
        except OSError:  # its owner was quicker
            return ""
        return f"{path.parent.name}/{path.name}: {done}" if done else ""


def recent(path: Path) -> bool:
    """Whether somebody may still read the file."""
    try:
        return time.time() - path.stat().st_mtime < RECENT_SECONDS
    except OSError:
        return False
