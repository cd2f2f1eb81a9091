"""What user code does wrong: run_job shows the first error, with the user's file and line."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mrmesos.api import Job, Mapper, RecordReader, RecordWriter, Reducer
from mrmesos.api.context import Context
from mrmesos.local.run_job import run_job

Pairs = Iterator[tuple[Any, Any]]
Act = Callable[[Context], object]


class Count(Reducer):
    def reduce(self, key: Any, values: Iterator[int]) -> Pairs:
        yield key, sum(values)


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Unpicklable(Exception):
    def __init__(self, text: str, more: int) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


def look_up() -> None:
    raise KeyError("missing")  # the cause


def nested(_: Context) -> None:
    try:
        look_up()
    except KeyError as exc:
        raise ValueError("outer") from exc


def grouped(_: Context) -> None:
    raise BaseExceptionGroup("many", [ValueError("one"), KeyError("two")])


def locked(_: Context) -> None:
    raise Unpicklable("locked", 2)


def raised(exc: BaseException) -> Act:
    def act(_: Context) -> None:
        raise exc

    return act


def error_of(job: type[Job]) -> tuple[BaseException, str]:
    """The error of the job over two equal lines, and all that Python prints of it."""
    with pytest.raises(Exception) as caught:
        run_job(job, ["a", "a"], splits=1, num_reducers=1)
    return caught.value, "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("act", "said", "line"),
    [
        (nested, "ValueError: outer", 'raise KeyError("missing")  # the cause'),
        (grouped, "many (2 sub-exceptions)", "raise BaseExceptionGroup"),
        (
            lambda context: context.count("g", "n", 1.5),
            "not str, str, float",
            'count("g", "n", 1.5)',
        ),
        (lambda context: context.count("g", "n", "2"), "not str, str, str", 'count("g", "n", "2")'),
        (lambda context: context.count(["g"], "n"), "not list, str, int", 'count(["g"], "n")'),
        (lambda context: context.count(None, "n"), "not NoneType, str, int", 'count(None, "n")'),
        (lambda context: context.count(), "missing 2 required positional", "context.count()"),
        (lambda _: sys.exit("I leave"), "SystemExit: I leave", 'sys.exit("I leave")'),
        (lambda _: sys.exit(0), "SystemExit: 0", "sys.exit(0)"),
        (raised(KeyboardInterrupt("me")), "KeyboardInterrupt: me", "raise exc"),
        (raised(GeneratorExit("why")), "GeneratorExit: why", "raise exc"),
        (raised(StopIteration("end")), "generator raised StopIteration", "raise exc"),
        (locked, "Unpicklable: locked", 'raise Unpicklable("locked", 2)'),
        (raised(Speechless()), "Speechless: <exception str() failed>", "raise exc"),
        (raised(ValueError("x" * 10_000_000)), "ValueError: xxxxxxxxxx", "raise exc"),
    ],
)
def test_errors_of_a_mapper(act: Any, said: str, line: str) -> None:
    class Fails(Mapper):
        def map(self, key: int, value: str) -> Pairs:
            yield value, 1
            act(self.context)

    class Given(Job):
        mapper, reducer = Fails, Count

    _, told = error_of(Given)
    assert said in told
    assert __file__ in told
    assert line in told
    assert "input.txt offset 0: record 'a'" in told


class Broken(Reducer):
    def reduce(self, key: Any, values: Iterator[int]) -> Pairs:
        yield key, sum(values)
        raise ValueError("late")


class First(RecordReader):
    def read(self, split: Any) -> Pairs:
        yield 0, "a"
        raise ValueError("reader")


class Nothing(RecordReader):
    def read(self, split: Any) -> Any:
        return None


class Writes(RecordWriter):
    def record(self, key: Any, value: Any) -> bytes:
        raise ValueError("writer")


class Ends(RecordWriter):
    def record(self, key: Any, value: Any) -> bytes:
        return b""

    def footer(self) -> bytes:
        raise ValueError("footer")


class Ones(Mapper):
    def map(self, key: int, value: str) -> Pairs:
        yield value, 1


@pytest.mark.parametrize(
    ("attributes", "said", "where"),
    [
        ({"reducer": Broken}, "ValueError: late", "reducer Broken, key 'a'"),
        ({"combiner": Broken}, "ValueError: late", "combiner Broken"),
        ({"input_format": First()}, "ValueError: reader", r"First.read() of "),
        ({"input_format": Nothing()}, "not iterable", "Nothing.read() of "),
        ({"output_format": Writes()}, "ValueError: writer", "Writes.record()"),
        ({"output_format": Ends()}, "ValueError: footer", "Ends.footer()"),
    ],
)
def test_errors_of_other_classes(attributes: dict[str, Any], said: str, where: str) -> None:
    class Given(Job):
        mapper, reducer = Ones, Count

    for name, value in attributes.items():
        setattr(Given, name, value)
    _, told = error_of(Given)
    assert said in told
    assert where in told
    assert "Nothing" in where or f'raise ValueError("{said.split()[-1]}")' in told
