"""Makes the TaskSpec of a task: its resources, and the pickle of its call.

Every mistake is a TypeError or a ValueError with one line. Thread: the caller's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from mrmesos.api.free_tasks import Consumption, FunctionTask
from mrmesos.client.code.modules import not_installed
from mrmesos.client.code.pickling import by_value
from mrmesos.io.code.code_pickle import Sources, dumps
from mrmesos.resources import milli
from mrmesos.task.drivers.user_code import one_line, shorten
from mrmesos.task.free_task import write_stored
from mrmesos.wire.task import INLINE_BYTES, Stored

PRIORITIES = ("VERY_HIGH", "HIGH", "NORMAL", "LOW", "VERY_LOW")
MIB = 1 << 20
LEAST_MB = 128
"""A worker takes this much memory by itself. The same is the minimum of `map.memory.mb`."""
NAME_CHARS = 200
_BYTES = {"ram": "mem", "disk": "disk"}
"""Resources that tasks give in bytes, and Mesos in MiB."""


def need_of(consumption: Consumption, default: Mapping[str, int]) -> dict[str, int]:
    """A task's resources in thousandths, by the names of Mesos. `default` has cpus and mem."""
    if isinstance(consumption, Mapping):
        pairs: Iterable[tuple[str, float]] = consumption.items()
    else:
        pairs = consumption
    need: dict[str, int] = dict(default)
    seen = set()
    for pair in pairs:
        try:
            name, amount = pair
            value = float(amount)
        except (TypeError, ValueError):
            raise TypeError(
                f"consumption() has {shorten(pair)}, and not the name of a resource and a number"
            ) from None
        if not isinstance(name, str) or not name or set(name) & set(":;, \n"):
            raise TypeError(f"consumption() names a resource {shorten(name)}")
        if name in seen or name == "mem":
            raise ValueError(
                f"consumption() names {name} twice"
                if name in seen
                else "consumption() has mem; name memory as `ram`, in bytes"
            )
        seen.add(name)
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"consumption() has {name}: {shorten(amount)}, which is not an amount")
        if name in _BYTES:
            value = float(math.ceil(value / MIB))
        try:
            need[_BYTES.get(name, name)] = milli(value)
        except ValueError:
            raise ValueError(f"consumption() has {name}: {value:g}; no agent has so much") from None
    need["mem"] = max(need["mem"], LEAST_MB * 1000)
    return {name: amount for name, amount in need.items() if amount}


class Pickler:
    """Pickles the calls for workers. Modules that are not installed are pickled by value, except
    modules that are `sent` as files.

    Tracebacks show lines of sources. The sources that are known now travel once, with `code`. A
    task carries only later ones, such as a cell of a notebook.
    """

    def __init__(self, sent: Sequence[Path]) -> None:
        self._sent = sent
        self._known = 0  # how many modules were imported at the last look
        self._by_value: list[ModuleType] = []
        self._look()
        sources = Sources(_files_of(self._by_value))
        self._sources = sources.names
        self.code = dumps(sources)
        """The pickle that workers load before the first task."""

    def pickled(self, call: Callable[[], Any], name: str) -> bytes:
        """The pickle of a call. Raises TypeError."""
        self._look()
        try:
            with by_value(self._by_value):
                return dumps(call, sent=self._sources)
        except Exception as problem:
            raise TypeError(
                f"{name} cannot be pickled, so it cannot be sent to agents: {one_line(problem)}"
            ) from problem

    def _look(self) -> None:
        if len(sys.modules) != self._known:  # this check takes a millisecond
            self._by_value, self._known = not_installed(self._sent), len(sys.modules)


def _files_of(modules: Iterable[ModuleType]) -> Iterator[str]:
    """The source files of these modules and the modules in them, and of `__main__`."""
    tops = {module.__name__ for module in modules} | {"__main__"}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in tops and isinstance(file, str) and file.endswith(".py"):
            yield file


def travelling(data: bytes, name: str, store: str, key: str) -> tuple[bytes, Stored | None]:
    """The form in which a pickle travels: in messages, or in a file of the store. Raises
    ValueError.
    """
    if len(data) <= INLINE_BYTES:
        return data, None
    if not store:
        raise ValueError(
            f"{name} has {len(data):,} bytes when pickled, over the {INLINE_BYTES:,} that travel "
            "in messages; name a directory for larger ones with TaskExecutor(store=URI)"
        )
    return b"", write_stored(f"{store}/{key}.task", data)


def name_of(task: Any) -> str:
    """The name of a task in lists and errors."""
    if isinstance(task, FunctionTask):
        task = task.function
    if isinstance(task, partial):
        task = task.func
    name = getattr(task, "name", None)
    if not isinstance(name, str) or not name:
        name = getattr(task, "__qualname__", None) or type(task).__qualname__
    return "".join(each if each.isprintable() else " " for each in name)[:NAME_CHARS]
