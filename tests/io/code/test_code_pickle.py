"""User code pickled by value keeps its file name, line numbers and source on another host."""

from __future__ import annotations

import importlib.util
import linecache
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest

from mrmesos.io.code.code_pickle import MAX_SOURCE_CHARS, dumps

SOURCE = """\
import functools

def wrapped(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

class Thing:
    def method(self):
        raise ValueError("of a method")

    @property
    def made(self):
        raise ValueError("of a property")

    def rows(self):
        yield 1
        raise ValueError("of a generator")

    class Inner:
        @staticmethod
        def deep():
            raise ValueError("of a nested class")

def closure(word):
    def inner():
        raise ValueError(word)
    return inner

@wrapped
def decorated():
    return (lambda: 1 // 0)()

CALLS = {
    "method": lambda: Thing().method(),
    "property": lambda: Thing().made,
    "generator": lambda: list(Thing().rows()),
    "nested class": lambda: Thing.Inner.deep(),
    "closure": closure("of a closure"),
    "decorated": decorated,
}
"""
RAISED_AT = {
    "method": 11,
    "property": 15,
    "generator": 19,
    "nested class": 24,
    "closure": 28,
    "decorated": 33,
}
ELSEWHERE = """\
import pickle, sys, traceback
calls = pickle.loads(sys.stdin.buffer.read())
for name, call in calls.items():
    try:
        call()
    except Exception:
        frame = traceback.extract_tb(sys.exc_info()[2])[-1]
        print(name, frame.filename, frame.lineno, frame.line, sep="|")
"""


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    file = tmp_path / "things_of_a_user.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    yield module
    cloudpickle.unregister_pickle_by_value(module)
    del sys.modules[file.stem]


def test_tracebacks_elsewhere_have_file_line_and_source(module: ModuleType) -> None:
    pickled = dumps(module.CALLS)
    assert module.__file__ is not None
    Path(module.__file__).unlink()
    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], input=pickled, capture_output=True, check=True
    )
    lines = SOURCE.splitlines()
    assert told.stdout.decode().splitlines() == [
        f"{name}|{module.__file__}|{number}|{lines[number - 1].strip()}"
        for name, number in RAISED_AT.items()
    ]


def test_a_cell_of_a_notebook_keeps_its_lines() -> None:
    name, text = "<cell 7 of a notebook>", "def fails():\n    return 1 // 0\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), names)
    pickled = dumps(names["fails"])
    del linecache.cache[name]
    fails = pickle.loads(pickled)
    with pytest.raises(ZeroDivisionError) as caught:
        fails()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == (name, 2, "return 1 // 0")


def test_the_source_goes_along_once_and_never_with_records(module: ModuleType) -> None:
    assert dumps(module.CALLS).count(b"class Thing:") == 1
    of_a_record = dumps(module.CALLS["closure"], sources=False)
    assert b"class Thing:" not in of_a_record
    assert str(module.__file__).encode() in of_a_record


def test_a_huge_source_stays_behind(module: ModuleType) -> None:
    assert module.__file__ is not None
    file = Path(module.__file__)
    file.write_text(SOURCE + "#" * MAX_SOURCE_CHARS)
    assert len(dumps(module.CALLS)) < 100_000


def test_a_file_that_is_here_unchanged_is_read_from_here(module: ModuleType) -> None:
    linecache.checkcache()
    pickle.loads(dumps(module.CALLS))
    entry = linecache.cache[str(module.__file__)]
    assert len(entry) == 4
    assert entry[1] is not None  # with a modification time, so `linecache` sees later changes
