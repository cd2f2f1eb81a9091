"""A fake clock, stream and agent, without real time, sockets or processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from mrmesos.minimesos.model.resources import Json


class Later:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0
        self.calls: list[Later] = []

    def now(self) -> float:
        return self.time

    def after(self, seconds: float, call: Callable[[], None]) -> Later:
        self.calls.append(Later(self.time + seconds, call))
        return self.calls[-1]

    def advance(self, seconds: float) -> None:
        end = self.time + seconds
        while due := [one for one in self.calls if one.at <= end and not one.cancelled]:
            first = min(due, key=lambda one: one.at)
            self.calls.remove(first)
            self.time = max(self.time, first.at)
            first.call()
        self.time = end


class FakeStream:
    count: Iterator[int] = itertools.count()

    def __init__(self) -> None:
        self.stream_id = str(next(self.count))
        self.events: list[Json] = []
        self.closed = False

    def send(self, event: Json) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed = True

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def last(self, kind: str) -> Json:
        return dict(next(e[kind.lower()] for e in reversed(self.events) if e["type"] == kind))


class FakeAgent:
    """Records the calls of the master."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.alive: set[tuple[str, str]] = set()
        self.states: dict[tuple[str, str], str] = {}

    def report(self) -> tuple[set[tuple[str, str]], dict[tuple[str, str], str]]:
        return self.alive, self.states

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **_: self.asked.append((name, *arguments))


def status(task: str, state: str, uuid: str = "u1") -> Json:
    return {"task_id": {"value": task}, "state": state, "uuid": uuid, "timestamp": 1.0}
