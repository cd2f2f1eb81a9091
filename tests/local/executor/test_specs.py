"""The meaning of a task's consumption, and the errors for mistakes, in one line each."""

from __future__ import annotations

import functools
import linecache
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from mrmesos.api.free_tasks import FunctionTask
from mrmesos.local.executor.specs import Pickler, name_of, need_of, travelling
from mrmesos.wire.task import INLINE_BYTES

DEFAULT = {"cpus": 1000, "mem": 1_024_000}
GIB = 1 << 30


@pytest.mark.parametrize(
    ("consumption", "need"),
    [
        ({}, {}),
        ({"cpus": 0.5, "ram": GIB}, {"cpus": 500, "mem": 1_024_000}),
        ([("ram", GIB + 1), ("db_connections", 2)], {"mem": 1_025_000, "db_connections": 2000}),
        ({"ram": 0}, {"mem": 128_000}),
        ({"disk": 10 * GIB, "gpus": 1}, {"disk": 10_240_000, "gpus": 1000}),
        ({"licenses": 0}, {}),
    ],
)
def test_consumption_in_the_words_of_mesos(consumption: object, need: dict[str, int]) -> None:
    assert need_of(consumption, DEFAULT) == DEFAULT | need  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("consumption", "words"),
    [
        ({"mem": 3}, "consumption() has mem; name memory as `ram`, in bytes"),
        ([("cpus", 1), ("cpus", 2)], "consumption() names cpus twice"),
        ({"cpus": -1}, "consumption() has cpus: -1, which is not an amount"),
        ({"cpus": float("nan")}, "which is not an amount"),
        ({"cpus": 1e20}, "consumption() has cpus: 1e+20; no agent has so much"),
        ({"a b": 1}, "consumption() names a resource 'a b'"),
        ({"cpus": "many"}, "not the name of a resource and a number"),
        (["cpus"], "not the name of a resource and a number"),
    ],
)
def test_a_consumption_that_is_none(consumption: object, words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as told:
        need_of(consumption, DEFAULT)  # type: ignore[arg-type]
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_a_task_that_cannot_be_pickled() -> None:
    lock = threading.Lock()
    with pytest.raises(TypeError) as told:
        Pickler([]).pickled(lambda: lock, "with a lock")
    assert str(told.value).startswith("with a lock cannot be pickled, so it cannot be sent")


def test_a_large_pickle_needs_a_store(tmp_path: object) -> None:
    large = b"x" * (INLINE_BYTES + 1)
    with pytest.raises(ValueError, match=r"over the 262,144 that travel in messages; name a dir"):
        travelling(large, "t", "", "1")
    payload, stored = travelling(large, "t", f"file://{tmp_path}", "1")
    assert payload == b""
    assert stored is not None
    assert stored.size == len(large)


def test_names_of_tasks() -> None:
    class Named:
        name = "release\n42"

    assert name_of(Named()) == "release 42"
    assert name_of(FunctionTask(pow, 2)) == "pow"
    assert name_of(functools.partial(pow, 2)) == "pow"
    assert name_of(object()) == "object"


CACHED_SCRIPT = """\
import functools
import sys

from mrmesos.local.executor.specs import Pickler

@functools.lru_cache
def square(x):
    return x * x

def bad():
    raise KeyError(square(3))  # the culprit

pickler = Pickler([])
for data in (pickler.code, pickler.pickled(bad, "bad")):
    sys.stdout.buffer.write(len(data).to_bytes(4, "big") + data)
"""


def test_sources_travel_once_and_tracebacks_on_another_host_have_lines(tmp_path: Path) -> None:
    script = tmp_path / "tasks.py"
    script.write_text(CACHED_SCRIPT)
    command = [sys.executable, str(script)]
    sent = subprocess.run(command, check=True, capture_output=True).stdout
    script.unlink()
    size = int.from_bytes(sent[:4], "big")
    code, call = sent[4 : 4 + size], sent[8 + size :]
    assert b"the culprit" in code
    assert b"the culprit" not in call
    cloudpickle.loads(code)
    with pytest.raises(KeyError) as told:
        cloudpickle.loads(call)()
    assert told.value.args == (9,), "a cached function of the script came along"
    assert "raise KeyError(square(3))  # the culprit" in "".join(
        traceback.format_exception(told.value)
    )


def test_a_source_that_came_later_travels_with_the_task() -> None:
    pickler = Pickler([])
    cell = "<cell 7>"
    lines = ["def late():\n", "    raise KeyError('of a cell')\n"]
    linecache.cache[cell] = (1, None, lines, cell)
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("".join(lines), cell, "exec"), scope)
    assert b"of a cell')" in pickler.pickled(scope["late"], "late")
