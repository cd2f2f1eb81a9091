"""Hooks of chains: functions that run once, before the first step and after the last one.

A hook says where it runs: `InClient`, in the process that submits the chain, or `AsTask`, on an
agent like any other work of the chain.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from mrmesos.api.formats import InputFormat, WholeFileInput
from mrmesos.api.job import Job
from mrmesos.api.tasks import Mapper

BEFORE, AFTER = "before", "after"
"""The names of the two hooks. In a chain with a hook, no step has its name."""


class HookContext(msgspec.Struct, frozen=True):
    """The argument of a hook: the chain's name, its arguments, its inputs by name (`""` for the
    input without a name) and its output, as URIs.
    """

    chain: str
    args: argparse.Namespace
    inputs: Mapping[str, tuple[str, ...]]
    output: str


HookFunction = Callable[[HookContext], object]


class InClient(msgspec.Struct, frozen=True):
    """A hook that runs in the process that submits the chain, and follows it to its end."""

    function: HookFunction


class AsTask(msgspec.Struct, frozen=True):
    """A hook that runs on an agent. `conf` has settings for this hook alone, such as
    `map.memory.mb`.

    It runs once. A failed hook runs again only if `map.maxattempts` allows it. Like any task, it
    may run again if its agent is lost.
    """

    function: HookFunction
    conf: Mapping[str, str | int | float | bool] = msgspec.field(default_factory=dict)


Hook = InClient | AsTask


class _Call(Mapper):
    """Calls the hook. The job's input has no meaning."""

    def setup(self) -> None:
        self.context.args.hook(self.context.args.given)

    def map(self, key: Any, value: Any) -> Iterable[tuple[Any, Any]] | None:  # noqa: ARG002
        return None


class HookJob(Job):
    """The job of a hook that runs as a task: one map."""

    mapper = _Call
    input_format: ClassVar[InputFormat] = WholeFileInput()

    @classmethod
    def of(cls, hook: Hook, given: HookContext) -> HookJob:
        """The job that calls this hook."""
        return cls(argparse.Namespace(hook=hook.function, given=given))


ONCE: Mapping[str, str | int | float | bool] = {"map.maxattempts": 1, "map.speculative": False}
"""The settings of a hook's job. The hook's `conf` overrides them."""
