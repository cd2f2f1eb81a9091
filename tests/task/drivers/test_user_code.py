from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from mrmesos.api import Context, Job, Mapper, TaskFacts
from mrmesos.conf import ConfError
from mrmesos.io.fs.filesystem import InputError, OutputError
from mrmesos.io.shuffle.segments import CorruptSegmentError
from mrmesos.task.drivers.failures import error_of
from mrmesos.task.drivers.user_code import (
    MAX_DETAIL_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_RECORD_CHARS,
    TaskError,
    checked_counters,
    describe,
    load_job,
    make_task,
    one_line,
    shorten,
)
from mrmesos.wire.task import ErrorKind


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def raised(exc: BaseException) -> BaseException:
    try:
        raise exc
    except BaseException as caught:  # noqa: BLE001 -- with its traceback
        return caught


def context() -> Context:
    facts = TaskFacts("job_1_0001", "t", "a", "map", 0, 1, 1, "h")
    return Context(facts, {}, argparse.Namespace())


def test_one_line_bears_anything() -> None:
    assert one_line(ValueError("bad\n  record")) == "ValueError: bad record"
    assert one_line(KeyError()) == "KeyError"
    assert one_line(Unspeakable()) == "Unspeakable: <its str() raises RuntimeError>"
    assert len(one_line(ValueError("x" * 10_000))) == MAX_MESSAGE_CHARS


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000_000, b"\xff" * 10_000_000, ["x" * 1000] * 1000, Unspeakable(), 10**5000],
    ids=["text", "bytes", "list", "raises", "huge int"],
)
def test_shorten_bears_anything(value: object) -> None:
    assert 0 < len(shorten(value)) <= MAX_RECORD_CHARS


def test_shorten_shows_small_things_whole() -> None:
    assert shorten("a rose") == "'a rose'"
    assert shorten(("a", 1)) == "('a', 1)"


def test_describe_bears_an_exception_that_cannot_be_printed() -> None:
    error = describe(raised(Unspeakable()), kind="map")
    assert error.kind is ErrorKind.USER_CODE
    assert "Unspeakable" in error.detail


def test_a_deep_recursion_is_told_in_bounded_space() -> None:
    def deeper(depth: int) -> int:
        return deeper(depth + 1) + len(str(depth))

    try:
        deeper(0)
    except RecursionError as exc:
        error = describe(exc, kind="map")
    assert error.message.startswith("RecursionError")
    assert len(error.detail) < MAX_DETAIL_CHARS + 100


def test_the_chain_of_causes_is_shown() -> None:
    try:
        try:
            int("x")
        except ValueError as exc:
            raise KeyError("outer") from exc
    except KeyError as exc:
        detail = describe(exc, kind="reduce").detail
    assert "ValueError: invalid literal" in detail
    assert "KeyError: 'outer'" in detail


class Broken(Mapper):
    def __init__(self) -> None:
        raise ValueError("it broke")


def test_our_frames_above_the_users_are_left_out_of_causes_and_groups_too() -> None:
    with pytest.raises(TaskError) as met:
        make_task(Broken, context())
    broke = met.value.__cause__
    assert isinstance(broke, ValueError)
    outer = raised(ExceptionGroup("several", [broke]))
    outer.__cause__ = broke
    detail = describe(outer, kind="map").detail
    assert detail.count("in __init__") == 2, "once as the cause, once in the group"
    assert "user_code.py" not in detail.replace("test_user_code.py", "")


@pytest.mark.parametrize("text", [None, 7, b"bytes"])
def test_a_status_is_text(text: Any) -> None:
    with pytest.raises(TypeError, match=f"set_status takes text, not {type(text).__name__}"):
        context().set_status(text)


def test_a_failed_allocation_shows_the_users_line() -> None:
    error = describe(raised(MemoryError()), kind="map")
    assert "raise map.memory.mb" in error.message
    assert "MemoryError" in error.detail
    assert "in raised" in error.detail


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (MemoryError(), ErrorKind.MEMORY),
        (InputError("x"), ErrorKind.INPUT),
        (OutputError("x"), ErrorKind.OUTPUT),
        (CorruptSegmentError("x"), ErrorKind.FETCH),
        (ConfError("x"), ErrorKind.USER_CODE),
        (OSError(28, "No space left on device", "/x"), ErrorKind.INTERNAL),
        (ZeroDivisionError(), ErrorKind.INTERNAL),
    ],
)
def test_every_exception_has_its_kind(exc: Exception, kind: ErrorKind) -> None:
    error = error_of(raised(exc), "reduce")
    assert error.kind is kind
    assert error.message


def test_memory_and_disk_errors_say_what_to_do() -> None:
    assert "raise reduce.memory.mb" in error_of(MemoryError(), "reduce").message
    assert "disk is full" in error_of(OSError(28, "No space left on device", "/x"), "map").message


def test_an_absent_module_is_named(tmp_path: Path) -> None:
    path = tmp_path / "job.pickle"
    path.write_bytes(b"\x80\x04cno_such_module_here\nJob\n.")
    with pytest.raises(TaskError, match="'no_such_module_here', which is not installed on host-7"):
        load_job(path, "host-7")


def test_code_that_is_damaged_on_the_disk_is_not_unpickled_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "job.pickle"
    whole = cloudpickle.dumps(Job())
    sha256 = hashlib.sha256(whole).hexdigest()
    path.write_bytes(whole)
    assert isinstance(load_job(path, "host-7", sha256=sha256), Job)
    path.write_bytes(whole[:-2] + b"x.")
    with pytest.raises(TaskError, match="code on host-7 is damaged") as met:
        load_job(path, "host-7", sha256=sha256)
    assert met.value.error.kind is ErrorKind.INTERNAL
    assert not path.exists()


def test_a_damaged_pickle_and_one_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "job.pickle"
    path.write_bytes(b"nonsense")
    with pytest.raises(TaskError, match="cannot be unpickled on host-7"):
        load_job(path, "host-7")
    path.write_bytes(cloudpickle.dumps({"a": 1}))
    with pytest.raises(TaskError, match="holds a dict, not a Job"):
        load_job(path, "host-7")


def test_a_failing_constructor_or_setup_is_the_users() -> None:
    class Wants(Mapper):
        def __init__(self, something: int) -> None:
            self.something = something

    class Fails(Mapper):
        def setup(self) -> None:
            raise SystemExit("no database")

    with pytest.raises(TaskError) as met:
        make_task(Wants, context())
    assert met.value.error.where == "Wants()"
    with pytest.raises(TaskError) as met:
        make_task(Fails, context())
    assert met.value.error.message == "SystemExit: no database"
    assert met.value.error.where == "Fails.setup()"


def test_counters_are_whole_numbers() -> None:
    import numpy as np

    three: Any = np.int64(3)
    assert checked_counters({"g": {"n": three, "m": True}}) == {"g": {"n": 3, "m": 1}}
    with pytest.raises(TaskError, match=r"g\.n is 1\.5, not an int"):
        checked_counters({"g": {"n": 1.5}})  # type: ignore[dict-item]  # what the test is about
    with pytest.raises(TaskError, match="over 64 bits"):
        checked_counters({"g": {"n": 1 << 63}})
    with pytest.raises(TaskError, match="more than 1,000 counters"):
        checked_counters({"g": {str(number): 1 for number in range(1001)}})


def test_code_of_another_python_is_not_even_read(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"pickled by Python 2\.7.* on host-7 runs 3\.") as refused:
        load_job(tmp_path / "absent.pickle", "host-7", python="2.7")
    assert refused.value.error.kind is ErrorKind.USER_CODE
