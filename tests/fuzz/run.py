"""One run: sends seeded messages to one target, which must then still do honest work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tests.fuzz.jobtracker import JobTrackerFuzz
from tests.fuzz.minimesos import MiniMesosFuzz
from tests.fuzz.tasktracker import TaskTrackerFuzz

CHECK_EVERY = 10_000


class Target(Protocol):
    """A target of messages."""

    name: str
    statuses: Counter[str]

    def send(self) -> None:
        """Send one message. Raises AssertionError if the answer is wrong."""

    def check(self) -> None:
        """Do honest work. Raises AssertionError if that fails."""

    def close(self) -> None:
        """End it."""


TARGETS: Mapping[str, Callable[[int], Target]] = {
    "jobtracker": JobTrackerFuzz,
    "tasktracker": TaskTrackerFuzz,
    "minimesos": MiniMesosFuzz,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a run."""

    name: str
    seed: int
    messages: int
    seconds: float
    answers: Mapping[str, int]

    def __str__(self) -> str:
        answers = ", ".join(f"{what}: {count:,}" for what, count in sorted(self.answers.items()))
        return (
            f"{self.name}, seed {self.seed}: {self.messages:,} messages in {self.seconds:.0f} s, "
            f"alive, honest work done; {answers}"
        )


def run(name: str, seed: int, messages: int) -> Figures:
    """Raises AssertionError with the message that did harm."""
    begun = time.monotonic()
    target = TARGETS[name](seed)
    try:
        for number in range(1, messages + 1):
            target.send()
            if number % CHECK_EVERY == 0:
                target.check()
        target.check()
    finally:
        target.close()
    return Figures(name, seed, messages, time.monotonic() - begun, dict(target.statuses))
